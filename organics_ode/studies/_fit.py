"""`fit_parameters`: the parameters of a circuit from time courses, with their errors."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._axes import Axes, axes_of
from .._cards import SHOWN, Card, carded
from .._checks import check_flag, check_kind, check_positive_integer, counted, refuse
from .._constraints import resolve
from .._tables import AbstractTabular, Table, unit_of
from .._types import Numbers, StateLike
from ..circuits import AbstractCircuit
from ..dynamics import Inputs
from ._courses import Course, How, read_courses
from ._free import Free, read_free
from ._least_squares import (
    Knowledge,
    Linear,
    Problem,
    doubts,
    has_arrived,
    knowledge,
    linearise,
    minimise,
    stacked,
)
from ._parameters import read_circuit


class Unidentified(UserWarning):
    """The data do not determine a parameter, or only a combination of several."""


@carded
class ParameterFit(eqx.Module, AbstractTabular):
    """A circuit whose free parameters were fitted to data by least squares.

    - `circuit`: with the fitted values; its parameter nodes keep their kinds.
    - `values`, `standard_errors`: field ↦ array of its shape, in the user's units; errors are 0 for
      entries that were not free, and infinite for those that the data do not determine.
    - `names`: (p,), of the free numbers, such as `tau_y` or `W_r[0,1]`; `estimates`: (p,).
    - `covariance`: (p, p), in the user's units; NaN in the row and column of an infinite variance.
    - `residuals`: data − model, (time, k), NaN where data are missing; a tuple for several courses.
    - `noise`: the standard deviation of the data estimated from the residuals, or its ratio to the
      `noise` that was given.
    - `steps`: of the solver. `succeeded`: whether it reached a minimum.

    `to_dataframe()` and `to_xarray()` have a row for each free number.
    """

    circuit: AbstractCircuit
    values: dict[str, np.ndarray]
    standard_errors: dict[str, np.ndarray]
    covariance: Float[np.ndarray, "p p"]
    residuals: np.ndarray | tuple[np.ndarray, ...]
    estimates: Float[np.ndarray, " p"]
    names: tuple[str, ...] = eqx.field(static=True)
    noise: float
    steps: int
    succeeded: bool

    def to_table(self) -> Table:
        """The value and standard error of every free number, by `parameter`."""
        errors = np.sqrt(np.diag(self.covariance))
        columns = {"value": self.estimates, "standard_error": errors}
        columns["unit"] = np.array([unit_of(name) for name in self.names], str)
        return Table({"parameter": np.array(self.names)}, columns)

    def plot(self, ax: Axes | None = None, **kw: Any) -> Axes:
        """Draw the residuals in the order of the data, with a colour for each data set (host).

        Args:
            ax: matplotlib axes; those of a new figure unless given.
            kw: passed to `ax.plot`.

        Returns:
            The axes.
        """
        ax, first = axes_of(ax), 0
        sets = self.residuals if isinstance(self.residuals, tuple) else (self.residuals,)
        for each in sets:
            values = each.ravel()
            where = first + np.arange(values.size)
            ax.plot(where, values, **{"marker": "o", "ms": 3, "lw": 0} | kw)
            first += values.size
        ax.axhline(0, color="k", lw=0.8)
        ax.set(xlabel="datum", ylabel="data - model")
        return ax

    def _card(self) -> Card:
        errors = np.sqrt(np.diag(self.covariance))
        rows = [
            (name, value, error, unit_of(name))
            for name, value, error in zip(self.names, self.estimates, errors, strict=True)
        ]
        outcome = "minimum found" if self.succeeded else "no minimum found"
        head = f"ParameterFit: {outcome} after {counted(self.steps, 'step')}"
        columns = ("", "value", "standard error", "unit")
        facts = {"noise": f"{self.noise:.3g}"}
        return Card(head, facts, columns, rows[:SHOWN], len(rows))


def fit_parameters(
    circuit: AbstractCircuit,
    inputs: Inputs | Sequence[Inputs],
    ts: Numbers | Sequence[Numbers],
    data: Numbers | Sequence[Numbers],
    *,
    free: str | Sequence[str],
    observe: Callable[..., Array] | None = None,
    noise: Numbers | Sequence[Numbers] | None = None,
    state0: StateLike | Sequence[StateLike | None] | None = None,
    solver: diffrax.AbstractSolver | None = None,
    steps: int = 100,
    max_steps: int = 16384,
    throw: bool = True,
) -> ParameterFit:
    """Fit parameters of a circuit to time courses by least squares (host).

        min over θ of  Σ ((observe(state(t; v(θ))) − data) / noise)²

    by the Levenberg–Marquardt method from the current values of the circuit, with exact derivatives
    of the simulation in forward mode. Positive parameters are fitted as logarithms, `Bounded` ones
    within their bounds. Standard errors are those of the linearised model at the minimum,
    transformed to the user's units, and are valid where they are small. Only a minimum near the
    start is found, so try several starts. Everything is computed in float64, whatever the dtype of
    the circuit.

    Args:
        circuit: an `AbstractCircuit`, from whose values the search starts.
        inputs: what drove the circuit, in any form that `simulate` takes.
        ts: (time,), ms; the first is the start of the simulation.
        data: (time, k), or (time,) if k = 1: what was observed at `ts`. For several experiments, a
            list of arrays, with a list of the same length for `inputs` and, if they differ, for
            `ts`, `state0` and `noise`.
        free: names of what is fitted: a field with all its entries, `tau_y`, or one entry,
            `W_r[0,1]`. Zeros of W and absent connections stay as they are.
        observe: state ↦ (k,), what is observed; by default the first variable of the state, y.
        noise: the standard deviation of the data, a number or an array of their shape; infinite
            where data are missing. By default it is taken to be the same for all, and estimated
            from the residuals.
        state0: the state at ts[0]; by default `circuit.initial_state()`, which changes with the
            parameters.
        solver: as for `simulate`.
        steps: the maximum number of steps of the search.
        max_steps: the maximum number of steps of one simulation.
        throw: whether to raise if no minimum was found; otherwise `succeeded` is False.

    Returns:
        A `ParameterFit`.

    Warns:
        oo.Unidentified: the data do not determine a parameter, or only a combination of some.

    Raises:
        ValueError: an argument is bad.
        RuntimeError: the circuit diverges at its starting values, or no minimum was found.

    Reference:
        Bates, Watts, "Nonlinear regression analysis and its applications", Wiley (1988).
    """
    circuit = read_circuit(circuit)
    steps = check_positive_integer("steps", steps)
    how = How(solver, check_positive_integer("max_steps", max_steps))
    throw = check_flag("throw", throw)
    if solver is not None:
        check_kind("solver", solver, diffrax.AbstractSolver)
    # In float32, the errors of the solver's steps move the minimum by a quarter standard error.
    with jax.enable_x64(True):
        wide = jax.tree.map(in_double, circuit)
        chosen = read_free(wide, free)
        courses, observe, is_several = read_courses(wide, inputs, ts, data, state0, noise, observe)
        if _count(courses) <= len(chosen.places):
            must = f"hold more numbers than are free, {len(chosen.places)}"
            refuse("data", must, f"they hold {_count(courses)}")
        found, known = _search(wide, chosen, courses, observe, how, steps, noise is not None)
    if throw and not found["succeeded"]:
        raise RuntimeError(failure(found["steps"], steps))
    if found["succeeded"] and (unclear := doubts(known, chosen)):
        what = f"The data do not tell all that is free: {'; '.join(unclear)}. Free fewer parameters"
        warnings.warn(f"{what}, or add data that depend on them.", Unidentified, stacklevel=2)
    found["residuals"] = found["residuals"] if is_several else found["residuals"][0]
    return ParameterFit(circuit=chosen.put_nodes(circuit, found["estimates"]), **found)


def in_double(leaf: Any) -> Any:
    return jnp.asarray(leaf, float) if eqx.is_inexact_array(leaf) else leaf


def _search(
    circuit: AbstractCircuit,
    free: Free,
    courses: list[Course],
    observe: Callable[..., Array],
    how: How,
    steps: int,
    is_noise_known: bool,
) -> tuple[dict[str, Any], Knowledge]:
    """The fields of the fit, except its circuit."""
    groups, numbers = stacked(courses)
    problem = Problem(resolve(circuit), free, groups, observe, how)
    theta = free.start(circuit)
    _check_runs(linearise(problem, theta))
    theta, taken = minimise(problem, theta, steps)
    end = linearise(problem, theta)
    known = _knowledge(end, courses, is_noise_known)
    unit = 1.0 if is_noise_known else 1 / float(courses[0].weights[0, 0])
    found = {"steps": int(taken), "succeeded": has_arrived(known) and is_finite(end)}
    found |= {"noise": known.sd_found * unit, "residuals": _residuals(end, courses, numbers)}
    return found | in_units(circuit, free, theta, known), known


def _count(courses: list[Course]) -> int:
    """The number of data that are not missing."""
    return sum(int(np.sum(np.asarray(course.weights) > 0)) for course in courses)


def _check_runs(start: Linear) -> None:
    if not is_finite(start):
        raise RuntimeError(
            "The circuit does not come to the end of `ts` at the values that it has: start the "
            "search from others (see `oo.simulate`), or take an implicit `solver`."
        )


def is_finite(at: Linear) -> bool:
    return all(bool(np.all(np.isfinite(leaf))) for leaf in jax.tree.leaves(at))


def _knowledge(end: Linear, courses: list[Course], is_noise_known: bool) -> Knowledge:
    size = np.sqrt(sum(float(jnp.sum((c.data * c.weights) ** 2)) for c in courses))
    r, J = np.asarray(end.residuals), np.asarray(end.J)
    return knowledge(r, J, size, _count(courses), 1.0 if is_noise_known else None)


def failure(taken: int, steps: int) -> str:
    if taken >= steps:
        return (
            f"No minimum was found within `steps` = {steps}: raise `steps`, start from other "
            "values, or free fewer parameters (`throw=False` returns what there is)."
        )
    return (
        f"The search ended after {counted(taken, 'step')} at a point that is not a minimum: "
        "start from other values, or free fewer parameters (`throw=False` returns what there is)."
    )


def _residuals(
    end: Linear, courses: list[Course], numbers: list[list[int]]
) -> tuple[np.ndarray, ...]:
    """data − model of every course, in the order in which they were given."""
    found = [np.empty(0)] * len(courses)
    for group, models in zip(numbers, end.models, strict=True):
        for i, model in zip(group, np.asarray(models), strict=True):
            data, weights = np.asarray(courses[i].data), np.asarray(courses[i].weights)
            found[i] = np.where(weights > 0, data - model, np.nan)
    return tuple(found)


def in_units(
    circuit: AbstractCircuit, free: Free, theta: Array, known: Knowledge
) -> dict[str, Any]:
    """Errors in the user's units, by the slopes dv/dθ."""
    estimates, slopes = np.asarray(free.values(theta)), np.asarray(free.slopes(theta))
    with np.errstate(invalid="ignore"):
        covariance = known.covariance * slopes[:, None] * slopes
    errors = np.sqrt(np.diag(covariance))
    return {
        "values": free.by_field(circuit, estimates, None),
        "standard_errors": free.by_field(circuit, errors, 0.0),
        "covariance": covariance,
        "estimates": estimates,
        "names": free.names,
    }
