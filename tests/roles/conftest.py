"""The courier's tests need alerts as the tests of the mails have them."""

from notify.conftest import make_alert

__all__ = ["make_alert"]
