"""Checkpoints of a training: written whole, checked against the call, and continued from."""

import json
import os
import shutil
from typing import Any, NamedTuple

import equinox as eqx
import jax
from jaxtyping import PyTree

from ._checks import check_positive_integer, refuse
from ._encoding import Unloadable, find, flatten, unflatten
from ._fingerprint import Fingerprint, changes, fingerprint, summary
from ._history import CannotWrite, Columns, History
from ._objective import State
from ._paths import read_path
from .checkpoint import differences, library, listed, read, reading, remove_leftovers, save

_STATE = ("model", "optimizer", "previous")
STEPS_PER_CHECKPOINT = 100  # where there are no epochs
_BYTES_PER_RECORD = 80  # ten numbers


class Progress(NamedTuple):
    """A training after `step` steps; `previous` is the last model whose loss is known."""

    step: int
    state: State
    previous: PyTree
    history: History
    log_start: int | None = None


class Checkpoint(NamedTuple):
    """What the file holds: `oo.load(path).model` is the model after `step` steps."""

    model: PyTree
    optimizer: PyTree
    previous: PyTree
    step: int
    history: Columns | None
    resumed: list[int]
    log_start: int | None
    library: str
    of: str


_REST = [name for name in Checkpoint._fields if name not in _STATE]


class Checkpoints:
    """The checkpoint of one training at `path`; without a path, none is read or written.

    Args:
        path: the file.
        every: steps between checkpoints.
        of: the arguments of `fit` that make the training what it is.
    """

    def __init__(self, path: str | os.PathLike | None, every: int, **of: Any):
        self.path = None if path is None else read_path("checkpoint", path)
        self._every = every
        self.last: int | None = None  # the step of the last whole checkpoint
        if self.path is None:
            return
        folder = self.path.resolve().parent
        if not folder.is_dir():
            refuse("checkpoint", "lie in an existing folder", f"{folder} is none; create it first")
        if self.path.exists() and not self.path.is_file():
            refuse("checkpoint", "name a file", f"{self.path} is a folder or a device")
        self._of = _describe(**of)

    def resume(self, first: Progress, total: int, argument: str = "steps") -> Progress:
        """The training where the file left it, or the `first` where there is none.

        The `argument` is the one that said `total`.
        """
        if self.path is None or not self.path.exists():
            return first
        with reading("checkpoint", self.path):
            facts, arrays = read(self.path)
        if facts["(root)"].get("name") != "organics_ode._resume:Checkpoint":
            must = "name a checkpoint that `fit` wrote, or a new file"
            refuse("checkpoint", must, f"{self.path} is a saved model")
        with reading("checkpoint", self.path):
            self._check_version(unflatten(facts, arrays, find, ".library"))
            rest = {name: unflatten(facts, arrays, find, f".{name}") for name in _REST}
        named = flatten("checkpoint", _like(first))
        leaves = list(differences(_states(facts), _states(named.facts), "here"))
        if found := self._differences(json.loads(rest["of"]), leaves):
            if rest["step"] == 0:
                return first  # nothing was trained yet
            self._refuse(found)
        if rest["step"] > total:
            what = f"be at least the {rest['step']} done in {self.path}"
            refuse(argument, what, f"{total} were asked for")
        with reading("checkpoint", self.path):
            state = (unflatten(facts, arrays, lambda k, _: named.named[k], f".{k}") for k in _STATE)
            return self._progress(*state, **rest, total=total)

    def begin(self, progress: Progress, total: int) -> None:
        """Write before the first step, to know then whether it can be done (ValueError)."""
        if self.path is None or progress.step == total:
            return
        self._check_space(progress, total)
        try:
            remove_leftovers(self.path)
            self.write(progress)
        except (OSError, CannotWrite) as error:
            reason = getattr(error, "strerror", None) or str(error)
            refuse("checkpoint", "name a file that can be written", reason)

    def is_due(self, step: int, total: int) -> bool:
        return self.path is not None and (step % self._every == 0 or step == total)

    def write(self, progress: Progress) -> None:
        """Put the training as it is now in place of the last checkpoint, whole or not at all."""
        if self.path is None:
            return
        history = progress.history
        tree = Checkpoint(
            *progress.state,
            progress.previous,
            progress.step,
            history.columns(),
            list(history.resumed),
            progress.log_start,
            library(),
            json.dumps(self._of),
        )
        try:
            save(self.path, tree)
        except OSError as error:
            raise CannotWrite(f"{self.path}: {error.strerror or error}") from error
        self.last = progress.step

    def remedy(self) -> str:
        """How to go on, as a sentence."""
        if self.last is None:
            return ""
        return (
            f" {self.path} has the first {self.last} steps whole: the same call goes on from there."
        )

    def _progress(
        self,
        model: PyTree,
        optimizer: PyTree,
        previous: PyTree,
        *,
        step: int,
        history: Columns,
        resumed: list[int],
        log_start: int | None,
        total: int,
        **checked: Any,
    ) -> Progress:
        self.last = step
        resumed = [*resumed, step] if 0 < step < total else resumed
        records = History.from_columns(history, tuple(resumed))
        return Progress(step, State(model, optimizer), previous, records, log_start)

    def _check_version(self, wrote: str) -> None:
        if wrote != library():
            raise Unloadable(
                f"was written by organics_ode {wrote}, and this is {library()}; install that "
                f"version to go on, or train the model of `oo.load` anew, with another file"
            )

    def _differences(self, saved: dict[str, Fingerprint], leaves: list[str]) -> list[str]:
        found = []
        for argument, here in self._of.items():
            if argument != "model" or not leaves:  # else their values can not be compared
                found += changes(argument, saved.get(argument, {}), here)
        return found + leaves

    def _refuse(self, found: list[str]) -> None:
        remedy = (
            "pass what it was begun with to go on; to begin anew, name another file or remove this "
            "one (`oo.load(path).model` is its model)"
        )
        what = f"{self.path} is of another: {listed(found)}; {remedy}"
        refuse("checkpoint", "be of the same training", what)

    def _check_space(self, progress: Progress, total: int) -> None:
        assert self.path is not None
        folder = self.path.resolve().parent
        size = sum(x.nbytes for x in jax.tree.leaves(progress[1:3]) if hasattr(x, "nbytes"))
        size += 2 * total * _BYTES_PER_RECORD
        free = shutil.disk_usage(folder).free
        if free < 2 * size:  # the old one and the new one, while it is written
            must = f"have room for two files of {size / 1e6:.1f} MB"
            refuse("checkpoint", must, f"{folder} has {free / 1e6:.1f} MB left")


