"""Every function that takes a path takes it alike: `~`, texts, paths, and what is none."""

import contextlib
import os
import signal

import jax
import numpy as np
import pytest
from diagrams import DELTAS, KEY, NORMS, SMALL
from ensembles import train as train_ensemble
from marks import slow
from trainings import train

import organics_ode as oo
import tasks
from organics_ode import robustness
from organics_ode.storage import from_line


def phase_diagram(path):
    robustness.phase_diagram(DELTAS[:1], NORMS[:1], key=KEY, path=path, **SMALL | {"trials": 1})


WRITERS = {
    "path of save": lambda path: oo.save(path, np.ones(2)),
    "checkpoint of fit": lambda path: train(checkpoint=path, steps=1),
    "log of fit": lambda path: train(log=path, steps=1),
    "checkpoint of ensemble": lambda path: train_ensemble(checkpoint=path, steps=1),
    "log of ensemble": lambda path: train_ensemble(log=path, steps=1),
    "path of phase_diagram": phase_diagram,
}
READERS = {
    "path of load": oo.load,
    "path of read": oo.History.read,
    "data_dir of MNIST": lambda path: tasks.MNIST(path),
}


class Named:
    """An `os.PathLike` that is no `Path`."""

    def __init__(self, path):
        self.path = path

    def __fspath__(self):
        return str(self.path)


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))  # Windows
    return tmp_path


@pytest.mark.parametrize(
    "writer", [slow(w) if w == "path of phase_diagram" else w for w in WRITERS]
)
def test_files_are_written_at_home(home, writer):
    WRITERS[writer](Named("~/file"))
    assert os.listdir(home) == ["file"] and (home / "file").is_file()


def test_files_are_read_from_home(home):
    oo.save(home / "file", np.arange(3))
    np.testing.assert_array_equal(oo.load("~/file"), np.arange(3))
    (home / "log").write_text('{"step": 1}\n')
    assert oo.History.read("~/log").records == [{"step": 1}]


def test_a_tilde_that_names_nobody_is_part_of_the_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    oo.save("~draft-of-nobody", np.ones(2))
    assert os.listdir(tmp_path) == ["~draft-of-nobody"]


def test_a_change_of_the_working_directory_moves_no_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other").mkdir()

    def score(outputs, targets, mask):
        jax.debug.callback(lambda: os.chdir(tmp_path / "other"))
        return outputs.sum()

    train(checkpoint="run", log="log", checkpoint_every=1, steps=2, metric=score)
    assert {*os.listdir(tmp_path)} == {"run", "log", "other"} and not os.listdir("../other")
    assert oo.load(tmp_path / "run").step == 2


@pytest.mark.parametrize("function", WRITERS | READERS)
@pytest.mark.parametrize("path", [3, b"bytes", "nul\0nul", ("a", "b")])
@pytest.mark.usefixtures("unchecked")
def test_what_is_no_path_is_named(function, path):
    name = function.partition(" ")[0]
    with pytest.raises(ValueError, match=rf"^Argument `{name}` must be a path"):
        (WRITERS | READERS)[function](path)


@pytest.mark.parametrize("function", WRITERS | READERS)
@pytest.mark.usefixtures("unchecked")
def test_what_cannot_be_followed_is_named(function, tmp_path):
    name = function.partition(" ")[0]
    (tmp_path / "one").symlink_to(tmp_path / "two")
    (tmp_path / "two").symlink_to(tmp_path / "one")
    for path in ("a" * 256, "one", "one/file", "a" * 256 + "/file", "\ud800"):
        with pytest.raises(ValueError, match=rf"^Argument `{name}` must be a path that can be"):
            (WRITERS | READERS)[function](os.path.join(tmp_path, path))


@contextlib.contextmanager
def at_once():
    """Whatever waits is interrupted after a while."""

    def stop(*args):
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(60)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("function", WRITERS | READERS)
def test_a_pipe_that_nobody_reads_is_not_waited_for(function, tmp_path):
    name = function.partition(" ")[0]
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    if name == "data_dir":
        (tmp_path / "mnist").mkdir()
        pipe = tmp_path
        os.mkfifo(tmp_path / "mnist" / "train-images-idx3-ubyte.gz")
    must = "exists" if name == "data_dir" else f"^Argument `{name}` must "
    with at_once(), pytest.raises((ValueError, FileNotFoundError), match=must):
        (WRITERS | READERS)[function](pipe)


def test_a_log_may_be_a_pipe_that_is_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    descriptor = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    with at_once():
        history = train(log=tmp_path / "pipe", steps=2).history
    lines = os.read(descriptor, 10_000).splitlines()
    os.close(descriptor)
    assert [from_line(line) for line in lines] == history.records


@pytest.mark.parametrize("link", [False, True])
def test_checkpoint_and_log_are_two_files(tmp_path, link):
    log = tmp_path / ("link" if link else "run")
    train(checkpoint=tmp_path / "run", steps=1)
    if link:
        os.link(tmp_path / "run", log)
    before = (tmp_path / "run").read_bytes()
    for options in ({"checkpoint": tmp_path / "run"}, {"checkpoint": tmp_path / "run", "steps": 4}):
        with pytest.raises(ValueError, match=r"^Argument `log` must be another file than `check"):
            train(log=log, **options)
    assert (tmp_path / "run").read_bytes() == before
    with pytest.raises(ValueError, match=r"^Argument `log` must be another file than `checkpoint"):
        train(checkpoint=tmp_path / "new", log=tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_link_is_followed_once(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "one")

    def score(outputs, targets, mask):
        jax.debug.callback(relink)
        return outputs.sum()

    def relink():
        (tmp_path / "link").unlink()
        (tmp_path / "link").symlink_to(tmp_path / "two")

    train(checkpoint=tmp_path / "link", checkpoint_every=1, steps=2, metric=score)
    assert oo.load(tmp_path / "one").step == 2 and not (tmp_path / "two").exists()


def test_a_phase_diagram_knows_before_it_begins_that_it_can_be_written(tmp_path):
    bad = {"none/file": "lie in an existing folder", ".": "name a file"}
    for name, must in bad.items():
        with pytest.raises(ValueError, match=rf"^Argument `path` must {must}"):
            phase_diagram(tmp_path / name)
    for content in (b"", b"text", b"PK\3\4"):
        (tmp_path / "file").write_bytes(content)
        with pytest.raises(ValueError, match=r"^Argument `path` must be new or hold a diagram"):
            phase_diagram(tmp_path / "file")
