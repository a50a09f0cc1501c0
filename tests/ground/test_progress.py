"""A bar on a terminal, one line a minute in a file."""

import io
import sys

import pytest

from organics_ode import _progress
from organics_ode._progress import progress_bar


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Clock:
    """Seconds that pass when they are told to."""

    now = 0.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(_progress, "time", clock)
    return clock


def run(clock, steps, seconds, **options):
    """What stderr holds after steps of so many seconds each."""
    with progress_bar(steps, unit="step", **options) as bar:
        for step in range(options.get("done", 0), steps):
            clock.now += seconds
            bar.set_postfix({"loss": f"{1 / (step + 1):.4g}"}, refresh=False)
            bar.update()


def test_a_file_gets_a_line_a_minute_and_one_at_the_end(clock, capsys):
    run(clock, 600, 0.125)  # 75 s
    text = capsys.readouterr().err
    first, last = text.splitlines()
    assert first == "step 480/600, 1 min, 15.0 s left, loss=0.002083"
    assert last == "step 600/600, 1 min, loss=0.001667"
    assert "\r" not in text and len(text) < 200  # 34 kB before


def test_a_long_training_is_told_in_hours(clock, capsys):
    run(clock, 1000, 30.0, done=400, title="resumed after step 400")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 300  # 5 hours
    assert (
        lines[0] == "resumed after step 400: step 402/1000, 1 min, 4 h 59 min left, loss=0.002488"
    )
    assert lines[-1].startswith("resumed after step 400: step 1000/1000, 5 h 0 min, loss=")


def test_a_terminal_and_a_notebook_get_the_bar_of_tqdm(monkeypatch):
    notebook = type("OutStream", (io.StringIO,), {"__module__": "ipykernel.iostream"})
    for stream in (Terminal(), notebook()):
        monkeypatch.setattr(sys, "stderr", stream)
        with progress_bar(3, unit="step", done=1, title="resumed") as bar:
            bar.update(2)
        assert stream.getvalue().count("\r") >= 1 and "resumed: 100%" in stream.getvalue()


def test_what_is_not_shown_writes_nothing(clock, capsys, monkeypatch):
    run(clock, 10, 100.0, shown=False)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys, "stderr", None)  # as under pythonw
    run(clock, 10, 100.0)


def test_an_error_on_the_way_ends_with_how_far_it_came(clock, capsys):
    with pytest.raises(KeyError), progress_bar(9, unit="round") as bar:
        clock.now += 5
        bar.update(4)
        raise KeyError
    assert capsys.readouterr().err == "round 4/9, 5.0 s, 6.2 s left\n"


def test_nobody_needs_to_read_the_lines(clock, monkeypatch):
    class Broken(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stderr", Broken())
    run(clock, 3, 100.0)
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stderr", closed)
    run(clock, 3, 100.0)
