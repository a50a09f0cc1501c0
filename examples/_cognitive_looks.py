"""What a network that was trained on a ring task does in every period of its trials."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from _cognitive import BURN_IN

import organics_ode as oo
import tasks

TRIALS = 100  # random ones, for performance and memory
EVERY = 4  # Steps between the Jacobians that are looked at along a trial.
SLOW = (
    0.1  # A slow point: in a whole period the state would move so little, relative to its spread.
)
PREFERRED = 2 * np.pi * np.arange(32) / 32


class Visit(NamedTuple):
    """A network on some trials: their inputs, the first direction shown, the states it visits."""

    inputs: jax.Array  # (trials, time, m)
    directions: np.ndarray  # (trials,)
    rest: Any  # the state before the first step
    states: Any  # (trials, time, …)


def in_float64(model: oo.SequenceToSequence) -> oo.SequenceToSequence:
    """In which a fixed point can be told from a slow one."""
    return _cast(model, jnp.float64)


def smaller(model: oo.SequenceToSequence) -> oo.SequenceToSequence:
    """In half precision: a file of half the size."""
    return _cast(model, jnp.float16)


def _cast(model: oo.SequenceToSequence, dtype: Any) -> oo.SequenceToSequence:
    """Plain arrays of another precision."""
    arrays, rest = eqx.partition(oo.resolve(model), eqx.is_inexact_array)
    return eqx.combine(jax.tree.map(lambda a: a.astype(dtype), arrays), rest)


def evenly(task: tasks.RingTask, count: int, key: jax.Array) -> tuple[tasks.Trial, np.ndarray]:
    """Trials whose first directions are spread evenly around the ring, and these directions."""
    trials = draw(task, 64 * count, key)
    onset = list(task.periods.values())[1][0]
    rings = np.asarray(trials.inputs[:, onset, 1:65]).reshape(-1, 2, 32).sum(axis=1)
    shown = np.angle(rings @ np.exp(1j * PREFERRED)) % (2 * np.pi)
    goals = 2 * np.pi * np.arange(count)[:, None] / count
    chosen = np.argmax(np.cos(shown[None, :] - goals), axis=1)
    return jax.tree.map(lambda leaf: leaf[chosen], trials), shown[chosen]


def draw(task: tasks.RingTask, count: int, key: jax.Array) -> tasks.Trial:
    keys = jax.random.split(key, count)
    return jax.jit(jax.vmap(lambda key: task.sample(key, jitter=False)))(keys)


@eqx.filter_jit
def run(model: oo.SequenceToSequence, inputs: jax.Array) -> tuple[Any, Any]:
    """The states at rest, after the burn-in, and then along the trials; without noise."""

    def of(xs: jax.Array) -> tuple[Any, Any]:
        held = jnp.repeat(xs[:1], round(BURN_IN / model.cell.dt), axis=0)
        rest = oo.unroll(model.cell, held, last_only=True)
        return rest, oo.unroll(model.cell, xs, state0=rest)

    return jax.vmap(of)(inputs)


def points_in(circuit: Any, visit: Visit, span: tuple[int, int]) -> list[oo.SlowPoints]:
    """The fixed and slow points of a period, for each of the inputs that are held in it.

    From the states in its middle and at its end, at the mean input of the period.
    """
    start, stop = span
    means = np.asarray(visit.inputs[:, start:stop].mean(axis=1))
    _, groups = np.unique(means.round(9), axis=0, return_inverse=True)
    times = np.array([(start + stop) // 2, stop - 1])
    found = []
    for group in range(groups.max() + 1):
        (own,) = np.nonzero(groups == group)
        starts = jax.tree.map(lambda leaf, own=own: leaf[own][:, times], visit.states)
        found.append(oo.slow_points(circuit, means[own[0]], starts))
    return found


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


@eqx.filter_jit
def held(cell: Any, starts: Any, inputs: jax.Array, steps: int) -> tuple[Any, jax.Array]:
    """The states after inputs were held for long, and the largest |state| on the way."""

    def of(start: Any, x: jax.Array) -> tuple[Any, jax.Array]:
        states = oo.unroll(cell, jnp.repeat(x[None], steps, axis=0), state0=start)
        largest = jnp.stack([jnp.abs(leaf).max() for leaf in jax.tree.leaves(states)]).max()
        return jax.tree.map(lambda leaf: leaf[-1], states), largest

    return jax.vmap(of)(starts, inputs)


def minute(cell: Any, starts: Any, inputs: jax.Array) -> dict[str, Any]:
    """What the states are after a minute of held input: how many are apart, how large they were."""
    ends, largest = held(cell, starts, inputs, round(60_000 / cell.dt))
    apart: list[np.ndarray] = []
    for end in np.concatenate([np.asarray(leaf) for leaf in ends], axis=1):
        if all(np.abs(end - other).max() > 0.01 * np.abs(end).max() for other in apart):
            apart.append(end)
    return {"ends": len(apart), "largest_state": float(largest.max())}


@eqx.filter_jit
def share_right(model: oo.SequenceToSequence, task: tasks.RingTask, trials: Any, extra: int) -> Any:
    """The share of the response's time that is right, if the delay lasts some steps longer."""
    stop = task.periods["delay"][1]

    def longer(leaf: jax.Array) -> jax.Array:
        held = jnp.repeat(leaf[:, stop - 1 : stop], extra, axis=1)
        return jnp.concatenate([leaf[:, :stop], held, leaf[:, stop:]], axis=1)

    # Only the response counts: what the time before it is worth is then known, and taken off.
    mask = trials.mask.at[:, : task.periods["response"][0]].set(0)
    periods = trials.info["periods"]
    info = trials.info | {"periods": periods | {"response": periods["response"] + extra}}
    inputs, targets, mask = map(longer, (trials.inputs, trials.targets, mask))
    trials = trials._replace(inputs=inputs, targets=targets, mask=mask, info=info)
    outputs = jax.vmap(jax.vmap(model.readout))(run(model, inputs)[1][0])
    weight = task.timeline[-1].duration / sum(period.duration for period in task.timeline)
    return 1 - (1 - jnp.mean(jax.vmap(task.score)(outputs, trials))) / weight


