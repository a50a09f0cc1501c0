"""Checkpoints of a training run: written atomically, checked against the call, and resumed."""

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
from jaxtyping import PyTree

from .._checks import counted, refuse
from ..optimizers import State
from ..storage import (
    Unloadable,
    differences,
    flatten,
    library,
    listed,
    locked,
    out_of_range,
    read,
    read_path,
    read_target,
    reading,
    remove_leftovers,
    unflatten,
    write,
)
from ._fingerprint import Fingerprint, changes, describe, fingerprint
from ._history import CannotWrite, Columns, History

_STATE = ("model", "optimizer", "previous", "best")
STEPS_PER_CHECKPOINT = 100  # if there are no epochs
_BYTES_PER_RECORD = 80  # ten numbers
# What earlier files imply without stating it.
_NOTHING = {"kind": "NoneType", "data": "null"}
_BEFORE = {"stop": fingerprint(None), "keep": fingerprint("last")}


class Progress(NamedTuple):
    """A training run after `step` steps; `previous` is its last model that was good on its batch,
    and `best` the model that it keeps, or None if that is the last."""

    step: int
    state: State
    previous: PyTree
    history: History
    log_start: int | None = None
    best: PyTree = None


class Checkpoint(NamedTuple):
    """The contents of the file: `oo.load(path).model` is the model after `step` steps, and, with
    `keep="best"`, `best` is the model of the best evaluation so far."""

    model: PyTree
    optimizer: PyTree
    previous: PyTree
    step: int
    history: Columns | None
    resumed: list[int]
    log_start: int | None
    library: str
    of: str
    best: PyTree = None


_REST = [name for name in Checkpoint._fields if name not in _STATE]


class Checkpoints:
    """The checkpoint of one training run at `path`; without a path, none is read or written.

    Args:
        path: the file.
        every: steps between checkpoints.
        of: the arguments of `fit` that define the training run.
    """

    def __init__(self, path: str | os.PathLike | None, every: int, **of: Any):
        self.path = None if path is None else read_target("checkpoint", path)
        self._every = every
        self.last: int | None = None  # the step of the last complete checkpoint
        self._found = None
        if self.path is not None:
            self._of = describe(**of)

    def resume(self, first: Progress, total: int, argument: str = "steps") -> Progress:
        """The training run where the file left it, or `first` if there is no file.

        `argument` is the name of the argument that gave `total`.
        """
        if self.path is None or not self.path.exists():
            return first
        self._found = _stamp(self.path)
        with reading("checkpoint", self.path):
            facts, arrays = read(self.path)
            facts = {"best": _NOTHING} | facts
        if facts["(root)"].get("name") != "organics_ode.training:Checkpoint":
            must = "name a checkpoint that `fit` wrote, or a new file"
            refuse("checkpoint", must, f"{self.path} is a saved model")
        with reading("checkpoint", self.path):
            self._check_version(unflatten(facts, arrays, _find, ".library"))
            rest = {name: unflatten(facts, arrays, _find, f".{name}") for name in _REST}
            rest["of"] = _read_rest(**rest)
        named = flatten("checkpoint", _like(first))
        leaves = list(differences(_states(facts), _states(named.facts), "here"))
        if found := self._differences(rest["of"], leaves):
            if rest["step"] == 0:
                return first  # there was no training yet
            self._refuse(found)
        if rest["step"] > total:
            what = f"be at least the {rest['step']} done in {self.path}"
            refuse(argument, what, f"{total} were asked for")
        with reading("checkpoint", self.path):
            state = [unflatten(facts, arrays, lambda k, _: named.named[k], f".{k}") for k in _STATE]
            if wrong := list(out_of_range((state[0], *state[2:]))):
                raise Unloadable(f"holds parameters out of their sets: {listed(wrong)}")
            return self._progress(*state, **rest, total=total)

    @contextlib.contextmanager
    def held(self, step: int, total: int, log: str | os.PathLike | None) -> Iterator[None]:
        """While entered, no other training run can write this checkpoint (ValueError)."""
        if self.path is None or step == total:
            yield
            return
        if log is not None and _is_same(self.path, read_path("log", log)):
            refuse("log", "be another file than `checkpoint`", f"both are {self.path}")
        with locked("checkpoint", self.path):
            if _stamp(self.path) != self._found:
                what = f"another training has written {self.path} since this one began"
                refuse("checkpoint", "stay as it is", f"{what}; the same call goes on from there")
            yield

    def begin(self, progress: Progress, total: int) -> None:
        """Write before the first step, to find out early whether it is possible (ValueError)."""
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
        """Replace the last checkpoint by the current state, whole or not at all."""
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
            progress.best,
        )
        try:
            write(self.path, flatten("model", tree))
        except OSError as error:
            raise CannotWrite(f"{self.path}: {error.strerror or error}") from error
        self.last = progress.step

    def remedy(self) -> str:
        """How to continue, as a sentence."""
        if self.last is None:
            return ""
        done = f"has the first {counted(self.last, 'step')} whole"
        return f" {self.path} {done}: the same call goes on from there."

    def _progress(
        self,
        model: PyTree,
        optimizer: PyTree,
        previous: PyTree,
        best: PyTree,
        *,
        step: int,
        history: Columns,
        resumed: list[int],
        log_start: int | None,
        total: int,
        **checked: object,
    ) -> Progress:
        self.last = step
        resumed = [*resumed, step] if 0 < step < total else resumed
        records = History.from_columns(history, tuple(resumed))
        return Progress(step, State(model, optimizer), previous, records, log_start, best)

    def _check_version(self, wrote: str) -> None:
        if wrote != library():
            raise Unloadable(
                f"was written by organics_ode {wrote}, and this is {library()}; install that "
                f"version to go on, or train the model of `oo.load` anew, with another file"
            )

    def _differences(self, saved: dict[str, Fingerprint], leaves: list[str]) -> list[str]:
        found, saved = [], _BEFORE | saved
        for argument, here in self._of.items():
            if argument != "model" or not leaves:  # otherwise values cannot be compared
                found += changes(argument, saved.get(argument, {}), here)
        is_kept = self._of.get("keep", saved["keep"]) == saved["keep"]
        return found + [leaf for leaf in leaves if is_kept or not leaf.startswith("leaf `best")]

    def _refuse(self, found: list[str]) -> None:
        remedy = (
            "pass what it was begun with to go on; to begin anew, name another file or remove this "
            "one (`oo.load(path).model` is its model)"
        )
        what = f"{self.path} is of another: {listed(found)}; {remedy}"
        refuse("checkpoint", "be of the same training", what)

    def _check_space(self, progress: Progress, total: int) -> None:
        assert self.path is not None
        folder = self.path.parent
        models = (progress.state, progress.previous, progress.best)
        size = sum(x.nbytes for x in jax.tree.leaves(models) if hasattr(x, "nbytes"))
        size += 2 * total * _BYTES_PER_RECORD
        free = shutil.disk_usage(folder).free
        if free < 2 * size:  # both the old and the new one exist while it is written
            must = f"have room for two files of {size / 1e6:.1f} MB"
            refuse("checkpoint", must, f"{folder} has {free / 1e6:.1f} MB left")


