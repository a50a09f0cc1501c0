"""The server of the page: on this machine only, as long as a tab is open."""

import errno
import socket
import time
import webbrowser
from collections.abc import Callable
from typing import Any

import jax

from .._checks import refuse
from ._presets import PRESETS, Preset

ADDRESS = "127.0.0.1"
GRACE = 5.0  # seconds without a tab before the server ends, so that a page can be reloaded
_EVERY = 500  # ms between two counts of the tabs
_HIGHEST = 65_535
_MISSING = "The explorer needs bokeh: pip install 'organics_ode[explore]'."


def _say(line: str) -> None:
    print(line, flush=True)


def explore(
    port: int = 0, *, browser: bool = True, grace: float = GRACE, say: Callable[[str], Any] = _say
) -> None:
    """Serve the explorer until its last tab is closed, or until it is interrupted.

    Sets JAX to float64 on the CPU, since it runs in a process of its own.

    Args:
        port: the port to listen on, at 127.0.0.1 only; 0 for any free port.
        browser: whether to open the page in a browser.
        grace: s, how long the server waits for another tab once the last one is closed. For the
            first tab it waits forever.
        say: a function that is called with lines of progress.

    Raises:
        ImportError: the extra `explore` is not installed.
        ValueError: the port is not from 0 to 65535.
        OSError: the port is in use.
    """
    if not 0 <= port <= _HIGHEST:
        refuse("port", f"be from 0 to {_HIGHEST}", f"it is {port}")
    server, port = _listening(port)
    try:  # from here on an interrupt ends it cleanly, even while it compiles
        _serve(server, port, browser, grace, say)
    except KeyboardInterrupt:
        pass
    finally:
        server.stop()
    say("The explorer has ended.")


def _serve(server: Any, port: int, browser: bool, grace: float, say: Callable[[str], Any]) -> None:
    jax.config.update("jax_platforms", "cpu")  # a program of milliseconds, and eigenvalues
    jax.config.update("jax_enable_x64", True)
    _prepare(say)
    address = f"http://{ADDRESS}:{port}/"
    say(f"The explorer is at {address}")
    say(f"It ends {grace:g} s after its last tab is closed, or with Ctrl-C.")
    server.start()
    _end_with_the_last_tab(server, grace)
    if browser:
        server.io_loop.add_callback(webbrowser.open, address)
    server.io_loop.start()


def _listening(port: int) -> tuple[Any, int]:
    """The server, not started yet, and the port that it listens on."""
    try:
        from bokeh.application import Application
        from bokeh.application.handlers.function import FunctionHandler
        from bokeh.server.server import BaseServer
        from bokeh.server.tornado import BokehTornado
        from tornado.httpserver import HTTPServer
        from tornado.ioloop import IOLoop
    except ImportError as error:
        raise ImportError(_MISSING) from error
    from ._page import Tab

    tab: Any = Tab  # called with the document of each tab
    listener = _bound(port)
    port = listener.getsockname()[1]
    pages = BokehTornado(
        {"/": Application(FunctionHandler(tab))},
        extra_websocket_origins=[f"{ADDRESS}:{port}", f"localhost:{port}"],
    )
    answers = HTTPServer(pages)
    answers.add_sockets([listener])
    return BaseServer(IOLoop.current(), pages, answers), port


def _bound(port: int) -> socket.socket:
    try:
        listener = socket.create_server((ADDRESS, port))
    except OSError as error:
        why = "is in use" if error.errno == errno.EADDRINUSE else "cannot be used"
        free = "give another one with `--port`, or leave it out for one that is free"
        raise OSError(f"Port {port} {why}: {free}.") from error
    listener.setblocking(False)
    # Connections inherit it. Otherwise a picture, which is sent in small packets, would wait 40 ms
    # until the browser has confirmed the first of them.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _prepare(say: Callable[[str], Any]) -> None:
    """Compile what runs when a slider moves, so that the first move is as fast as the next."""
    from ._view import view

    models: dict[str, Preset] = {}
    for preset in PRESETS:
        models.setdefault(preset.model.name, preset)
    for i, preset in enumerate(models.values(), 1):
        say(f"Compiling {i} of {len(models)}: {preset.model.name} ...")
        start = time.perf_counter()
        view(preset.model, preset.values)
        say(f"  {time.perf_counter() - start:.1f} s")


def _end_with_the_last_tab(server: Any, grace: float) -> None:
    """Stop once the last tab is gone: after the first one, count the tabs now and then."""
    from tornado.ioloop import PeriodicCallback

    last_seen: list[float] = []

    def look() -> None:
        now = time.monotonic()
        if any(session.connection_count for session in server.get_sessions("/")):
            last_seen[:] = [now]
        elif last_seen and now - last_seen[0] > grace:
            server.io_loop.stop()

    PeriodicCallback(look, _EVERY).start()
