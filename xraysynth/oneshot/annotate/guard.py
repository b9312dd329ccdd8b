"""Who may talk to the page: a browser on this machine that was given the address with its token.

Any web site can send a browser to a port of its own machine, and a name that a stranger owns can be
made to point there. So a request must name this server as its Host, come from this server's own
page if it says where it comes from, and carry the token: once in the address, from then on
in a cookie. Web sockets are held to the same before they open.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qs

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

HEADERS = (
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
)
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; "
    "connect-src 'self' ws://{host}; frame-ancestors 'none'; form-action 'self'; base-uri 'none'"
)
"""The page is made of what the package ships; its framework compiles templates in the browser."""

HTTP_PORT = 80
"""The one port that clients leave out of Host and Origin."""


class Guard:
    """ASGI application that lets through what belongs here and refuses the rest in one sentence."""

    def __init__(self, app: Application, port: int, token: str) -> None:
        self.app = app
        self._token = token
        self._hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}
        if port == HTTP_PORT:
            self._hosts |= {"127.0.0.1", "localhost"}
        # Cookies do not tell ports apart: two pages of one machine must not take each other's.
        self._cookie = f"xraysynth-{port}"

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        fault = self._fault(scope)
        if fault:
            await _refuse(scope, send, fault)
        elif scope["type"] == "http" and self._has_token_in_address(scope):
            await self._welcome(scope, send)
        else:
            await self.app(scope, receive, self._with_headers(scope, send))

    def _fault(self, scope: Message) -> str:
        """Return why a request is refused; empty if it is not."""
        hosts = _values(scope, b"host")
        if len(hosts) != 1 or hosts[0].lower() not in self._hosts:
            return "This page answers to 127.0.0.1 and localhost only."
        origins = _values(scope, b"origin")
        if any(origin.lower() not in self._origins() for origin in origins):
            return "This page answers to itself only, not to other sites."
        if not (self._has_token_in_address(scope) or self._has_token_in_cookie(scope)):
            return (
                "The token is missing or of an earlier start. Open the address that "
                "xraysynth annotate has printed."
            )
        return ""

    def _origins(self) -> set[str]:
        """Return the origins of the page's own requests."""
        return {f"http://{host}" for host in self._hosts}

    def _has_token_in_address(self, scope: Message) -> bool:
        """Tell whether the address of the page carries the token; no other address may."""
        if scope["type"] != "http" or scope["path"] != "/" or scope["method"] != "GET":
            return False
        query = parse_qs(scope["query_string"].decode("latin-1"))
        return any(self._is_token(value) for value in query.get("token", []))

    def _has_token_in_cookie(self, scope: Message) -> bool:
        """Tell whether a cookie carries the token."""
        # By hand: `SimpleCookie` gives up at the first cookie of another program that is odd.
        for header in _values(scope, b"cookie"):
            for cookie in header.split(";"):
                name, _, value = cookie.partition("=")
                if name.strip() == self._cookie and self._is_token(value.strip()):
                    return True
        return False

    def _is_token(self, value: str) -> bool:
        """Compare in a time that does not tell how much was right."""
        return hmac.compare_digest(value.encode(), self._token.encode())

    async def _welcome(self, scope: Message, send: Send) -> None:
        """Move the token from the address into a cookie, so that it stays in no history."""
        cookie = f"{self._cookie}={self._token}; Path=/; HttpOnly; SameSite=Strict"
        headers = [
            (b"location", b"/"),
            (b"set-cookie", cookie.encode()),
            (b"cache-control", b"no-store"),
            (b"content-length", b"0"),
            *HEADERS,
        ]
        await send({"type": "http.response.start", "status": 303, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    def _with_headers(self, scope: Message, send: Send) -> Send:
        """Return a `send` that adds what browsers shall refuse on the page's behalf."""
        policy = POLICY.format(host=_values(scope, b"host")[0])

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = [*HEADERS, (b"content-security-policy", policy.encode("latin-1"))]
                message = {**message, "headers": [*message.get("headers", []), *own]}
            await send(message)

        return send_with_headers


def _values(scope: Message, name: bytes) -> list[str]:
    """Return all values of a header."""
    return [value.decode("latin-1") for key, value in scope["headers"] if key.lower() == name]


async def _refuse(scope: Message, send: Send, sentence: str) -> None:
    """Answer 403; a web socket that is closed before it opens is answered so by the server."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": sentence})
        return
    body = f"{sentence}\n".encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        *HEADERS,
    ]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": body})
