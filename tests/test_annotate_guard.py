"""The page talks to its own browser only: raw requests, as other sites would make them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from annotate_server import Server, quick_folder

from xraysynth.cli import main
from xraysynth.errors import InputError
from xraysynth.oneshot.annotate import server as server_module
from xraysynth.oneshot.annotate.guard import Guard
from xraysynth.oneshot.annotate.server import listen

PORT, TOKEN = 8123, "s3cret-token"
COOKIE = (b"cookie", f"other=1; xraysynth-{PORT}={TOKEN}".encode())
HOST = (b"host", b"127.0.0.1:8123")


async def inner(scope: Any, receive: Any, send: Any) -> None:
    """Stand for the page."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"the page"})


def ask(
    headers: list[tuple[bytes, bytes]], path: str = "/", port: int = PORT, **scope: Any
) -> list[dict[str, Any]]:
    """Return the messages with which the guard answers one request."""
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("nothing is received")

    request = {"type": "http", "method": "GET", "path": path, "query_string": b"", **scope}
    asyncio.run(Guard(inner, port, TOKEN)({**request, "headers": headers}, receive, send))
    return sent


@pytest.mark.parametrize("host", [b"127.0.0.1:8123", b"localhost:8123", b"LOCALHOST:8123"])
def test_the_page_is_shown_to_who_has_the_cookie(host: bytes) -> None:
    start, body = ask([(b"host", host), COOKIE])
    assert (start["status"], body["body"]) == (200, b"the page")
    policy = dict(start["headers"])[b"content-security-policy"].decode()
    assert "default-src 'self'" in policy
    assert f"ws://{host.decode()}" in policy


@pytest.mark.parametrize(
    "others",
    [
        pytest.param(b'prefs={"a":1}; ', id="json"),
        pytest.param(b"a b=1; ", id="odd-name"),
        pytest.param(b'a="1\\; ;=;;', id="open-quote"),
        pytest.param(b"\xc3\xa9=\xff; ", id="beyond-ascii"),
        pytest.param(b"xraysynth-8123=wrong; ", id="same-name"),
    ],
)
def test_cookies_of_other_programs_lock_nobody_out(others: bytes) -> None:
    own = COOKIE[1].removeprefix(b"other=1; ")
    for value in (others + own, own + b"; " + others):
        assert ask([HOST, (b"cookie", value)])[0]["status"] == 200
        assert (
            ask([HOST, (b"cookie", value[:-1].replace(b"s3cret", b"S3cret"))])[0]["status"] == 403
        )


@pytest.mark.parametrize("host", [b"127.0.0.1", b"localhost", b"127.0.0.1:80", b"localhost:80"])
def test_port_80_may_be_left_out(host: bytes) -> None:
    cookie = (b"cookie", f"xraysynth-80={TOKEN}".encode())
    own = [(b"host", host), (b"origin", b"http://" + host), cookie]
    assert ask(own, port=80)[0]["status"] == 200
    opened = ask(own, "/_nicegui_ws/socket.io/", port=80, type="websocket")
    assert opened == [{"type": "websocket.accept"}]
    for other in (b"http://evil.example", b"https://" + host, b"http://127.0.0.1:8080"):
        foreign = [(b"host", host), (b"origin", other), cookie]
        assert ask(foreign, port=80)[0]["status"] == 403


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param([HOST], id="no-token"),
        pytest.param([HOST, (b"cookie", b"xraysynth-8123=wrong")], id="wrong-token"),
        pytest.param([HOST, (b"cookie", b"xraysynth-8124=s3cret-token")], id="other-port"),
        pytest.param([HOST, (b"cookie", b"xraysynth-8123=")], id="empty-token"),
        pytest.param([HOST, (b"cookie", b"\xff\x00;=;;")], id="rubbish-cookie"),
        pytest.param([COOKIE], id="no-host"),
        pytest.param([HOST, (b"host", b"evil.example"), COOKIE], id="two-hosts"),
        pytest.param([(b"host", b"evil.example:8123"), COOKIE], id="foreign-host"),
        pytest.param([(b"host", b"127.0.0.1"), COOKIE], id="host-without-port"),
        pytest.param([(b"host", b"127.0.0.1:80"), COOKIE], id="host-with-other-port"),
        pytest.param([(b"host", b"0.0.0.0:8123"), COOKIE], id="any-address"),
        pytest.param([HOST, (b"origin", b"http://evil.example"), COOKIE], id="foreign-origin"),
        pytest.param([HOST, (b"origin", b"null"), COOKIE], id="null-origin"),
        pytest.param([HOST, (b"origin", b"https://127.0.0.1:8123"), COOKIE], id="other-scheme"),
        pytest.param([HOST, (b"origin", b"http://127.0.0.1:99"), COOKIE], id="other-port-origin"),
    ],
)
def test_everything_else_is_refused_for_pages_and_for_web_sockets(
    headers: list[tuple[bytes, bytes]],
) -> None:
    start, body = ask(headers)
    assert start["status"] == 403
    assert b"the page" not in body["body"]
    assert TOKEN.encode() not in body["body"]
    assert ask(headers, "/_nicegui_ws/socket.io/", type="websocket") == [
        {"type": "websocket.close", "code": 1008, "reason": body["body"].decode().strip()}
    ]


