"""The cookies of the page."""

from aiohttp import web

#: What begins the name of a cookie that browsers accept by https and for this host only.
_HOST_ONLY = "__Host-"
_YEAR = 365 * 86_400


class Cookies:
    """Reads and sets cookies, which no script can read, and which other sites' forms do not send."""

    def __init__(self, *, is_https: bool) -> None:
        self._is_https = is_https

    def name(self, short: str) -> str:
        """Return the full name of a cookie."""
        return f"{_HOST_ONLY if self._is_https else ''}nps-{short}"

    def get(self, request: web.Request, short: str) -> str:
        """Return the value of a cookie; empty if there is none, or if it is not one that this site has set."""
        value = request.cookies.get(self.name(short), "")
        return value if value.isascii() else ""

    def put(self, response: web.StreamResponse, short: str, value: str, seconds: int | None = _YEAR) -> None:
        """Set a cookie. `seconds`: how long the browser keeps it; None until it is closed."""
        response.set_cookie(
            self.name(short),
            value,
            max_age=seconds,
            path="/",
            httponly=True,
            # Not Strict: a link in a mail or a chat leads to a page, and the provider of a login back to it.
            samesite="Lax",
            secure=self._is_https,
        )

    def drop(self, response: web.StreamResponse, short: str) -> None:
        """Let the browser forget a cookie. It only obeys if the attributes are those with which the cookie was set."""
        self.put(response, short, "", 0)
