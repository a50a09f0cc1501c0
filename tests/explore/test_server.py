"""The command `explore` where it cannot serve, and how it ends."""

import os
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from organics_ode.__main__ import main
from organics_ode.explore import explore
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
