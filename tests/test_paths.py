"""Every function that takes a path takes it alike: `~`, texts, paths, and what is none."""

import os

import jax
import numpy as np
import pytest
from test_ensemble import train as train_ensemble
from test_robustness import DELTAS, KEY, NORMS, SMALL
from test_train import train

import organics_ode as oo
import tasks
from organics_ode import robustness
from tasks._source import mnist_folder


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


@pytest.mark.parametrize("writer", WRITERS)
def test_files_are_written_at_home(home, writer):
    WRITERS[writer](Named("~/file"))
    assert os.listdir(home) == ["file"] and (home / "file").is_file()


def test_files_are_read_from_home(home):
    oo.save(home / "file", np.arange(3))
    np.testing.assert_array_equal(oo.load("~/file"), np.arange(3))
    (home / "log").write_text('{"step": 1}\n')
    assert oo.History.read("~/log").records == [{"step": 1}]
    assert mnist_folder("~/data") == home / "data" / "mnist"


def test_a_tilde_that_names_nobody_is_part_of_the_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    oo.save("~draft-of-nobody", np.ones(2))
    assert os.listdir(tmp_path) == ["~draft-of-nobody"]
    assert mnist_folder("~draft-of-nobody") == tmp_path / "~draft-of-nobody" / "mnist"


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


def test_a_phase_diagram_knows_before_it_begins_that_it_can_be_written(tmp_path):
    bad = {"none/file": "lie in an existing folder", ".": "name a file"}
    for name, must in bad.items():
        with pytest.raises(ValueError, match=rf"^Argument `path` must {must}"):
            phase_diagram(tmp_path / name)
    for content in (b"", b"text", b"PK\3\4"):
        (tmp_path / "file").write_bytes(content)
        with pytest.raises(ValueError, match=r"^Argument `path` must be new or hold a diagram"):
            phase_diagram(tmp_path / "file")
