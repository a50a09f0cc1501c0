"""The outcome of a training run: its history, its result, and the exceptions that carry it."""

import copyreg
import os
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Float, PyTree

from .._cards import Card, carded, report, summary
from .._checks import counted, refuse
from .._constraints import trainable
from .._tables import AbstractTabular, Table
from ..storage import from_line, read_path


class Columns(NamedTuple):
    """Records as arrays: for each kind of record, name ↦ values; and the order of the kinds."""

    order: np.ndarray
    kinds: tuple[dict[str, np.ndarray], ...]


@carded
class History(AbstractTabular):
    """The records of a training run, each a dict; `history["loss"]` is one quantity as an array.

    Every step records `step`, `epoch` (if the batches have epochs), `loss`, the metric under its
    own name, `gradient_norm` and `seconds`; every validation records `step`, `validation_loss` and
    the metric as `validation_…`. `resumed` holds the steps after which training was resumed from a
    checkpoint. `to_dataframe()` and `to_xarray()` have a row for each step.
    """

    def __init__(self, records: list[dict[str, Any]], resumed: tuple[int, ...] = ()):
        self.records, self.resumed = records, resumed

    def __getitem__(self, name: str) -> np.ndarray:
        """The values of one quantity, over the records that have it."""
        values = [record[name] for record in self.records if name in record]
        if not values:
            names = sorted({key for record in self.records for key in record})
            raise KeyError(f"No record has {name!r}; there are {', '.join(names)}.")
        return np.array(values)

    def steps(self, name: str) -> np.ndarray:
        """The step numbers of the records that have the quantity."""
        return np.array([record["step"] for record in self.records if name in record])

    def __len__(self) -> int:
        return len(self.records)

    def _card(self) -> Card:
        resumed = f", resumed after steps {list(self.resumed)}" if self.resumed else ""
        return Card(f"History: {counted(len(self), 'record')}{resumed}", report(self.records))

    def to_table(self) -> Table:
        """Every quantity over `step`, NaN for steps without it; for an ensemble, by member."""
        rows: list[dict[str, Any]] = []
        for record in self.records:
            last = rows[-1] if rows else {"step": None}
            # A validation belongs to the step that precedes it.
            if last["step"] == record["step"] and last.keys() & record.keys() == {"step"}:
                last |= record
            else:
                rows.append(dict(record))
        names = {name: None for row in rows for name in row if name != "step"}
        columns = {name: _filled([row.get(name) for row in rows]) for name in names}
        steps = np.array([row["step"] for row in rows], int)
        units = {name: unit for name, unit in (("seconds", "s"),) if name in columns}
        return Table({"step": steps}, columns, units)

    def columns(self) -> Columns:
        """The records as arrays, a column for each quantity."""
        kinds: dict[tuple[str, ...], list[dict[str, Any]]] = {}
        order = np.zeros(len(self), np.uint8)
        numbers: dict[tuple[str, ...], int] = {}
        for i, record in enumerate(self.records):
            names = tuple(record)
            kinds.setdefault(names, []).append(record)
            order[i] = numbers.setdefault(names, len(numbers))
        stored = ({k: np.array([r[k] for r in kind]) for k in kind[0]} for kind in kinds.values())
        return Columns(order, tuple(stored))

    @classmethod
    def from_columns(cls, columns: Columns, resumed: tuple[int, ...] = ()) -> "History":
        """The history with these `columns()` (ValueError if there is none)."""
        _check_columns(columns)
        kinds = [
            iter([dict(zip(kind, row, strict=True)) for row in zip(*lists, strict=True)])
            for kind in columns.kinds
            for lists in [[column.tolist() for column in kind.values()]]
        ]
        return cls([next(kinds[number]) for number in columns.order], resumed)

    @classmethod
    def read(cls, path: str | os.PathLike) -> "History":
        """The history from the JSON lines that `fit(..., log=path)` wrote (host).

        A training run may still be writing them: an incomplete last line is ignored.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: a line, given by its number, is not a record.
        """
        file = read_path("path", path)
        if not file.is_file():
            must = "Argument `path` must name a log that `fit` wrote"
            raise FileNotFoundError(f"{must}, but {file} is not a file.")
        *lines, last = _read_bytes(file).split(b"\n")
        records = [from_line(line) for line in lines]
        if None in records:
            i = records.index(None) + 1
            refuse("path", "name a log that `fit` wrote", f"line {i} of {file} is not a record")
        return cls([record for record in (*records, from_line(last)) if record is not None])


def _filled(values: list[Any]) -> np.ndarray:
    """The values as an array, with NaN for those that are None."""
    missing = np.full(np.shape(next(v for v in values if v is not None)), np.nan).tolist()
    return np.array([missing if v is None else v for v in values])


def _check_columns(columns: object) -> None:
    """Check that they are as from `columns`: as many records of each kind as in the order."""
    order, kinds = columns if isinstance(columns, Columns) else (None, None)
    is_order = isinstance(order, np.ndarray) and (order.dtype, order.ndim) == (np.uint8, 1)
    are_kinds = type(kinds) is tuple and all(type(kind) is dict for kind in kinds)
    if order is None or kinds is None or not (is_order and are_kinds):
        refuse("columns", "be the columns of a history", f"they are {columns!r:.99}")
    counts = np.bincount(order, minlength=len(kinds)).tolist()
    if len(counts) > len(kinds) or not all(map(_has_records, kinds, counts)):
        must = f"hold records of each kind, {counts}, with their steps"
        refuse("columns", must, f"they are {kinds!r:.99}")


