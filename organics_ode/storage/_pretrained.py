"""Trained models that come with the library."""

import json
from pathlib import Path
from typing import Any

from jaxtyping import PyTree

from .._checks import refuse
from ._files import load

_FOLDER = Path(__file__).parent / "weights"


def pretrained(name: str) -> PyTree:
    """A trained model that comes with the library (host).

    It is an ordinary model: `oo.evaluate` scores it, `oo.fit` trains it further, and
    `model.cell.circuit` of a sequence classifier is the circuit to analyse or to simulate.

    Args:
        name: one of `oo.pretrained_names()`.

    Returns:
        The model, in float32; `oo.model_card(name)` says how it was trained and what it scores.

    Raises:
        ValueError: there is no model of this name.
    """
    return load(_file(name, ".npz"))


def model_card(name: str) -> dict[str, Any]:
    """The card of a trained model: data, command, options, accuracy, machine, time (host).

    Args:
        name: one of `oo.pretrained_names()`.

    Returns:
        What the training script wrote beside the model.

    Raises:
        ValueError: there is no model of this name.
    """
    return json.loads(_file(name, ".json").read_text(encoding="utf-8"))


def pretrained_names() -> tuple[str, ...]:
    """The names of the trained models that come with the library (host)."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.npz")))


def _file(name: str, extension: str) -> Path:
    names = pretrained_names()
    if not isinstance(name, str) or name not in names:
        refuse("name", f"be one of {', '.join(names)}", f"it is {name!r}")
    return _FOLDER / f"{name}{extension}"
