"""The command `explore` where it cannot serve, and how it ends."""

import asyncio
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from organics_ode.__main__ import main
from organics_ode.explore import PRESETS, _server, explore
from organics_ode.explore._server import _bound

ROOT = Path(__file__).parents[2]


def test_without_the_extra_it_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "bokeh.application", None)
    assert main(["explore", "--no-browser"]) == 1
    assert "pip install 'organics_ode[explore]'" in capsys.readouterr().err


def test_a_port_in_use_is_named(capsys):
    pytest.importorskip("bokeh", reason="bokeh is absent: pip install 'organics_ode[explore]'.")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["explore", "--no-browser", "--port", str(port)]) == 1
    assert f"Port {port} is in use: give another one with `--port`" in capsys.readouterr().err


def test_small_packets_are_sent_at_once():
    """Otherwise a picture waits 40 ms for the browser to confirm its first packet."""
    pytest.importorskip("bokeh", reason="bokeh is absent: pip install 'organics_ode[explore]'.")
    with _bound(0) as listener:
        assert listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        with socket.create_connection(listener.getsockname()):
            select.select([listener], [], [], 10)
            answering, _ = listener.accept()
        with answering:
            assert answering.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_port_that_is_none_is_refused():
    with pytest.raises(
        ValueError, match="Argument `port` must be from 0 to 65535, but it is 70000"
    ):
        explore(70_000)


@pytest.fixture
def loop(monkeypatch):
    """The loop of a server in this thread, which says what was asked of JAX, and ends in time."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    loop.asked = []
    config = SimpleNamespace(update=lambda *words: loop.asked.append(words))
    monkeypatch.setattr(_server, "jax", SimpleNamespace(config=config))
    monkeypatch.setattr(_server, "_EVERY", 20)
    loop.call_later(30, loop.stop)  # if something is wrong, it does not wait forever
    yield loop
    loop.close()
    asyncio.set_event_loop(None)


def test_it_opens_the_page_serves_it_and_ends_after_the_last_tab(loop, monkeypatch):
    pytest.importorskip("bokeh", reason="bokeh is absent: pip install 'organics_ode[explore]'.")
    from bokeh.client import pull_session
    from bokeh.models import Div

    from organics_ode.explore import _page

    monkeypatch.setattr(_page, "Tab", lambda document: document.add_root(Div(text="a tab")))
    monkeypatch.setattr(_server, "_prepare", lambda say: say("prepared"))
    said, seen, times = [], [], []

    def tabs(address):
        for _ in range(2):  # a page that is reloaded: the server waits for the second
            session = pull_session(url=address)
            seen.extend(root.text for root in session.document.roots)
            session.close()
            times.append(time.monotonic())
            time.sleep(0.1)

    def opened(address):
        seen.append(address)
        threads.append(threading.Thread(target=tabs, args=(address,)))
        threads[0].start()

    threads = []
    monkeypatch.setattr(_server.webbrowser, "open", opened)
    explore(grace=0.4, say=said.append)
    assert 0.3 < time.monotonic() - times[-1] < 20
    threads[0].join()
    told, where, how, ended = said
    port = int(where.rpartition(":")[2].strip("/"))
    assert told == "prepared" and where == f"The explorer is at http://127.0.0.1:{port}/"
    assert how == "It ends 0.4 s after its last tab is closed, or with Ctrl-C."
    assert ended == "The explorer has ended."
    assert seen == [f"http://127.0.0.1:{port}/", "a tab", "a tab"]
    assert loop.asked == [("jax_platforms", "cpu"), ("jax_enable_x64", True)]
    with pytest.raises(OSError):  # nothing listens any more
        socket.create_connection(("127.0.0.1", port), timeout=1)


def test_an_interrupt_while_it_prepares_ends_it(loop, monkeypatch, capsys):
    pytest.importorskip("bokeh", reason="bokeh is absent: pip install 'organics_ode[explore]'.")

    def interrupted(say):
        raise KeyboardInterrupt

    monkeypatch.setattr(_server, "_prepare", interrupted)
    assert main(["explore", "--no-browser"]) == 0
    assert capsys.readouterr().out == "The explorer has ended.\n"


def test_each_model_is_compiled_once_before_the_page_is_served(monkeypatch):
    from organics_ode.explore import _view

    seen, said = [], []
    monkeypatch.setattr(_view, "view", lambda model, values: seen.append((model, values)))
    _server._prepare(said.append)
    first = {preset.model.name: preset for preset in reversed(PRESETS)}
    assert seen == [(first[model.name].model, first[model.name].values) for model, _ in seen]
    assert len(seen) == len(first) == 3
    assert said[::2] == [
        f"Compiling {i} of 3: {model.name} ..." for i, (model, _) in enumerate(seen, 1)
    ]


@pytest.mark.system
@pytest.mark.parametrize(
    "prepare", ["lambda say: None", "lambda say: (say('It ends while it compiles'), sleep(60))"]
)
def test_an_interrupt_ends_it_in_peace(prepare):
    """As soon as it says how it ends. Without what compiles: a signal is all that matters here."""
    pytest.importorskip("bokeh", reason="bokeh is absent: pip install 'organics_ode[explore]'.")
    script = f"""
import signal
from time import sleep
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in the background of a shell
from organics_ode.explore import _server, explore
_server._prepare = {prepare}
explore(browser=False)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with process:
        assert any(line.startswith("It ends") for line in process.stdout)
        process.send_signal(signal.SIGINT)
        told = process.stdout.read()
        assert process.wait(timeout=60) == 0, told
    assert told == "The explorer has ended.\n"
