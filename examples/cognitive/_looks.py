"""The dynamics of a network trained on a ring task, in every period of its trials."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from _networks import BURN_IN
from _trials import draw, evenly

import organics_ode as oo
import tasks
from organics_ode import periods

TRIALS = 100  # random trials, for performance and memory
EVERY = 4  # steps between the Jacobians along a trial


def run(model: oo.SequenceToSequence, inputs: jax.Array) -> periods.Visit:
    """The states after a burn-in and along the trials, without noise."""
    return periods.visit(model.cell, inputs, burn_in=round(BURN_IN / model.cell.dt))


def outputs_of(model: oo.SequenceToSequence, inputs: jax.Array) -> jax.Array:
    return jax.vmap(jax.vmap(model.readout))(run(model, inputs).states[0])


@eqx.filter_jit
def abscissae(circuit: Any, states: Any, inputs: jax.Array) -> jax.Array:
    """The largest real part of the Jacobian's eigenvalues along the trials, (trials, time)."""

    def at(state: Any, x: jax.Array) -> jax.Array:
        return oo.spectrum(circuit, state, x).abscissa

    return jax.lax.map(lambda pair: jax.vmap(at)(*pair), (states, inputs))


@eqx.filter_jit
def exponents(cell: Any, starts: Any, inputs: jax.Array) -> jax.Array:
    """The largest finite-time Lyapunov exponent along each trial, 1/ms."""
    return jax.vmap(lambda start, xs: oo.lyapunov(cell, xs, 1, state0=start)[0])(starts, inputs)


def minute(cell: Any, starts: Any, inputs: jax.Array) -> dict[str, Any]:
    """After a minute of constant input: how many states are distinct, and how large they became."""
    ends = periods.ends(cell, starts, inputs, round(60_000 / cell.dt))
    return {"ends": ends.distinct, "largest_state": ends.largest}


def share_right(model: oo.SequenceToSequence, task: tasks.RingTask, trials: Any, extra: int) -> Any:
    """The share of the response that is right if the delay lasts some steps longer."""
    stop = task.periods["delay"][1]

    def longer(leaf: jax.Array) -> jax.Array:
        held = jnp.repeat(leaf[:, stop - 1 : stop], extra, axis=1)
        return jnp.concatenate([leaf[:, :stop], held, leaf[:, stop:]], axis=1)

    # Only the response counts: the known score of the time before it is subtracted.
    mask = trials.mask.at[:, : task.periods["response"][0]].set(0)
    spans = trials.info["periods"]
    info = trials.info | {"periods": spans | {"response": spans["response"] + extra}}
    inputs, targets, mask = map(longer, (trials.inputs, trials.targets, mask))
    trials = trials._replace(inputs=inputs, targets=targets, mask=mask, info=info)
    outputs = outputs_of(model, inputs)
    weight = task.timeline[-1].duration / sum(period.duration for period in task.timeline)
    return 1 - (1 - jnp.mean(jax.vmap(task.score)(outputs, trials))) / weight


def summary(points: periods.PeriodPoints) -> dict[str, Any]:
    """The numbers of a period; no abscissa if no fixed point was found."""
    shares = {name: round(getattr(points, name), 4) for name in ("fixed", "stable", "slow")}
    middle = None if np.isnan(points.abscissa) else round(points.abscissa, 6)
    return shares | {"distinct": points.distinct, "abscissa": middle}


def within(times: np.ndarray, span: tuple[int, int]) -> np.ndarray:
    return (times >= span[0]) & (times < span[1])


class Look(NamedTuple):
    """The numbers of one network, and the data to draw."""

    record: dict[str, Any]
    directions: np.ndarray  # (trials,), the first direction shown in each
    responses: np.ndarray  # (trials, time, n)
    points: periods.PeriodPoints  # of the delay
    times: np.ndarray  # in steps
    abscissae: np.ndarray  # (trials, times), 1/ms
    eigenvalues: np.ndarray  # (trials, d), 1/ms, at the end of the delay


def look(model: oo.SequenceToSequence, task: tasks.RingTask, args: Any) -> Look:
    """A network in float64, on trials with evenly spread directions; memory on random ones."""
    keys = jax.random.split(jax.random.key(args.seed + 2))
    trials, directions = evenly(task, args.directions, keys[0])
    visit = run(model, trials.inputs)
    circuit, inputs = model.cell.circuit, visit.inputs
    times = np.arange(0, inputs.shape[1], EVERY)
    passed = jax.tree.map(lambda leaf: leaf[:, times], visit.states)
    along = np.asarray(abscissae(circuit, passed, inputs[:, times]))
    found = {name: periods.points(model.cell, visit, span) for name, span in task.periods.items()}
    first, last = task.periods["delay"][0], task.periods["delay"][1] - 1
    before, end = (
        jax.tree.map(lambda leaf, t=t: leaf[:, t], visit.states) for t in (first - 1, last)
    )
    rates = {
        "trial": exponents(model.cell, visit.rest, inputs),
        "delay": exponents(model.cell, before, inputs[:, first : last + 1]),
    }
    test = draw(task, TRIALS, keys[1])
    outputs = outputs_of(model, test.inputs)

    def memory(seconds: int) -> float:
        extra = round(1000 * seconds / task.dt) - (last + 1 - first)
        return round(float(share_right(model, task, test, extra)), 4)

    certificate = oo.certify(circuit, inputs[0, last], state0=jax.tree.map(lambda s: s[0], end))
    record = {
        "performance": round(float(jnp.mean(jax.vmap(task.score)(outputs, test))), 4),
        "right": {f"{s} s": memory(s) for s in args.delays},
        "periods": {
            name: summary(points)
            | {"along": round(float(np.median(along[:, within(times, task.periods[name])])), 6)}
            for name, points in found.items()
        },
        "exponent": {name: round(float(np.median(v)), 6) for name, v in rates.items()},
        "largest_exponent": {name: round(float(np.max(v)), 6) for name, v in rates.items()},
        "largest_state": max(float(jnp.abs(leaf).max()) for leaf in visit.states),
        "minute": minute(model.cell, end, inputs[:, last]),
        "theorem": certificate.theorem,
        "why": certificate.reasons[0],
    }
    spectra = jax.jit(jax.vmap(oo.spectrum, (None, 0, 0)))(circuit, end, inputs[:, last])
    eigenvalues = np.asarray(spectra.eigenvalues)
    responses = np.asarray(visit.states[0])
    return Look(record, directions, responses, found["delay"], times, along, eigenvalues)
