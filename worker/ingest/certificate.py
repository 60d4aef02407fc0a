"""The certificate of the HTTP server of the role receive."""

import ssl

from worker.receive.settings import ReceiveSettings
from worker.tls import serving


def server_context(settings: ReceiveSettings) -> ssl.SSLContext | None:
    """Return the TLS context of the server; None if it serves plain http.

    Raise SettingsError if the files hold no certificate with its key. If they change later, new connections use their
    new content.
    """
    if settings.tls_certfile is None or settings.tls_keyfile is None:
        return None
    return serving(settings.tls_certfile, settings.tls_keyfile, "receive.tls_certfile, receive.tls_keyfile")
