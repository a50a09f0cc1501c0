"""The result of a simulation, and the error messages of one that failed."""

from collections.abc import Callable
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PyTree

from .._cards import Card, carded, outline
from .._checks import is_traced
from .._nonlinearities import highest
from .._tables import AbstractTabular, Table, over_time

# Any: equinox enumerations define their members in a way type checkers cannot follow.
RESULTS: Any = diffrax.RESULTS

_MESSAGES = {
    "nonfinite": "The state diverged{when}{size}: from this state with this input it grows without "
    "bound (or the fixed step is too long for it).",
    "max_steps_reached": "The solver ran out of `max_steps`{when}: {remedy}.",
    "dt_min_reached": "The step size fell below what the floating-point type resolves{when}{size}, "
    "where the state does not blow up: {remedy}.",
    "other": "The solver failed{when}{why}.",
}
_EXPLICIT = (
    "take an implicit solver (`solver=diffrax.Kvaerno5()`) if the time constants differ by orders "
    "of magnitude, raise `max_steps`, or loosen the tolerance"
)
_IMPLICIT = (
    "the equations of an implicit step may be too hard to solve to the tolerance in this "
    "floating-point type; compute in float64 (jax_enable_x64), take an explicit solver "
    "(`solver=diffrax.Tsit5()`), loosen the tolerance, or raise `max_steps`"
)


@carded
class Trajectory(eqx.Module, AbstractTabular):
    """A simulated trajectory.

    - `ts`: (time,), ms, the requested times.
    - `states`: the circuit's state with a leading time axis; infinite after `stats["t_reached"]`.
    - `result`: a `diffrax.RESULTS`; `nonfinite` where the state diverged.
    - `stats`: `num_steps`, `num_accepted_steps`, `num_rejected_steps`, `t_reached` (ms), `largest`
      (the largest magnitude in the last state).
    - `succeeded`: whether the end was reached.

    `to_dataframe()`, `to_xarray()`: a row for each time, with columns `t`, `y[0]`, ….
    """

    ts: Float[Array, " time"]
    states: PyTree
    result: diffrax.RESULTS
    stats: dict[str, Any]
    solver: str = eqx.field(static=True, default="")
    is_implicit: bool = eqx.field(static=True, default=False)

    @property
    def succeeded(self) -> Bool[Array, "*batch"]:
        return self.result == RESULTS.successful

    def to_table(self) -> Table:
        """The states over `t` in ms; for a batch also over its axes."""
        return over_time(self.ts, self.states, solver=self.solver)

    def _card(self) -> Card:
        accepted, rejected = (self.stats[f"num_{kind}_steps"] for kind in ("accepted", "rejected"))
        start, end = float(self.ts[0]), float(self.stats["t_reached"])
        facts = {
            "solver": self.solver,
            "time": f"{start:g} to {end:g} ms, {self.ts.size} saved",
            "steps": f"{int(accepted)} accepted, {int(rejected)} rejected",
            "states": outline(self.states),
        }
        outcome = "succeeded" if self.succeeded else describe(self)
        return Card(f"Trajectory: {outcome}", facts)


def read_solution(
    solution: Any,
    ts: Float[Array, " time"],
    unravel: Callable[[Array], PyTree],
    *,
    is_implicit: bool,
) -> Trajectory:
    """The trajectory of a solve that saved at `ts` and at the end that it reached."""
    # A failed run writes its end after the last time it saved, and leaves the rest infinite.
    end = jnp.sum(jnp.isfinite(solution.ts)) - 1
    t, last = solution.ts[end], solution.ys[end]
    saved = jnp.arange(ts.size) < end
    states = jax.vmap(unravel)(jnp.where(saved[:, None], solution.ys[:-1], jnp.inf))
    size = highest(jnp.abs(last))
    stats = {k: solution.stats[k] for k in _STEPS} | {"t_reached": t, "largest": size}
    diverged = (solution.result == RESULTS.successful) & ~jnp.isfinite(size)
    result = RESULTS.where(diverged, RESULTS.nonfinite, solution.result)
    return Trajectory(ts, states, result, stats, is_implicit=is_implicit)


_STEPS = ("num_steps", "num_accepted_steps", "num_rejected_steps")


def raise_failure(trajectory: Trajectory) -> Trajectory:
    """The trajectory, or an error that says what ran out, when, and what to do."""
    failed = ~jnp.asarray(trajectory.succeeded)
    if is_traced(failed):
        messages = [_message(name, _remedy(trajectory)) for name in _MESSAGES]
        kind = jnp.asarray(len(messages) - 1)
        for index, name in enumerate(list(_MESSAGES)[:-1]):
            kind = jnp.where(trajectory.result == getattr(RESULTS, name), index, kind)
        return eqx.branched_error_if(trajectory, failed, kind, messages)
    if failed:
        raise RuntimeError(describe(trajectory))
    return trajectory


def describe(trajectory: Trajectory) -> str:
    """The outcome of a failed run in words and numbers."""
    names = [n for n in _MESSAGES if n != "other" and trajectory.result == getattr(RESULTS, n)]
    details = _remedy(trajectory) | {
        "when": f" at t = {float(trajectory.stats['t_reached']):g} ms",
        "size": f" (largest entry {float(trajectory.stats['largest']):.3g})",
        "why": f": {RESULTS[trajectory.result]}",
    }
    return _message(names[0] if names else "other", details)


def _remedy(trajectory: Trajectory) -> dict[str, str]:
    return {"remedy": _IMPLICIT if trajectory.is_implicit else _EXPLICIT}


def _message(name: str, details: dict[str, str]) -> str:
    blank = {"when": "", "size": "", "why": ""}
    return _MESSAGES[name].format(**blank | details)
