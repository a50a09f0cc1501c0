import functools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from .._cards import SHOWN, Card, carded, summary
from .._checks import (
    as_float_array,
    check_finite,
    check_positive_integer,
    check_positive_number,
    counted,
    on_device,
    refuse,
    refuse_traced,
)
from .._tables import AbstractTabular, Table, numbered
from .._types import Numbers
from ..circuits import FeedbackNetwork, FeedbackNetworkState
from ..equilibria import distinct, firsts, in_turns, look, polish
from ..linear import Equations, read_point, tolerance
from ..programs import in_full_precision, quickly_compiled
from ._overlaps import read_network
from ._rest import run_to_rest, still


@carded
class Attractors(eqx.Module, AbstractTabular):
    """The fixed points that the flow came to rest at, in increasing order of the (first) readout.

    - `z`: (k,) or (k, R), their readouts.
    - `states`: (k, N), x.
    - `hits`: (k,), how many starts led to each.
    - `unsettled`: how many starts led to none: slow, on a limit cycle, chaotic, or at rest where
      the spectrum is not stable.

    `len` is k. `to_dataframe()`, `to_xarray()`: a row for each.
    """

    z: Float[Array, "k ..."]
    states: Float[Array, "k N"]
    hits: Int[np.ndarray, " k"]
    unsettled: int

    def __len__(self) -> int:
        return len(self.z)

    def to_table(self) -> Table:
        """Readout, hits and state x for each `attractor`."""
        columns = {"z": self.z, "hits": self.hits, "x": self.states}
        notes = {"unsettled": self.unsettled}
        return Table(numbered((len(self),), "attractor"), columns, notes=notes)

    def _card(self) -> Card:
        rows = [
            (i, summary(np.asarray(self.z)[i]), self.hits[i], summary(self.states[i]))
            for i in range(min(len(self), SHOWN))
        ]
        unsettled = f"{counted(self.unsettled, 'start')} came to none"
        head = ("", "readout z", "hits", "state")
        title = f"Attractors: {len(self)} found (there may be more)"
        return Card(title, columns=head, rows=rows, total=len(self), notes=[unsettled])


def attractors(
    network: FeedbackNetwork,
    x: Numbers | None = None,
    *,
    z0: Numbers,
    dt: float = 0.1,
    steps: int = 5000,
) -> Attractors:
    """The stable fixed points that the network runs to from x = m z₀ + I + W_x u, for many z₀.

    All starts run at once by Euler's method until |ẋ| < 1e-9 (1e-4 in float32) everywhere, and then
    by Newton's. A fixed point that no start runs to is not found, so the count is a lower bound. A
    host function.

    Args:
        network: a `FeedbackNetwork`.
        x: u, (k,); omit it for a network without inputs.
        z0: (starts,) or (starts, R), readouts to start from, on both sides of the expected ones.
        dt: step, in units of the time constant.
        steps: the maximum number of steps.

    Returns:
        An `Attractors`.

    Raises:
        ValueError: an argument is bad.
    """
    check_positive_number("dt", dt)
    steps = check_positive_integer("steps", steps)
    c = read_network(network)
    circuit, _, x = read_point(c, None, jnp.zeros(c.input_size) if x is None else x)
    z0 = check_finite("z0", as_float_array("z0", z0, c.n.dtype))
    if z0.ndim != c.n.ndim or z0.shape[1:] != c.n.shape[1:] or not len(z0):
        must = "have shape (starts,)" if c.n.ndim == 1 else f"have shape (starts, {c.rank})"
        refuse("z0", must, f"it has shape {z0.shape}")
    refuse_traced("network", circuit, x, z0)
    v, residuals = map(np.asarray, _run(circuit, x, z0.reshape(len(z0), -1), float(dt), steps))
    rests = residuals <= tolerance(v.dtype)
    return _gathered(circuit, x, v[rests], residuals[rests], len(z0))


@functools.partial(quickly_compiled, level=1)
@in_full_precision
def _run(c: Any, x: Array, z0: Array, dt: float, steps: int) -> tuple[Array, Array]:
    """The end states and their residuals, which are infinite for those that had not settled."""
    starts = (c.I + c.W_x @ x)[None, :] + z0 @ c.m.reshape(c.size, -1).T
    v, settled = jax.vmap(lambda v: run_to_rest(c, x, v, dt, steps, still(v.dtype)))(starts)
    e = Equations.of(c, x)
    found = in_turns(lambda v: polish(e, e.point(v)), v)
    return found.v, jnp.where(settled, found.residual, jnp.inf)


def _gathered(c: Any, x: Array, v: np.ndarray, residuals: np.ndarray, starts: int) -> Attractors:
    """One end state of every stable cluster; a start on a saddle stays there, and is left out."""
    clusters = distinct(c, x, v, residuals)
    one = firsts(clusters)
    spectra = look(c, x, v[one], residuals[one]).spectra
    kept = np.flatnonzero(np.asarray(spectra.is_stable))
    states = on_device(v[one[kept]])
    hits = np.asarray([len(clusters[i]) for i in kept], int)
    z = np.asarray(c.readout(FeedbackNetworkState(states)))
    order = np.argsort(z.reshape(len(kept), -1)[:, 0]) if len(kept) else kept
    z, states = on_device(z[order]), on_device(np.asarray(states)[order])
    return Attractors(z, states, hits[order], starts - int(np.sum(hits)))
