"""`sample_paths`: a circuit with noise, by fixed steps."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Float, PRNGKeyArray, PyTree

from .._cards import Card, carded, outline
from .._checks import (
    as_float_array,
    check_finite,
    check_positive_integer,
    check_positive_number,
    check_state,
    hint_of_batch,
    is_traced,
    read_key,
    refuse,
    with_input_axis,
)
from .._constraints import resolve
from .._nonlinearities import root
from .._tables import AbstractTabular, Table, over_time
from .._types import KeyLike, Scalar, State, StateLike
from ..circuits import NO_TIME, AbstractCircuit, check_circuit
from ..dynamics import AbstractInput, Inputs, ZeroOrderHold, inputs_over_time, is_over_time
from ..programs import in_full_precision
from .kinds import AbstractNoise, LowPass, Source, check_noise, low_pass, stationary

_LATE = 1e-3  # Of a step: how late the input of a step is looked up.
_START = 2**32 - 1  # Used in place of a step's number: no step has it.

Sources = tuple[Source, ...]
# The filters of every source, (order, k).
Filtered = list[Array]


@carded
class Paths(eqx.Module, AbstractTabular):
    """Sampled states.

    - `ts`: (time,), ms after the start.
    - `states`: the circuit's state with a leading time axis.
    - `succeeded`: whether every state is finite.

    `to_dataframe()`, `to_xarray()`: a row for each time, with columns `t`, `y[0]`, ….
    """

    ts: Float[Array, "*batch time"]
    states: PyTree

    @property
    def succeeded(self) -> Bool[Array, "*batch"]:
        leaves = [jnp.isfinite(leaf) for leaf in jax.tree.leaves(self.states)]
        batch = self.ts.ndim - 1
        return jnp.stack([jnp.all(a, range(batch, a.ndim)) for a in leaves]).all(0)

    def to_table(self) -> Table:
        """The states over `t` in ms; for several paths also over their axes."""
        return over_time(self.ts, self.states)

    def _card(self) -> Card:
        start, end = float(self.ts[0]), float(self.ts[-1])
        facts = {
            "time": f"{start:g} to {end:g} ms, {self.ts.size} saved",
            "states": outline(self.states),
        }
        return Card(f"Paths: {'succeeded' if self.succeeded else 'not finite'}", facts)


def sample_paths(
    circuit: AbstractCircuit[State],
    inputs: Inputs,
    noise: AbstractNoise,
    *,
    dt: Scalar,
    key: KeyLike,
    steps: int | None = None,
    state0: StateLike | None = None,
    keep_every: int = 1,
) -> Paths:
    """Simulate a circuit with noise in fixed steps, by the Euler–Maruyama method.

        x ← x + dt f(x, input) + √dt S(x) ⊙ ξ,   ξ ~ N(0, 1)

    This simulates the nonlinear circuit, in one `lax.scan`, so it holds for noise of any size.
    Coloured noise starts stationary, is advanced exactly, and adds dt η to a step; measurement
    noise is added to the states that are kept. The method's own stationary covariance differs from
    the exact one by O(dt): make dt a small part of the shortest time scale of `spectrum` and of the
    noise's τ. Without noise use `simulate`. Pure (jit, grad, vmap over keys); no batch axis.

    Args:
        circuit: an `AbstractCircuit`.
        inputs: (m,), held constant over all `steps`; (steps, m), each held over one step; or an
            input over time: a pair `(ts, values)` of held values, `LinearInput(ts, values)` or a
            function of t in ms after the start. It is evaluated at the beginning of each step.
        noise: a `Noise`, another kind, or a sum of kinds.
        dt: the step, ms.
        key: a PRNG key. `jax.vmap(lambda k: sample_paths(…, key=k))(jax.random.split(key, 100))`
            draws a hundred paths.
        steps: the number of steps; needed unless `inputs` is (steps, m).
        state0: the state at the start; `circuit.initial_state()` unless given. For stationary noise
            start at `fixed_point(circuit, x).state`.
        keep_every: keep only every k-th state, which leaves the path the same and needs 1/k of the
            memory; k must divide `steps`.

    Returns:
        `Paths`, with the states after steps k, 2k, …, `steps`.

    Raises:
        ValueError: an argument is bad. A path that diverges does not raise: its states are not
            finite, and `succeeded` says so.
    """
    key = read_key("key", key)
    check_circuit(circuit)
    circuit = resolve(circuit)
    state0 = check_state("state0", resolve(state0), circuit.initial_state())
    check_noise(noise)
    for read in (noise.variance, noise.sources):
        read(state0)  # refuses amplitudes of a wrong shape
    check_positive_number("dt", dt)
    dtype = jax.tree.leaves(state0)[0].dtype
    xs, steps = _read_inputs(inputs, steps, circuit, dtype)
    keep_every = check_positive_integer("keep_every", keep_every)
    if steps % keep_every:
        refuse("keep_every", f"divide the number of steps, {steps}", f"it is {keep_every}")
    return _sample(
        circuit, xs, noise, as_float_array("dt", dt, dtype), key, state0, steps, keep_every
    )


@eqx.filter_jit
@in_full_precision
def _sample(
    circuit: AbstractCircuit[State],
    xs: Array | AbstractInput,
    noise: AbstractNoise,
    dt: Array,
    key: PRNGKeyArray,
    state0: State,
    steps: int,
    keep: int,
) -> Paths:
    flat, unravel = ravel_pytree(state0)
    sources = noise.sources(state0)
    filters = [None if s.tau is None else low_pass(s, dt) for s in sources]

    def move(x: Array, f: Array, variance: Array, xi: Array) -> Array:
        return x + dt * f + root(dt * variance, 2) * xi

    def step(carry: tuple[State, Filtered], i: Array) -> tuple[tuple[State, Filtered], None]:
        state, filtered = carry
        x = _input_at(xs, i, dt)
        # The draws of a step depend only on its number, and so not on which states are kept.
        draw = jax.random.fold_in(key, i)
        xi = unravel(jax.random.normal(draw, flat.shape, dt.dtype))
        drift, variance = circuit.vector_field(NO_TIME, state, x), noise.variance(state)
        new = jax.tree.map(move, state, drift, variance, xi)
        if not sources:
            return (new, filtered), None
        draws = _draws(sources, draw)
        new = jax.tree.map(jnp.add, new, unravel(_entered(sources, filtered, draws, dt)))
        return (new, _moved(filters, filtered, draws)), None

    def block(
        carry: tuple[State, Filtered], indices: Array
    ) -> tuple[tuple[State, Filtered], State]:
        carry, _ = jax.lax.scan(step, carry, indices)
        return carry, _observed(sources, *carry)

    start = _started(sources, jax.random.fold_in(key, _START))
    _, states = jax.lax.scan(block, (state0, start), jnp.arange(steps).reshape(-1, keep))
    return Paths(dt * jnp.arange(keep, steps + 1, keep, dtype=dt.dtype), states)


def _draws(sources: Sources, key: PRNGKeyArray) -> list[Array]:
    """Standard normal numbers for every source, (order, k)."""
    shapes = [(s.order, s.loading.shape[-1]) for s in sources]
    return [
        jax.random.normal(jax.random.fold_in(key, 1 + j), shape, s.loading.dtype)
        for j, (s, shape) in enumerate(zip(sources, shapes, strict=True))
    ]


def _started(sources: Sources, key: PRNGKeyArray) -> Filtered:
    """The filters of every source at the start, as after an infinite time."""
    forever = [None if s.tau is None else stationary(s) for s in sources]
    draws = _draws(sources, key)
    return _moved(forever, [jnp.zeros_like(xi) for xi in draws], draws)


def _moved(filters: list[LowPass | None], filtered: Filtered, draws: list[Array]) -> Filtered:
    """The filters one step later; white noise has none."""
    moved = zip(filters, filtered, draws, strict=True)
    return [u if f is None else f.move(u, xi) for f, u, xi in moved]


def _entered(sources: Sources, filtered: Filtered, draws: list[Array], dt: Array) -> Array:
    """What the sources add to the state in a step, (d,)."""
    entered = [jnp.zeros(sources[0].loading.shape[0], dt.dtype)]
    for source, u, xi in zip(sources, filtered, draws, strict=True):
        if not source.is_measured:
            entered.append(source.enter(root(dt, 2) * xi[0] if source.tau is None else dt * u[-1]))
    return jnp.stack(entered).sum(0)


def _observed(sources: Sources, state: State, filtered: Filtered) -> State:
    """The state with measurement noise added."""
    flat, unravel = ravel_pytree(state)
    measured = [s.enter(u[-1]) for s, u in zip(sources, filtered, strict=True) if s.is_measured]
    return unravel(sum(measured, flat)) if measured else state


def _input_at(xs: Array | AbstractInput, i: Array, dt: Array) -> Array:
    """The input at the beginning of a step."""
    if not isinstance(xs, AbstractInput):
        return xs if xs.ndim == 1 else xs[i]
    # A value held from this step on must be found even if the time is rounded down.
    late = _LATE if isinstance(xs, ZeroOrderHold) else 0.0
    return xs(dt * (i.astype(dt.dtype) + late)).astype(dt.dtype)


def _read_inputs(
    inputs: Inputs, steps: int | None, circuit: AbstractCircuit, dtype: DTypeLike
) -> tuple[Array | AbstractInput, int]:
    """The inputs, (m,) or (steps, m) or over time, and the number of steps."""
    if is_over_time(inputs):
        read = inputs_over_time(inputs, circuit, jnp.zeros(1, dtype))
        return read, _read_steps(steps, "is over time")
    m = circuit.input_size
    xs = with_input_axis(as_float_array("inputs", inputs, dtype), m)
    if xs.ndim not in (1, 2) or xs.shape[-1] != m:
        hint = hint_of_batch("inputs", xs, 2, m)
        refuse("inputs", f"have shape ({m},) or (steps, {m})", f"it has shape {xs.shape}{hint}")
    if not is_traced(xs):
        check_finite("inputs", xs)
    if steps is None and xs.ndim == 2:
        steps = xs.shape[0]
    steps = _read_steps(steps, f"has shape (m,) = ({m},)")
    if xs.ndim == 2 and steps != xs.shape[0]:
        refuse(
            "steps", "be the length of `inputs` where that has shape (steps, m)", f"it is {steps}"
        )
    return xs, steps


def _read_steps(steps: int | None, inputs: str) -> int:
    if steps is None:
        found = "it is None; write `steps=1000` for a thousand steps of `dt`"
        refuse("steps", f"be given where `inputs` {inputs}", found)
    return check_positive_integer("steps", steps)
