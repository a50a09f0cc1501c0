"""Least-squares fits of a circuit's parameters to data for any functions of the circuit."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._checks import refuse
from .._constraints import resolve
from ..circuits import AbstractCircuit
from ._fit import ParameterFit, Unidentified, failure, in_double, in_units, is_finite
from ._free import Free, read_free
from ._least_squares import (
    AbstractProblem,
    doubts,
    has_arrived,
    knowledge,
    linearise,
    minimise,
)

# In units of the size of the data: larger than anything a fit would move towards.
_FAR = 1e3


class Observations(AbstractProblem):
    """Some functions of a circuit, and the measured values of each."""

    circuit: Any
    free: Free
    functions: list[Callable[..., Array]]
    data: list[Float[Array, "..."]]
    weights: list[Float[Array, "..."]]

    def residuals(self, theta: Float[Array, " p"]) -> tuple[Array, list[Array]]:
        circuit = self.free.put(self.circuit, self.free.values(theta))
        models = [function(circuit) for function in self.functions]
        each = zip(models, self.data, self.weights, strict=True)
        return jnp.concatenate([_misses(*one).ravel() for one in each]), models


def _misses(model: Array, data: Array, weights: Array) -> Array:
    """(model − data) · weights, finite even if the model is not."""
    is_seen = weights > 0
    r = jnp.where(is_seen, model - data, 0) * weights
    return jnp.where(jnp.isfinite(r), r, _FAR)


def fit_observations(
    circuit: AbstractCircuit,
    functions: Sequence[Callable[..., Array]],
    data: Sequence[np.ndarray],
    noises: Sequence[np.ndarray] | None,
    *,
    free: str | Sequence[str],
    steps: int,
    throw: bool,
) -> ParameterFit:
    """Fit parameters of a circuit to measured values of some functions of it (host).

    `noises` are the standard deviations of the data; by default, that of each function's data is
    the same fraction of their root mean square.
    """
    with jax.enable_x64(True):
        wide = jax.tree.map(in_double, circuit)
        chosen = read_free(wide, free)
        seen = [np.ones(v.shape, bool) for v in data]
        if noises is not None:
            seen = [noise < np.inf for noise in noises]
        sizes = [float(np.sqrt(np.mean(v[s] ** 2))) or 1.0 for v, s in zip(data, seen, strict=True)]
        shares = [1 / size for size in sizes] if noises is None else [1 / v for v in noises]
        weights = [np.where(s, w, 0.0) for s, w in zip(seen, shares, strict=True)]
        known_data = [np.where(s, v, 0.0) for s, v in zip(seen, data, strict=True)]
        wide_functions = jax.tree.map(in_double, list(functions))
        arrays = ([jnp.asarray(v, float) for v in part] for part in (known_data, weights))
        problem = Observations(resolve(wide), chosen, wide_functions, *arrays)
        count = sum(int(s.sum()) for s in seen)
        if count <= len(chosen.places):
            must = f"hold more numbers than are free, {len(chosen.places)}"
            refuse("data", must, f"they hold {count}; free fewer parameters")
        theta = chosen.start(wide)
        if not is_finite(linearise(problem, theta)):
            raise RuntimeError(
                "The responses are not finite at the values that the circuit has: begin at others."
            )
        theta, taken = minimise(problem, theta, steps)
        end = linearise(problem, theta)
        size = np.sqrt(sum(np.sum((v * w) ** 2) for v, w in zip(known_data, weights, strict=True)))
        sd = None if noises is None else 1.0
        known = knowledge(np.asarray(end.residuals), np.asarray(end.J), size, count, sd)
        found = {"steps": int(taken), "succeeded": has_arrived(known) and is_finite(end)}
        misses = zip(data, end.models, seen, strict=True)
        residuals = tuple(np.where(s, v - np.asarray(m), np.nan) for v, m, s in misses)
        found |= {"noise": known.sd_found, "residuals": residuals}
        found |= in_units(wide, chosen, theta, known)
    if throw and not found["succeeded"]:
        raise RuntimeError(failure(found["steps"], steps))
    if found["succeeded"] and (unclear := doubts(known, chosen)):
        what = f"The data do not tell all that is free: {'; '.join(unclear)}. Free fewer parameters"
        warnings.warn(f"{what}, or add data that depend on them.", Unidentified, stacklevel=3)
    return ParameterFit(circuit=chosen.put_nodes(circuit, found["estimates"]), **found)