def test_a_web_socket_of_the_page_itself_opens() -> None:
    own = [HOST, (b"origin", b"http://127.0.0.1:8123"), COOKIE]
    assert ask(own, "/_nicegui_ws/socket.io/", type="websocket") == [{"type": "websocket.accept"}]


def test_the_token_in_the_address_becomes_a_cookie_and_leaves_the_address() -> None:
    start, _ = ask([HOST], query_string=f"token={TOKEN}".encode())
    headers = dict(start["headers"])
    assert (start["status"], headers[b"location"]) == (303, b"/")
    cookie = headers[b"set-cookie"].decode()
    assert cookie == f"xraysynth-{PORT}={TOKEN}; Path=/; HttpOnly; SameSite=Strict"


@pytest.mark.parametrize(
    "scope",
    [
        {"path": "/_nicegui/x.js"},
        {"method": "POST"},
        {"type": "websocket", "path": "/_nicegui_ws/socket.io/"},
    ],
)
def test_the_token_opens_nothing_but_the_page(scope: dict[str, Any]) -> None:
    answer = ask([HOST], query_string=f"token={TOKEN}".encode(), **scope)
    assert answer[0].get("status") == 403 or answer[0]["type"] == "websocket.close"


def test_a_port_in_use_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with listen(0) as taken:
        port = taken.getsockname()[1]
        assert taken.getsockname()[0] == "127.0.0.1"
        words = ["annotate", "--gan", "bundled", "--out", str(tmp_path / "x"), "--port", str(port)]
        assert main(words) == 2
    assert f"port {port} is in use; choose another one with --port" in capsys.readouterr().err
    with pytest.raises(InputError, match="port 70000 cannot be used"):
        listen(70000)


def test_without_nicegui_the_command_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(server_module, "find_spec", lambda name: None)
    assert main(["annotate", "--gan", "bundled", "--out", str(tmp_path / "x")]) == 2
    assert "pip install 'xraysynth[annotate]'" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


# The running command.


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(quick_folder(tmp_path_factory.mktemp("annotate")))
    yield running
    assert running.stop() == 130
    assert running.noise[-1].startswith("interrupted")


UPGRADE = (
    "GET /_nicegui_ws/socket.io/?EIO=4&transport=websocket HTTP/1.1\nUpgrade: websocket\n"
    "Connection: Upgrade\nSec-WebSocket-Version: 13\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="
)
GET = "GET / HTTP/1.1\nConnection: close"


def test_the_server_listens_on_loopback_alone(server: Server) -> None:
    with socket.socket() as other:
        # 127.0.0.2 is this machine too; a socket on all addresses would answer there.
        assert other.connect_ex(("127.0.0.2", server.port)) != 0


def test_raw_requests_are_held_to_token_host_and_origin(server: Server) -> None:
    own = f"http://127.0.0.1:{server.port}"
    assert server.ask(f"{GET}\n{server.cookie}").startswith(b"HTTP/1.1 200")
    assert server.ask(f"{GET}\nOrigin: {own}\n{server.cookie}").startswith(b"HTTP/1.1 200")
    refused = [
        server.ask(GET),
        server.ask(f"{GET}\n{server.cookie}", host="evil.example"),
        server.ask(f"{GET}\n{server.cookie}", host=f"evil.example:{server.port}"),
        server.ask(f"{GET}\n{server.cookie}\nOrigin: http://evil.example"),
        server.ask(f"GET /docs HTTP/1.1\nConnection: close\nCookie: a={server.token}"),
        server.ask(f"GET /?token={server.token[:-1]} HTTP/1.1\nConnection: close"),
    ]
    for answer in refused:
        assert answer.startswith(b"HTTP/1.1 403"), answer[:200]
        assert server.token.encode() not in answer


def test_raw_web_socket_handshakes_are_held_to_the_same(server: Server) -> None:
    own = f"http://localhost:{server.port}"
    opened = server.ask(f"{UPGRADE}\nOrigin: {own}\n{server.cookie}", host=own[7:])
    assert opened.startswith(b"HTTP/1.1 101")
    for head, host in (
        (f"{UPGRADE}\nOrigin: {own}", None),
        (f"{UPGRADE}\nOrigin: http://evil.example\n{server.cookie}", None),
        (f"{UPGRADE}\nOrigin: null\n{server.cookie}", None),
        (f"{UPGRADE}\n{server.cookie}", "evil.example"),
    ):
        assert server.ask(head, host=host).startswith(b"HTTP/1.1 403"), (head, host)


def test_polling_is_held_to_the_same(server: Server) -> None:
    path = "GET /_nicegui_ws/socket.io/?EIO=4&transport=polling HTTP/1.1\nConnection: close"
    assert server.ask(f"{path}\n{server.cookie}").startswith(b"HTTP/1.1 200")
    assert server.ask(path).startswith(b"HTTP/1.1 403")
    foreign = server.ask(f"{path}\n{server.cookie}\nOrigin: http://evil.example")
    assert foreign.startswith(b"HTTP/1.1 403")


def test_the_folder_is_held_by_one_command(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["annotate", "--gan", "bundled", "--out", str(server.folder)]) == 2
    assert "is in use by another run" in capsys.readouterr().err
