"""TLS, to a server or as a server, with certificates from files that may be renewed while the worker runs."""

import logging
import ssl
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Self

from worker.errors import SettingsError
from worker.file_state import file_state

log = logging.getLogger(__name__)


def trusting(cafile: Path | None, key: str) -> ssl.SSLContext:
    """Return a context that trusts the authorities of a PEM file, or those of the operating system without one.

    It checks certificates and host names. `key`: the setting that names the file. Raise SettingsError if the file holds
    no certificate. If the file changes later, new connections use its new content.
    """
    return renewed(partial(authorities, cafile, key), [cafile])


def authorities(cafile: Path | None, key: str) -> ssl.SSLContext:
    """Return a context as `trusting` does, for what the file holds now."""
    try:
        return ssl.create_default_context(cafile=cafile)
    except OSError:
        raise SettingsError([f"{key}: the file holds no certificate (PEM)"]) from None


def serving(certfile: Path, keyfile: Path, keys: str) -> ssl.SSLContext:
    """Return the context of a server, with a certificate and its key from PEM files.

    `keys`: the settings that name the files. Raise SettingsError if they hold no certificate with its key. If the files
    change later, new connections use their new content.
    """
    return renewed(partial(_certificate, certfile, keyfile, keys), [certfile, keyfile])


def _certificate(certfile: Path, keyfile: Path, keys: str) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        # Without a password OpenSSL would ask for one at the terminal.
        context.load_cert_chain(certfile, keyfile, password="")
    except OSError:
        raise SettingsError([f"{keys}: the files hold no certificate (PEM) with its unencrypted key"]) from None
    return context


def renewed(load: Callable[[], ssl.SSLContext], files: Sequence[Path | None]) -> ssl.SSLContext:
    """Return the context that `load` makes of these files. Each new connection uses what the files have then.

    Raise SettingsError if `load` does. If it raises that later, the last context that could be made stays in use.
    """
    present = [file for file in files if file is not None]
    return _RenewedContext(load, present) if present else load()


class _RenewedContext(ssl.SSLContext):
    """A context that makes connections by another one, which it replaces when a file has changed.

    It trusts nobody itself, so that nothing could be reached if somebody used it in another way than asyncio does.
    """

    def __new__(cls, *_: Any) -> Self:
        return super().__new__(cls, ssl.PROTOCOL_TLS_CLIENT)

    def __init__(self, load: Callable[[], ssl.SSLContext], files: Sequence[Path]) -> None:
        self._load = load
        self._files = files
        self._states = [file_state(file) for file in files]
        self._current = load()

    def wrap_bio(self, *args: Any, **options: Any) -> ssl.SSLObject:
        """Begin a connection. asyncio calls this once for each."""
        self._renew()
        return self._current.wrap_bio(*args, **options)

    def get_ca_certs(self, binary_form: bool = False) -> Any:
        """Return the authorities that new connections trust."""
        return self._current.get_ca_certs(binary_form)

    def _renew(self) -> None:
        states = [file_state(file) for file in self._files]
        if states == self._states:
            return
        self._states = states
        try:
            self._current = self._load()
        except SettingsError as error:
            # Perhaps only one of two files has been replaced yet. The other one will change too.
            log.warning("%s; new connections use the earlier content", error)
        else:
            log.info("new connections use the new content of %s", ", ".join(map(str, self._files)))