def check_intervals(validate_every: Any, checkpoint: Any, checkpoint_every: Any) -> None:
    """Of the arguments of a training; a ValueError names the bad one."""
    if validate_every is not None:
        validate_every = check_positive_integer("validate_every", validate_every)
    if checkpoint_every is not None:
        checkpoint_every = check_positive_integer("checkpoint_every", checkpoint_every)
        if checkpoint is None:
            refuse("checkpoint", "name a file for `checkpoint_every`", "it is None")


def _describe(*, model: PyTree, batches: Any, **others: Any) -> dict[str, Fingerprint]:
    """What a training is of, by argument of `fit`."""
    of = {"model": summary(model)}
    # Of a function of the user's, lists and dicts may be its scratch paper.
    of["batches"] = fingerprint(batches, mutable=isinstance(batches, eqx.Module))
    return of | {
        name: fingerprint(value, mutable=name in ("optimizer", "validation"))
        for name, value in others.items()
    }


def _like(first: Progress) -> Checkpoint:
    """The structure expected: arrays of numpy and of jax are the same to a training."""
    model, optimizer, previous = jax.tree.map(
        lambda x: (
            jax.ShapeDtypeStruct(x.shape, x.dtype)
            if eqx.is_array_like(x) and hasattr(x, "shape")
            else x
        ),
        (*first.state, first.previous),
    )
    return Checkpoint(model, optimizer, previous, 0, None, [], None, "", "")


def _states(facts: dict[str, Any]) -> dict[str, Any]:
    """The facts of the model and the optimizer alone."""
    return {k: fact for k, fact in facts.items() if k.replace("[", ".").split(".")[0] in _STATE}
