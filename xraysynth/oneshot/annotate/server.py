"""The page's server: this machine only, one port, one secret token."""

from __future__ import annotations

import errno
import secrets
import socket
import warnings
from collections.abc import Callable
from importlib.util import find_spec

from xraysynth.errors import InputError
from xraysynth.oneshot.annotate.desk import Desk
from xraysynth.oneshot.annotate.guard import Guard

LOOPBACK = "127.0.0.1"


def check_installed() -> None:
    """Raise unless the packages of the page are there.

    Raises
    ------
    InputError
        They are not, with what to install.
    """
    if any(find_spec(name) is None for name in ("nicegui", "uvicorn", "fastapi")):
        raise InputError(
            "the page needs NiceGUI, which is not installed; want it: "
            "pip install 'xraysynth[annotate]'",
            code="annotate-extra",
        )


def listen(port: int) -> socket.socket:
    """Return a socket on the loopback address; port 0 takes a free one.

    Raises
    ------
    InputError
        The port is in use or out of range.
    """
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((LOOPBACK, port))
        listening.listen(64)
    except (OSError, OverflowError) as error:
        listening.close()
        busy = getattr(error, "errno", 0) == errno.EADDRINUSE
        why = "is in use" if busy else f"cannot be used ({error})"
        raise InputError(
            f"port {port} {why}; choose another one with --port, or leave it out for a free one.",
            code="annotate-port",
        ) from None
    return listening


def serve(desk: Desk, listening: socket.socket, tell: Callable[[str], None]) -> None:
    """Serve the page until the process is interrupted.

    Parameters
    ----------
    desk : what the page works on
    listening : from `listen`
    tell : called with the address once the server is up
    """
    import uvicorn
    from fastapi import FastAPI
    from nicegui import ui

    from xraysynth.oneshot.annotate.page import Page, Room

    port = listening.getsockname()[1]
    token = secrets.token_urlsafe(24)
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    room = Room(desk=desk)

    @ui.page("/")
    def show() -> None:
        Page(room)

    ui.run_with(
        app,
        title="xraysynth annotate",
        language="en-US",
        tailwind=False,
        show_welcome_message=False,
        reconnect_timeout=30.0,
    )
    config = uvicorn.Config(
        Guard(app, port, token),
        log_level="warning",
        access_log=False,
        server_header=False,
        lifespan="on",
        timeout_graceful_shutdown=2,
    )
    # Looking for the running server, NiceGUI touches every object, a deprecated one of torch too.
    warnings.filterwarnings("ignore", category=FutureWarning, module="nicegui")
    tell(f"http://{LOOPBACK}:{port}/?token={token}")
    uvicorn.Server(config).run(sockets=[listening])
