"""The card of a trained model: what it is, and how to train it again."""

import argparse
import json
import os
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import equinox as eqx
import jax

import organics_ode as oo

PACKAGES = ("organics_ode", "jax", "equinox", "optax", "numpy")


def card(args: argparse.Namespace, data: Any, model: Any, history: oo.History, scores: dict) -> str:
    """JSON: the data, the command and its options, the scores of `oo.evaluate` by part of the data,
    the count of trained numbers, machine, seconds of training, commit and versions."""
    accuracy = {part: round(score["accuracy"], 4) for part, score in scores.items()}
    numbers = jax.tree.leaves(eqx.filter(model, oo.trainable(model)))
    parts = {part: len(getattr(data, part).targets) for part in ("train", "validation", "test")}
    facts = {
        "data": {"name": type(data).__name__} | parts,
        **command_of(args),
        "accuracy": accuracy,
        "trained_numbers": sum(leaf.size for leaf in numbers),
        "largest_gradient_norm": round(float(history["gradient_norm"].max()), 3),
        **origin(float(history["seconds"][-1])),
    }
    return json.dumps(facts, indent=2, ensure_ascii=False) + "\n"


def command_of(args: argparse.Namespace) -> dict[str, Any]:
    """The command with its options, those that name files left out."""
    options = {k: v for k, v in vars(args).items() if k not in ("out", "data_dir", "table")}
    flags = [_flag(name, value) for name, value in options.items() if _is_given(value)]
    command = " ".join([f"python examples/{Path(sys.argv[0]).name}", *flags])
    return {"command": command, "options": options}


def origin(seconds: float) -> dict[str, Any]:
    """Where and when: machine, seconds, commit, versions."""
    versions = {"python": platform.python_version()} | {p: version(p) for p in PACKAGES}
    here = {"machine": _machine(), "seconds": round(seconds), "commit": _commit()}
    return here | {"versions": versions}


def _is_given(value: Any) -> bool:
    return value is not None and value is not False


def _flag(name: str, value: Any) -> str:
    flag = f"--{name.replace('_', '-')}"
    words = value if isinstance(value, list) else [value]
    return flag if value is True else " ".join([flag, *map(str, words)])


def _machine() -> str:
    devices = f"{jax.device_count()} × {jax.devices()[0].device_kind}"
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, jax on {devices}"


def _commit() -> str:
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip() or "unknown"
