"""Alerts and incidents, as the tests of notify have them."""

from notify.conftest import make_alert, make_incident

__all__ = ["make_alert", "make_incident"]
