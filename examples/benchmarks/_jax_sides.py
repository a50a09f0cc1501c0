"""A training step of a sequence classifier: through the library, and by a plain scan."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from _measure import Side, resident_gb

import organics_ode as oo
from organics_ode.parallel import mean_over_devices, replicate, split

GATED = ("plain-scan", "organics_ode", "organics_ode-mesh")
ROTATIONAL = ("rotational-scan", "rotational", "rotational-mesh")
SIDES = (*GATED, *ROTATIONAL, "equinox-lstm", "equinox-gru")
LEARNING_RATE = 1e-3
CLASSES = 10


class Shape(NamedTuple):
    """The sizes of a training step: steps of the sequence, units, samples."""

    steps: int
    size: int
    batch: int


def data(shape: Shape) -> tuple[np.ndarray, np.ndarray]:
    """Random sequences (batch, steps, 1) and classes (batch,)."""
    rng = np.random.default_rng(1)
    dtype = jnp.zeros(()).dtype
    xs = rng.uniform(size=(shape.batch, shape.steps, 1)).astype(dtype)
    return xs, rng.integers(CLASSES, size=shape.batch)


def make_model(side: str, size: int) -> oo.SequenceClassifier:
    """The model of a side; the plain scan and the library use the same one."""
    keys = jax.random.split(jax.random.key(0), 3)
    readout = eqx.nn.Linear(size, CLASSES, key=keys[1])
    if side == "equinox-lstm":
        return oo.SequenceClassifier(oo.LSTM.random(1, size, key=keys[0]), readout)
    if side == "equinox-gru":
        return oo.SequenceClassifier(oo.GRU.random(1, size, key=keys[0]), readout)
    kind = oo.RotationalORGaNICs if side in ROTATIONAL else oo.GatedORGaNICs
    circuit = kind.random(1, size, key=keys[0])
    start = circuit.random_state(keys[2])
    return oo.SequenceClassifier(oo.Euler(circuit, 1.0), readout, state0=start)


def outputs(model: oo.SequenceClassifier, xs: jax.Array) -> jax.Array:
    """The scores (batch, k) of sequences (batch, time, m), as `oo.fit` computes them."""
    return model.batched(xs)


def scanned_outputs(model: oo.SequenceClassifier, xs: jax.Array) -> jax.Array:
    """The same scores by the scan of `oo.unroll`, which keeps only states, sample by sample."""
    return jax.vmap(model)(xs)


def field(c: Any, state: Any, x: jax.Array) -> tuple[jax.Array, ...]:
    """The equations of a `GatedORGaNICs`, written by hand."""
    y, a, b0, b1 = state
    positive = a > 0
    s = jnp.where(positive, jnp.sqrt(jnp.where(positive, a, 1)), 0)
    z = jax.nn.relu(c.W_zx @ x)
    dy = -y + b1 * z + (1 - s) * jax.nn.relu(c.W_r @ y)
    da = -a + (c.sigma * b0) ** 2 + c.W @ (jax.nn.relu(a) * jax.nn.relu(y) ** 2)
    db0 = -b0 + jax.nn.sigmoid(c.W_bx0 @ x + c.W_by0 @ y + c.W_ba0 @ a)
    db1 = -b1 + jax.nn.sigmoid(c.W_bx1 @ x + c.W_by1 @ y + c.W_ba1 @ a)
    return dy / c.tau_y, da / c.tau_a, db0 / c.tau_b0, db1 / c.tau_b1


def euler(c: Any, state: Any, x: jax.Array) -> Any:
    """An Euler step of 1 ms of these equations."""
    return jax.tree.map(lambda v, dv: v + dv, state, field(c, state, x))


def plain_outputs(model: oo.SequenceClassifier, xs: jax.Array) -> jax.Array:
    """The same scores straight from the equations, sample by sample under vmap."""

    def step(state: tuple, x: jax.Array) -> tuple:
        return euler(model.cell.circuit, state, x), None

    def one(xs: jax.Array) -> jax.Array:
        last, _ = jax.lax.scan(step, tuple(model.state0), xs)
        return model.readout(last[0])

    return jax.vmap(one)(xs)


def make_step(side: str, optimizer: optax.GradientTransformation) -> Callable[..., Any]:
    others = {"plain-scan": plain_outputs, "rotational-scan": scanned_outputs}
    scores = others.get(side, outputs)
    mesh = oo.device_mesh() if side.endswith("-mesh") else None

    def slope(model: tuple[Any, Any], batch: tuple[jax.Array, jax.Array]) -> Any:
        (params, rest), (xs, targets) = model, batch

        def loss(params: Any) -> jax.Array:
            given = scores(oo.resolve(eqx.combine(params, rest)), xs)
            return jnp.mean(jax.vmap(oo.cross_entropy)(given, targets))

        return eqx.filter_value_and_grad(loss)(params)

    @eqx.filter_jit
    def step(model: Any, optimizer_state: Any, xs: jax.Array, targets: jax.Array) -> Any:
        params, rest = eqx.partition(model, oo.trainable(model))
        value, gradient = mean_over_devices(slope, mesh)((params, rest), (xs, targets))
        updates, optimizer_state = optimizer.update(gradient, optimizer_state, params)
        new = oo.project(eqx.combine(eqx.apply_updates(params, updates), rest))
        return (value, gradient), new, optimizer_state

    return step


def prepare(side: str, shape: Shape) -> Side:
    """The side with its compiled step; compilation is timed."""
    model, optimizer = make_model(side, shape.size), optax.adam(LEARNING_RATE)
    state = [model, optimizer.init(eqx.filter(model, oo.trainable(model)))]
    xs, targets = map(jnp.asarray, data(shape))
    if side.endswith("-mesh"):
        mesh = oo.device_mesh()
        state = replicate(state, mesh)
        xs, targets = split((xs, targets), mesh)
    start = time.perf_counter()
    compiled = make_step(side, optimizer).lower(*state, xs, targets).compile()
    seconds = time.perf_counter() - start

    def run() -> tuple[Any, list[Any]]:
        (value, gradient), *state[:] = jax.block_until_ready(compiled(*state, xs, targets))
        return value, jax.tree.leaves(gradient)

    return Side(run, peak_gb, seconds, planned_gb(compiled.compiled))


def planned_gb(executable: Any) -> float:
    """The memory that XLA plans for the step: arguments, results and everything in between."""
    plan = executable.memory_analysis()
    kept = plan.argument_size_in_bytes + plan.output_size_in_bytes
    return (kept + plan.temp_size_in_bytes) / 1e9


def peak_gb() -> float:
    """The peak memory of the accelerator, or of this process if jax runs on the CPU."""
    stats = jax.devices()[0].memory_stats() or {}
    return stats["peak_bytes_in_use"] / 1e9 if "peak_bytes_in_use" in stats else resident_gb()
