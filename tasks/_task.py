"""The definitions of a task and a data set."""

import abc
from typing import TYPE_CHECKING, Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32, Int32, Shaped

from ._cards import Card, carded, clipped, counted, summary
from ._checks import KeyLike, check_kind
from ._plot import Axes, plot_rows

# Type checkers know equinox's abstract class variables only by this name, and have no type for what
# most tasks declare as class variables and some compute.
if TYPE_CHECKING:
    from typing import ClassVar as AbstractClassVar, ClassVar as AbstractVar
else:
    from equinox import AbstractClassVar, AbstractVar

_SHOWN = 6  # facts about a trial


@carded
class Trial(NamedTuple):
    """One trial of a sampled task; `jax.vmap(task.sample)` gives every array a leading batch axis.

    Attributes:
        inputs: one row of input channels per time step.
        targets: what the outputs should be at every step, counted or not: floats for regression, or
            int32 class indices.
        mask: the weight of every step in the loss, 0 or 1.
        info: arrays that describe the trial. `info["periods"]` maps the name of every period
            to its (start, stop) steps.
    """

    inputs: Float[Array, "time channels"]
    targets: Shaped[Array, "time ..."]
    mask: Float[Array, " time"]
    info: dict[str, Any]

    def _card(self) -> Card:
        *batch, steps, channels = (1, 1, *np.shape(self.inputs))[-max(2, np.ndim(self.inputs)) :]
        many = f"a batch of {' x '.join(map(str, batch))}, each of " if batch else ""
        facts = {"inputs": summary(self.inputs), "targets": summary(self.targets)}
        facts["mask"] = f"{summary(np.asarray(self.mask) > 0)} count"
        for name, value in list(self.info.items())[:_SHOWN]:
            facts[name] = summary(value)
        if "periods" in facts and not batch:
            periods = _in_order(self.info["periods"]).items()
            facts["periods"] = clipped(", ".join(f"{k} {a} to {b}" for k, (a, b) in periods))
        size = f"{counted(steps, 'step')} of {counted(channels, 'channel')}"
        return Card(f"Trial: {many}{size}", facts)


@carded
class Split(NamedTuple):
    """One part of a data set of labelled samples, in host memory.

    Attributes:
        inputs: values in [0, 1]; a sample is (time, channels) or (features,).
        targets: class indices from 0.
    """

    inputs: Float32[np.ndarray, " samples *sample"]
    targets: Int32[np.ndarray, " samples"]

    def _card(self) -> Card:
        counts = np.unique(np.asarray(self.targets), return_counts=True)[1]
        # Computing the range of many images would take a while.
        facts = {"inputs": f"{np.shape(self.inputs)}, {self.inputs.dtype}"}
        many = summary(counts).partition(", ")[2]
        facts["targets"] = f"{summary(self.targets)}, each {many} times" if counts.size else "none"
        return Card(f"Split: {counted(len(self.targets), 'sample')}", facts)


def _in_order(periods: dict[str, Any]) -> dict[str, tuple[int, int]]:
    """The periods of one trial in order of their steps; jit and vmap sort them by name."""
    steps = {name: tuple(np.asarray(each).tolist()) for name, each in periods.items()}
    return dict(sorted(steps.items(), key=lambda period: period[1]))


class AbstractTask(eqx.Module):
    """A task whose trials are drawn from a distribution.

    Use it if fresh trials are cheap to draw on the device; a finite set of recorded samples is an
    `AbstractDataSet`. Tasks have no batch axis: use `jax.vmap` for many trials.

    Attributes:
        dt: the duration of one step in ms.
        channels: the names of the input channels.
        outputs: the names of the outputs.
        reference: where the task was published.
    """

    dt: eqx.AbstractVar[float]
    channels: AbstractVar[tuple[str, ...]]
    outputs: AbstractVar[tuple[str, ...]]
    reference: AbstractVar[str]

    @property
    @abc.abstractmethod
    def periods(self) -> dict[str, tuple[int, int]]:
        """The name of every period, in order, and its (start, stop) steps."""

    @abc.abstractmethod
    def sample(self, key: KeyLike) -> Trial:
        """Draws one trial.

        Args:
            key: a PRNG key.

        Returns:
            The trial, in JAX's default float type.
        """

    @abc.abstractmethod
    def score(self, outputs: Float[Array, "time outputs"], trial: Trial) -> Float[Array, ""]:
        """How well one trial was solved, for a reader rather than an optimiser.

        Args:
            outputs: the answers of a model at every step.
            trial: the trial that it answered.

        Returns:
            A number from 0 to 1, where 1 is solved.
        """

    @property
    def input_size(self) -> int:
        """The number of input channels, m."""
        return len(self.channels)

    @property
    def output_size(self) -> int:
        """The number of outputs."""
        return len(self.outputs)

    def plot(self, trial: Trial, ax: Axes | None = None) -> Axes:
        """Draws one trial, with a row per input channel, and below them a row per target (host).

        Steps that the mask leaves out are blank in the rows of the targets. If there are more than
        40 rows, those whose names agree up to a colon share one name.

        Args:
            trial: one trial, without a batch axis.
            ax: the matplotlib axes to draw on; a new figure by default.

        Returns:
            The axes.

        Raises:
            ValueError: `trial` is not one trial, or `ax` is not axes.
            ImportError: matplotlib is not installed.
        """
        check_kind("trial", trial, Trial)
        if np.ndim(trial.inputs) != 2:
            raise ValueError(
                "Argument `trial` must be one trial, with inputs (time, channels), but they have "
                f"shape {np.shape(trial.inputs)}."
            )
        targets = np.where(np.asarray(trial.mask) > 0, self._target_rows(trial), np.nan)
        rows = {f"in: {name}": row for name, row in zip(self.channels, trial.inputs.T, strict=True)}
        rows |= {f"out: {name}": row for name, row in zip(self.outputs, targets, strict=True)}
        # The periods of this trial, which depend on jitter.
        ax = plot_rows(rows, _in_order(trial.info["periods"]), self.dt, ax)
        ax.axhline(self.input_size - 0.5, color="black", linewidth=0.8)
        return ax

    def _target_rows(self, trial: Trial) -> Shaped[np.ndarray, "outputs time"]:
        targets = np.asarray(trial.targets)
        is_class = np.issubdtype(targets.dtype, np.integer)
        return np.eye(self.output_size)[:, targets] if is_class else targets.T

    def _period_steps(self) -> dict[str, Array]:
        return {name: jnp.asarray(steps, jnp.int32) for name, steps in self.periods.items()}


class AbstractDataSet(eqx.Module):
    """A fixed set of labelled samples in three disjoint parts, in host memory.

    Fit on `train`, choose on `validation`, and report on `test`, once.

    Attributes:
        train, validation, test: the three parts, the same on every machine.
        classes: the names of the classes, in the order of their indices.
        reference: where the data were published.
    """

    train: eqx.AbstractVar[Split]
    validation: eqx.AbstractVar[Split]
    test: eqx.AbstractVar[Split]
    classes: AbstractClassVar[tuple[str, ...]]
    reference: AbstractClassVar[str]

    @property
    def input_size(self) -> int:
        """The number of input channels, or of features if a sample has no time axis."""
        return self.train.inputs.shape[-1]

    @property
    def output_size(self) -> int:
        """The number of classes."""
        return len(self.classes)
