"""What the tests of the role web share."""

import pytest
from web.board_rig import OTHER_HASH

from worker.access import passwords


@pytest.fixture(autouse=True)
def quick_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison for a name that is not known takes as little time as the others of these tests."""
    monkeypatch.setattr(passwords, "_nobody", lambda: OTHER_HASH)
