"""The training kernel against the plain scan: values, gradients, and where it applies."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import zoo
from kernel_cases import assert_close, kernel, pullback, scanned, sequences
from marks import slow

import organics_ode as oo
from organics_ode.kernels import Carry, Marks, _chunked, _kernel, gated, kernel_of

KEY = jax.random.key(0)
GATED = [name for name in zoo.CIRCUITS if name.startswith("gated")]
APPLIES = [name for name in GATED if "exponent" not in name]
# One of each rectification, exponent, dtype, shape and kind of node.
COMPARED = (
    "gated none p=3",
    "gated before p=2",
    "gated after p=1.5",
    "gated scalar parameters",
    "gated float32",
    "gated bounded tau",
    "gated positive W",
    "gated one unit",
)
BATCH = 3


@pytest.mark.slow_but_first
@pytest.mark.parametrize("name", COMPARED)
def test_values_and_all_gradients_equal_those_of_the_scan(name):
    circuit = zoo.CIRCUITS[name]()
    xs, state0 = sequences(circuit, 19), zoo.state_of(circuit)
    arguments = (circuit, state0, xs, "none" in name)
    ours, reference = pullback(kernel, *arguments), pullback(scanned, *arguments)
    assert_close(ours, reference, 1e-5 if "float32" in name else 1e-10)


@pytest.mark.parametrize(
    "name",
    (
        "gated after p=1.5",
        slow("gated none p=3"),
        slow("gated before p=2"),
    ),
)
def test_it_takes_the_three_euler_steps_of_a_step_of_order_3(name):
    circuit = zoo.CIRCUITS[name]()
    xs, state0 = sequences(circuit, _chunked._CHUNK + 3), zoo.state_of(circuit)
    arguments = (circuit, state0, xs, "before" in name, oo.ShuOsher)
    assert_close(pullback(kernel, *arguments), pullback(scanned, *arguments), 1e-10)


@pytest.mark.slow_but_first
@pytest.mark.parametrize(
    ("length", "last_only"),
    ((1, True), (_chunked._CHUNK, False), (2 * _chunked._CHUNK + 3, True)),
)
def test_every_length_is_cut_into_chunks_without_loss(length, last_only):
    circuit = zoo.gated()
    xs, state0 = sequences(circuit, length), zoo.state_of(circuit)
    ours = pullback(kernel, circuit, state0, xs, last_only)
    assert_close(ours, pullback(scanned, circuit, state0, xs, last_only), 1e-10)


@pytest.mark.slow_but_first
@pytest.mark.parametrize("cell", (oo.Euler, oo.ShuOsher))
def test_what_is_too_much_to_keep_is_computed_again(cell, monkeypatch):
    monkeypatch.setattr(_chunked, "_KEPT", 0)
    circuit = zoo.gated()
    xs, state0 = sequences(circuit, _chunked._CHUNK + 3), zoo.state_of(circuit)
    ours = pullback(kernel, circuit, state0, xs, False, cell)
    assert_close(ours, pullback(scanned, circuit, state0, xs, False, cell), 1e-10)


def test_activations_of_mixed_precision_are_kept_in_half_of_the_memory():
    size, steps = 8, 20
    step = oo.Euler(zoo.gated(n=size, dtype=np.float32), 0.5)

    def kept(cell):
        kernel, state = kernel_of(cell), oo.resolve(cell.initial_state())
        xs = jnp.zeros((steps, zoo.M, BATCH), np.float32)
        carry = Carry(_kernel.wide(state, BATCH))
        given = kernel._given(carry, xs, Marks(), None)
        (_, _), (_, starts, every) = _chunked._forward(kernel._rule(), True, given)
        assert {s.dtype for s in jax.tree.leaves(starts)} == {np.dtype(np.float32)}
        return sum(v.nbytes for v in jax.tree.leaves(every))

    assert kept(oo.MixedPrecision(step)) == kept(step) / 2 == 4 * steps * size * BATCH * 2


@pytest.mark.slow
def test_the_gradient_is_that_of_finite_differences():
    circuit = zoo.gated()
    xs, state0 = sequences(circuit, 20), zoo.state_of(circuit)

    @jax.jit
    def loss(W_r):
        cell = oo.Euler(eqx.tree_at(lambda c: c.W_r, circuit, W_r), 0.3)
        return jnp.sum(jnp.sin(kernel(cell, state0, xs, True)))

    direction = jnp.asarray(np.random.default_rng(1).normal(size=circuit.W_r.shape))
    step = 1e-6
    difference = (loss(circuit.W_r + step * direction) - loss(circuit.W_r - step * direction)) / (
        2 * step
    )
    slope = jnp.vdot(jax.grad(loss)(circuit.W_r), direction)
    np.testing.assert_allclose(slope, difference, rtol=1e-7)  # rounding / step is 1e-9


def test_it_applies_to_gated_circuits_under_its_cells_with_a_known_exponent():
    for cell in (oo.Euler, oo.ShuOsher):
        assert all(gated.applies(cell(zoo.CIRCUITS[name](), 1.0)) for name in APPLIES)
    others = [zoo.CIRCUITS[name]() for name in GATED if name not in APPLIES] + [zoo.organics()]
    assert not any(gated.applies(oo.Euler(circuit, 1.0)) for circuit in others)
    assert not gated.applies(oo.RungeKutta(zoo.gated(), 1.0))


@pytest.mark.parametrize(
    "cell", (oo.Euler(zoo.organics(), 0.3), oo.RungeKutta(zoo.gated(), 0.3)), ids=("ORGaNICs", "RK")
)
def test_elsewhere_the_scan_is_used(cell):
    xs = sequences(cell.circuit, 5)
    ours, reference = (run(cell, None, xs, False) for run in (kernel, scanned))
    np.testing.assert_allclose(ours, reference, rtol=1e-13)


def model(seed, to_sequence=False):
    circuit = zoo.gated(seed=seed)
    readout = eqx.nn.Linear(zoo.N, 2, key=jax.random.key(seed), dtype=np.float64)
    kind = oo.SequenceToSequence if to_sequence else oo.SequenceClassifier
    return kind(oo.Euler(circuit, 0.3), readout, state0=zoo.state_of(circuit))


@pytest.mark.slow_but_first
@pytest.mark.parametrize("to_sequence", (True, False))
def test_a_model_gives_the_same_for_a_batch_as_for_each_sample(to_sequence):
    net = model(0, to_sequence)
    xs = sequences(net.cell.circuit, 7)
    ours, reference = net.batched(xs), jnp.stack([net(x) for x in xs])
    np.testing.assert_allclose(ours, reference, rtol=1e-12)


@pytest.mark.slow
def test_models_can_be_vectorised_and_differentiated_in_any_order():
    nets = [model(0), model(1)]
    xs = sequences(nets[0].cell.circuit, 7)

    def gradient(net):
        return eqx.filter_grad(lambda net: jnp.sum(net.batched(xs) ** 2))(net)

    stacked = jax.tree.map(lambda *v: jnp.stack(v) if eqx.is_array(v[0]) else v[0], *nets)
    together = eqx.filter_vmap(gradient)(stacked)
    for i, net in enumerate(nets):
        member = jax.tree.map(lambda v: v[i], together)  # noqa: B023
        assert_close(member, gradient(net), 1e-10)


@pytest.mark.parametrize(
    ("shape", "must"), (((4, zoo.M), "batch, time, m"), ((2, 4, 9), "= "), ((2, 0, zoo.M), "one"))
)
def test_wrong_shapes_are_refused(shape, must, unchecked):
    with pytest.raises(ValueError, match=f"Argument `xs` must have shape .*{must}"):
        model(0).batched(np.zeros(shape))


def test_a_nan_in_one_sequence_stays_its_own():
    net = model(0)
    xs = sequences(net.cell.circuit, 7)
    run = eqx.filter_jit(lambda xs: net.batched(xs))
    scores, broken = run(xs), run(xs.at[1, 2].set(jnp.nan))
    np.testing.assert_array_equal(broken[jnp.array([0, 2])], scores[jnp.array([0, 2])])
    assert np.isnan(broken[1]).all()
