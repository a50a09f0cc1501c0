"""The card of a trained model says what was trained and how to train it again."""

import argparse
import json
import shlex
import subprocess
import sys
from pathlib import Path

import equinox as eqx
import jax
import numpy as np
import pytest

import organics_ode as oo
from organics_ode.storage import card, command_of, origin
from tasks import Split

DATA = argparse.Namespace(
    **{
        part: Split(np.zeros((n, 1, 1), np.float32), np.zeros(n, np.int32))
        for part, n in (("train", 5), ("validation", 3), ("test", 2))
    }
)


def parser():
    options = argparse.ArgumentParser()
    options.add_argument("--rates", type=float, nargs="+", default=[0.01])
    options.add_argument("--sizes", type=int, nargs=2, default=(3, 4))
    options.add_argument("--log-pool", action="store_true")
    options.add_argument("--name", default="two words")
    options.add_argument("--start")
    options.add_argument("--out", type=Path, default=Path("somewhere"))
    options.add_argument("--weights", type=Path, default=Path("elsewhere"))  # any path is a place
    return options


@pytest.fixture
def script(tmp_path, monkeypatch):
    """A script in a folder of a repository with one commit."""
    path = tmp_path / "examples" / "train.py"
    path.parent.mkdir()
    path.write_text("print()")
    who = ("-c", "user.name=A", "-c", "user.email=a@b")
    for words in (("init", "-q"), ("add", "."), (*who, "commit", "-q", "-m", "One")):
        subprocess.run(["git", "-C", str(tmp_path), *words], check=True)
    monkeypatch.setattr(sys, "argv", [str(path)])
    return path


@pytest.mark.parametrize("words", [[], ["--rates", "0.1", "0.02", "--log-pool", "--start", "x y"]])
def test_the_command_of_a_card_gives_the_same_options(script, words):
    args = parser().parse_args(words)
    python, path, *again = shlex.split(command_of(args)["command"])
    assert (python, path) == ("python", "examples/train.py")
    back = parser().parse_args(again)
    assert {k: list(v) if k == "sizes" else v for k, v in vars(back).items()} == {
        k: list(v) if k == "sizes" else v for k, v in vars(args).items()
    }
    assert not {"out", "weights"} & command_of(args)["options"].keys()
    json.dumps(command_of(args))


def test_a_card_says_from_which_commit_of_the_script_it_comes(script, tmp_path):
    head = (tmp_path / ".git").joinpath("HEAD").read_text().removeprefix("ref: ").strip()
    assert origin(1.4)["commit"] == (tmp_path / ".git" / head).read_text().strip()
    assert origin(1.4)["seconds"] == 1


def test_without_git_the_commit_is_unknown(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "train.py")])
    assert origin(0.0)["commit"] == "unknown"
    monkeypatch.setenv("PATH", "")
    assert origin(0.0)["commit"] == "unknown"
    assert command_of(argparse.Namespace(n=2))["command"] == "python train.py --n 2"


def test_a_card_counts_what_was_trained(script):
    readout = eqx.nn.Linear(3, 2, key=jax.random.key(0))
    model = eqx.tree_at(lambda m: m.bias, readout, oo.Frozen(readout.bias))
    records = [{"step": i, "gradient_norm": norm, "seconds": i} for i, norm in enumerate([2, 5, 1])]
    scores = {"test": {"accuracy": 0.98766, "loss": 0.1}}
    args = parser().parse_args([])
    facts = json.loads(card(args, DATA, model, oo.History(records), scores))
    assert facts["data"] == {"name": "Namespace", "train": 5, "validation": 3, "test": 2}
    assert facts["trained_numbers"] == 6 and facts["accuracy"] == {"test": 0.9877}
    assert facts["largest_gradient_norm"] == 5.0 and facts["seconds"] == 2
    assert {"command", "options", "machine", "commit", "versions"} <= set(facts)