def _find(path: str, name: str) -> Any:
    """Everything that a checkpoint may name besides the structure of the call."""
    if name != "organics_ode.training:Columns":
        raise Unloadable(f"holds `{name}` as `{path}`, which is not part of a checkpoint")
    return Columns


def _read_rest(
    *,
    step: object,
    history: object,
    resumed: object,
    log_start: object,
    library: object,
    of: object,
) -> dict[str, Fingerprint]:
    """The definition of a training run; `Unloadable` if anything else is not as expected."""
    lists = resumed if type(resumed) is list else [None]
    numbers = [step, *lists, *([] if log_start is None else [log_start])]
    arguments = json.loads(of) if type(of) is str else None
    if not all(type(number) is int and number >= 0 for number in numbers):
        raise Unloadable("is not a checkpoint: its steps are not counts")
    if not isinstance(history, Columns) or type(library) is not str:
        raise Unloadable("is not a checkpoint: its history is not a history")
    if not isinstance(arguments, dict) or not all(map(_is_fingerprint, arguments.values())):
        raise Unloadable("is not a checkpoint: it does not say what it is of")
    return arguments


def _is_fingerprint(value: object) -> bool:
    return isinstance(value, dict) and all(type(text) is str for text in value.values())


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """What distinguishes a file from one that replaces it."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _is_same(path: Path, other: Path) -> bool:
    return other.resolve() == path or (path.exists() and other.exists() and path.samefile(other))


def _like(first: Progress) -> Checkpoint:
    """The expected structure; numpy and jax arrays are interchangeable for training."""
    model, optimizer, previous, best = jax.tree.map(
        lambda x: (
            jax.ShapeDtypeStruct(x.shape, x.dtype)
            if eqx.is_array_like(x) and hasattr(x, "shape")
            else x
        ),
        (*first.state, first.previous, first.best),
    )
    return Checkpoint(model, optimizer, previous, 0, None, [], None, "", "", best)


def _states(facts: dict[str, Any]) -> dict[str, Any]:
    """The facts of only the model and the optimizer."""
    return {k: fact for k, fact in facts.items() if k.replace("[", ".").split(".")[0] in _STATE}