def _has_records(kind: dict[str, Any], count: int) -> bool:
    are_columns = all(isinstance(v, np.ndarray) and v.shape[:1] == (count,) for v in kind.values())
    return (
        are_columns and "step" in kind and (kind["step"].dtype.kind, kind["step"].ndim) == ("i", 1)
    )


def _read_bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        refuse("path", "name a log that can be read", f"{file}: {error.strerror}")


def _sizes(models: PyTree) -> str:
    """What was trained, and how many parameters it has."""
    one = models[0] if type(models) is tuple and models else models
    trained = jax.tree.leaves(eqx.filter(one, trainable(one)))
    return f"{type(one).__name__}, {counted(sum(x.size for x in trained), 'trained number')}"


def were_good(record: dict[str, Any]) -> np.ndarray | np.bool:
    """Whether each model was good at the step of this record: its loss and gradient were finite."""
    return np.isfinite(record["loss"]) & np.isfinite(record["gradient_norm"])


@carded
class FitResult(NamedTuple):
    """The trained `model`, its `history`, and why it ended: completed, stopped, diverged or
    interrupted."""

    model: PyTree
    history: History
    outcome: str = "completed"

    def _card(self) -> Card:
        steps = counted(len(self.history.steps("loss")), "step")
        facts = {"model": _sizes(self.model)} | report(self.history.records)
        return Card(f"FitResult: {self.outcome} after {steps}", facts)


@carded
class EnsembleResult(NamedTuple):
    """The trained members of an ensemble; `member(i)` is the result of one, as from `fit`.

    `models` and `outcomes` (completed, stopped, diverged or interrupted) have one entry per member;
    `steps` is the number of steps that each took, including the last. In the joint `history` a
    quantity such as `history["loss"]` is (records, members), NaN after a member diverged or
    stopped.
    """

    models: tuple[PyTree, ...]
    history: History
    outcomes: tuple[str, ...]
    steps: tuple[int, ...]

    def member(self, i: int) -> FitResult:
        """Member i, with its own history up to its last step."""

        def own(record: dict[str, Any]) -> dict[str, Any]:
            return {k: v[i] if isinstance(v, list) else v for k, v in record.items()}

        last, completed = self.steps[i], self.outcomes[i] != "diverged"
        records = [
            own(record)
            for record in self.history.records
            # A validation after the step that failed belongs to no model.
            if record["step"] < last + completed or (record["step"] == last and "loss" in record)
        ]
        return FitResult(self.models[i], History(records), self.outcomes[i])

    def _card(self) -> Card:
        facts = {"members": _sizes(self.models)} | report(self.history.records)
        outcomes = [f"{self.outcomes.count(o)} {o}" for o in dict.fromkeys(self.outcomes)]
        members = counted(len(self.models), "member")
        return Card(f"EnsembleResult: {members}, {', '.join(outcomes)}", facts)


@carded
class SkipResult(NamedTuple):
    """The result of training with skips.

    Attributes:
        models: the trained base networks.
        history: a record for each round (`step`, its number from 1; `stage`, `length`, `beta`; for
            each model `loss` and `gradient_norm`, means over the round), and for each evaluation
            (`step`; for each model `validation_performance`).
        rounds: for each model, the first evaluated round at which it reached the criterion, or NaN.
        performance: for each model, at the last evaluation, or at that of the kept models.
        outcome: `criterion` if the trimmed mean over models reached it, else `completed`, `stopped`
            or `interrupted`.
    """

    models: tuple[PyTree, ...]
    history: History
    rounds: Float[np.ndarray, " models"]
    performance: Float[np.ndarray, " models"]
    outcome: str

    def _card(self) -> Card:
        steps = [record["step"] for record in self.history.records]
        reached = int(np.isfinite(self.rounds).sum())
        facts = {"models": _sizes(self.models)} | report(self.history.records)
        facts |= {
            "criterion": f"reached by {reached} of {len(self.rounds)}",
            "performance": summary(self.performance),
        }
        title = f"SkipResult: {counted(len(self.models), 'model')}, {self.outcome}"
        return Card(f"{title} after {counted(max(steps, default=0), 'round')}", facts)


class _Carrier(BaseException):
    """An exception with a `result` that pickling keeps, so that it can cross processes."""

    def __reduce__(self) -> tuple[Any, ...]:
        # By default, exceptions are unpickled by calling their class with only the message.
        return copyreg.__newobj__, (type(self), *self.args), vars(self)  # pyright: ignore


class TrainingDiverged(_Carrier, RuntimeError):
    """The loss, its gradient or an update is not finite; `result` holds the last model with finite
    loss and gradient, or, if there was none, the one that training began with."""

    def __init__(self, message: str, result: FitResult):
        super().__init__(message)
        self.result = result


class TrainingInterrupted(_Carrier, KeyboardInterrupt):
    """Training was interrupted; `result` holds the model or models and the history so far."""

    def __init__(self, result: FitResult | EnsembleResult | SkipResult, remedy: str = ""):
        steps = max((record["step"] for record in result.history.records), default=0)
        super().__init__(f"Training was interrupted after step {steps}.{remedy}")
        self.result = result


class TrainingNotSaved(_Carrier, RuntimeError):
    """A checkpoint or the log could not be written; `result` holds everything so far."""

    def __init__(self, message: str, result: FitResult | EnsembleResult | SkipResult):
        super().__init__(message)
        self.result = result


class CannotWrite(Exception):
    """Which file cannot be written, and why; `fit` adds what became of the training run."""
