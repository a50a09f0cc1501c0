"""What a simulation returns, and what it says when it failed."""

from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ._checks import is_traced

# Any: equinox enumerations define their members in a way type checkers can not follow.
RESULTS: Any = diffrax.RESULTS

_STIFF = (
    "take an implicit solver (`solver=diffrax.Kvaerno5()`) if the time constants differ by orders "
    "of magnitude, raise `max_steps`, or loosen the tolerance"
)
_MESSAGES = {
    "nonfinite": "The state diverged{when}{size}. The circuit has no bounded trajectory from this "
    "state with this input (or the fixed step is too long for it).",
    "max_steps_reached": "The solver ran out of `max_steps`{when}: " + _STIFF + ".",
    "dt_min_reached": "The step size fell below what the floating-point type resolves{when}: "
    "loosen the tolerance, or compute in float64.",
    "other": "The solver failed{when}{why}.",
}


class Trajectory(eqx.Module):
    """A simulated trajectory.

    - `ts`: (time,), ms, the times asked for.
    - `states`: the circuit's state with a leading time axis; infinite after `stats["t_reached"]`.
    - `result`: a `diffrax.RESULTS`; `nonfinite` where the state diverged.
    - `stats`: `num_steps`, `num_accepted_steps`, `num_rejected_steps`, `t_reached` (ms), `largest`
      (the largest magnitude in the last state).
    - `succeeded`: whether the end was reached.
    """

    ts: Float[Array, " time"]
    states: Any
    result: diffrax.RESULTS
    stats: dict[str, Any]
    solver: str = eqx.field(static=True)

    @property
    def succeeded(self) -> Any:
        return self.result == RESULTS.successful

    def __repr__(self) -> str:
        if any(map(is_traced, jax.tree.leaves((self.ts, self.stats)))) or self.ts.ndim != 1:
            return f"Trajectory(ts={eqx.tree_pformat(self.ts)}, solver={self.solver})"
        stats = self.stats
        outcome = "succeeded" if self.succeeded else describe(self)
        return (
            f"Trajectory: {outcome}\n"
            f"  solver   {self.solver}\n"
            f"  time     {float(self.ts[0]):g} to {float(stats['t_reached']):g} ms, "
            f"{self.ts.size} saved\n"
            f"  steps    {int(stats['num_accepted_steps'])} accepted, "
            f"{int(stats['num_rejected_steps'])} rejected\n"
            f"  states   {eqx.tree_pformat(self.states, width=200)}"
        )


def read_solution(solution: Any, ts: Float[Array, " time"], state0: Any, solver: str) -> Trajectory:
    """The trajectory of a solve that saved at `ts` and at the end it came to."""
    # A failed run writes its end behind the last time it saved, and leaves the rest infinite.
    end = jnp.sum(jnp.isfinite(solution.ts)) - 1
    last = jax.tree.map(lambda y: y[end], solution.ys)
    saved = jnp.arange(ts.size) < end
    states = jax.tree.map(
        lambda y: jnp.where(saved.reshape(-1, *(1,) * (y.ndim - 1)), y[:-1], jnp.inf), solution.ys
    )
    stats = {k: solution.stats[k] for k in _STEPS} | {
        "t_reached": solution.ts[end],
        "largest": largest(last),
    }
    result = _with_divergence(solution.result, stats["largest"], largest(state0))
    return Trajectory(ts, states, result, stats, solver)


_STEPS = ("num_steps", "num_accepted_steps", "num_rejected_steps")


def largest(state: Any) -> Float[Array, ""]:
    """The largest magnitude in a state; NaN if it holds one."""
    return jnp.stack([jnp.max(jnp.abs(leaf)) for leaf in jax.tree.leaves(state)]).max()


def raise_failure(trajectory: Trajectory) -> Trajectory:
    """The trajectory, or an error that says what ran out, when, and what to do."""
    failed = ~jnp.asarray(trajectory.succeeded)
    if is_traced(failed):
        messages = [_message(name, {}) for name in _MESSAGES]
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
    details = {
        "when": f" at t = {float(trajectory.stats['t_reached']):g} ms",
        "size": f" (largest entry {float(trajectory.stats['largest']):.3g})",
        "why": f": {RESULTS[trajectory.result]}",
    }
    return _message(names[0] if names else "other", details)


def _message(name: str, details: dict[str, str]) -> str:
    blank = {"when": "", "size": "", "why": ""}
    return _MESSAGES[name].format(**blank | details)


def _with_divergence(result: Any, size: Array, size0: Array) -> Any:
    # No step is short enough near a blow-up: there the step size failure is a divergence.
    blown = (result == RESULTS.dt_min_reached) & (size > 1e3 * jnp.maximum(size0, 1))
    diverged = blown | ((result == RESULTS.successful) & ~jnp.isfinite(size))
    return RESULTS.where(diverged, RESULTS.nonfinite, result)