def summary(
    found: list[oo.SlowPoints], visit: Visit, span: tuple[int, int], dt: float
) -> dict[str, Any]:
    """Shares of the starts that came to fixed, stable and slow points, how many these are, and the
    median of the largest Re λ at the fixed ones.

    At a slow point Jᵀf = 0 for f ≠ 0: an eigenvalue is 0 whatever the network does.
    """
    every = [np.asarray(leaf) for leaf in visit.states]
    spread = np.sqrt(sum(leaf.var(axis=(0, 1)).sum() for leaf in every))
    speed = np.concatenate([np.sqrt(2 * np.asarray(points.speeds)) for points in found])
    hits, fixed, stable, abscissa = (
        np.concatenate([np.asarray(getattr(points, name)) for points in found])
        for name in ("hits", "is_fixed", "is_stable", "abscissae")
    )
    slow = ~fixed & (speed * dt * (span[1] - span[0]) < SLOW * spread)
    kinds = {"fixed": fixed, "stable": fixed & stable, "slow": slow}
    starts = 2 * len(visit.inputs)
    shares = {name: round(float(hits[kind].sum() / starts), 4) for name, kind in kinds.items()}
    middle = round(float(np.median(abscissa[fixed])), 6) if fixed.any() else None
    return shares | {"distinct": int((fixed | slow).sum()), "abscissa": middle}


def within(times: np.ndarray, span: tuple[int, int]) -> np.ndarray:
    return (times >= span[0]) & (times < span[1])


class Look(NamedTuple):
    """The numbers of one network, and what is drawn of it."""

    record: dict[str, Any]
    visit: Visit
    points: list[oo.SlowPoints]  # of the delay
    times: np.ndarray  # in steps
    abscissae: np.ndarray  # (trials, times), 1/ms
    eigenvalues: np.ndarray  # (trials, d), 1/ms, at the end of the delay


def look(model: oo.SequenceToSequence, task: tasks.RingTask, args: Any) -> Look:
    """A network in float64, on trials of evenly spread directions; memory on random ones."""
    keys = jax.random.split(jax.random.key(args.seed + 2))
    trials, directions = evenly(task, args.directions, keys[0])
    visit = Visit(trials.inputs, directions, *run(model, trials.inputs))
    circuit, inputs = model.cell.circuit, visit.inputs
    times = np.arange(0, inputs.shape[1], EVERY)
    passed = jax.tree.map(lambda leaf: leaf[:, times], visit.states)
    along = np.asarray(abscissae(circuit, passed, inputs[:, times]))
    found = {name: points_in(circuit, visit, span) for name, span in task.periods.items()}
    first, last = task.periods["delay"][0], task.periods["delay"][1] - 1
    before, end = (
        jax.tree.map(lambda leaf, t=t: leaf[:, t], visit.states) for t in (first - 1, last)
    )
    rates = {
        "trial": exponents(model.cell, visit.rest, inputs),
        "delay": exponents(model.cell, before, inputs[:, first : last + 1]),
    }
    test = draw(task, TRIALS, keys[1])
    outputs = jax.vmap(jax.vmap(model.readout))(run(model, test.inputs)[1][0])

    def memory(seconds: int) -> float:
        extra = round(1000 * seconds / task.dt) - (last + 1 - first)
        return round(float(share_right(model, task, test, extra)), 4)

    certificate = oo.certify(circuit, inputs[0, last], state0=jax.tree.map(lambda s: s[0], end))
    record = {
        "performance": round(float(jnp.mean(jax.vmap(task.score)(outputs, test))), 4),
        "right": {f"{s} s": memory(s) for s in args.delays},
        "periods": {
            name: summary(points, visit, task.periods[name], task.dt)
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
    return Look(record, visit, found["delay"], times, along, np.asarray(spectra.eigenvalues))
