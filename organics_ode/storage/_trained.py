"""Trained models: those that come with the library, and the model card of any trained model."""

import argparse
import json
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import equinox as eqx
import jax
import numpy as np
from jaxtyping import PyTree

from .._checks import refuse
from .._constraints import described, trainable
from .._version import __version__
from ._files import load

_FOLDER = Path(__file__).parent / "weights"
_PACKAGES = ("jax", "equinox", "optax", "numpy")
# Options that only say where files are, not what was trained.
_PLACES = ("out", "data_dir", "table")


@runtime_checkable
class Records(Protocol):
    """The values of one quantity over a training run, as in a `History`."""

    def __getitem__(self, name: str) -> np.ndarray: ...


def pretrained(name: str) -> PyTree:
    """A trained model that comes with the library (host).

    It is an ordinary model: `oo.evaluate` scores it, `oo.fit` trains it further, and for a sequence
    classifier `model.cell.circuit` is the circuit to analyse or simulate.

    Args:
        name: one of `oo.pretrained_names()`.

    Returns:
        The model, in float32; `oo.model_card(name)` tells how it was trained and how it scores.

    Raises:
        ValueError: there is no model of this name.
    """
    return load(_file(name, ".npz"))


def model_card(name: str) -> dict[str, Any]:
    """The card of a trained model: data, command, options, accuracy, machine, time (host).

    Args:
        name: one of `oo.pretrained_names()`.

    Returns:
        The card that the training script wrote together with the model.

    Raises:
        ValueError: there is no model of this name.
    """
    return json.loads(_file(name, ".json").read_text(encoding="utf-8"))


def pretrained_names() -> tuple[str, ...]:
    """The names of the trained models that come with the library (host)."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.npz")))


def card(
    args: argparse.Namespace,
    data: object,
    model: PyTree,
    history: Records,
    scores: Mapping[str, Mapping[str, float]],
) -> str:
    """What a script has trained, and how to train it again, as JSON (host).

    Args:
        args: the options of the script.
        data: a data set with the parts `train`, `validation` and `test`.
        model: the trained model.
        history: the `History` of the training run.
        scores: from `oo.evaluate`, by part of the data or by anything else that was evaluated.

    Returns:
        The name and sizes of the data, the command and its options, accuracies, the number of
        trained parameters, the values of the parameters (time constants in ms), the largest
        gradient norm, and `origin`.
    """
    numbers = jax.tree.leaves(eqx.filter(model, trainable(model)))
    parts = {part: len(getattr(data, part).targets) for part in ("train", "validation", "test")}
    facts = {
        "data": {"name": type(data).__name__} | parts,
        **command_of(args),
        "accuracy": {part: round(score["accuracy"], 4) for part, score in scores.items()},
        "trained_numbers": sum(leaf.size for leaf in numbers),
        "values": described(model),
        "largest_gradient_norm": round(float(history["gradient_norm"].max()), 3),
        **origin(float(history["seconds"][-1])),
    }
    return json.dumps(facts, indent=2, ensure_ascii=False) + "\n"


def command_of(args: argparse.Namespace) -> dict[str, Any]:
    """The command of the running script, from the root of its repository, and its options (host).

    Options that only name files or folders are left out.
    """
    options = {name: value for name, value in vars(args).items() if not _is_place(name, value)}
    words = [word for name, value in options.items() for word in _words(name, value)]
    command = shlex.join(["python", _script_in_its_repository(), *words])
    return {"command": command, "options": options}


def origin(seconds: float) -> dict[str, Any]:
    """Where and how a model was made: machine, seconds, commit of the script, versions (host)."""
    versions = {"python": platform.python_version(), "organics_ode": __version__}
    versions |= {package: version(package) for package in _PACKAGES}
    commit = _git("rev-parse", "HEAD") or "unknown"
    here = {"machine": _machine(), "seconds": round(seconds), "commit": commit}
    return here | {"versions": versions}


def _file(name: str, extension: str) -> Path:
    names = pretrained_names()
    if not isinstance(name, str) or name not in names:
        refuse("name", f"be one of {', '.join(names)}", f"it is {name!r}")
    return _FOLDER / f"{name}{extension}"


def _is_place(name: str, value: Any) -> bool:
    return name in _PLACES or isinstance(value, Path)


def _words(name: str, value: Any) -> list[str]:
    flag = f"--{name.replace('_', '-')}"
    if value is None or value is False:
        return []
    values = [] if value is True else value if isinstance(value, list | tuple) else [value]
    return [flag, *map(str, values)]


def _script() -> Path:
    return Path(sys.argv[0]).resolve()


def _script_in_its_repository() -> str:
    script, root = _script(), _git("rev-parse", "--show-toplevel")
    if root is None or not script.is_relative_to(root):
        return script.name
    return script.relative_to(root).as_posix()


def _git(*words: str) -> str | None:
    """The answer of git in the script's folder; None without git, or outside any repository."""
    command = ["git", "-C", str(_script().parent), *words]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except OSError:
        return None
    return None if done.returncode else done.stdout.strip()


def _machine() -> str:
    devices = f"{jax.device_count()} × {jax.devices()[0].device_kind}"
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, jax on {devices}"
