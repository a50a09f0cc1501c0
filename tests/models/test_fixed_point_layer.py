"""The layer against numpy, long simulations, an unrolled iteration and finite differences."""

import functools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import zoo
from jax.flatten_util import ravel_pytree

import organics_ode as oo

N, M, BATCH = 4, 3, 5
WEIGHTS = jnp.arange(1.0, N + 1)
XS = jnp.asarray(np.random.default_rng(3).normal(size=(BATCH, M)))
FIELDS = ("W_zx", "W_bx", "W", "sigma", "beta0", "W_r")


def arrays(seed=0, general=False, dtype=np.float64):
    rng = np.random.default_rng(seed)
    drawn = {"W_zx": rng.normal(size=(N, M)), "W_bx": rng.normal(size=(N, M))}
    drawn |= {"W": rng.uniform(size=(N, N)), "sigma": rng.uniform(0.2, 1, N)}
    drawn |= {"beta0": rng.normal(size=N)}
    if general:
        drawn["W_r"] = zoo.orthogonal(rng, N)
    return {name: value.astype(dtype) for name, value in drawn.items()}


def build(exponent=2.0, **options):
    return oo.FixedPointLayer(**arrays(**options), exponent=exponent)


def sigmoid(v):
    return 1 / (1 + np.exp(-v))


filter_jit: Any = eqx.filter_jit


# Compiling takes most of the time here; what is compiled runs for milliseconds.
quickly = functools.partial(filter_jit, compiler_options={"xla_backend_optimization_level": 0})


@quickly
def rates_and_slopes(layer, xs):
    """The rates of a batch, and the derivatives of their weighted sum by layer and inputs."""

    def total(both):
        layer, xs = both
        rates = jax.vmap(layer)(xs)
        return jnp.sum(rates @ WEIGHTS.astype(rates.dtype)), rates

    (_, rates), slopes = eqx.filter_value_and_grad(total, has_aux=True)((layer, xs))
    return rates, slopes


def rates(layer, xs=XS):
    return rates_and_slopes(layer, xs)[0]


KINDS = {"closed": {"general": False}, "general": {"general": True}}
BUILT = {
    "closed": build(),
    "general": build(general=True),
    "closed p=3": build(3.0),
    "general p=3": build(3.0, general=True),
}


@pytest.mark.parametrize("p", (2.0, 3.0, 1.5))
def test_without_recurrent_weights_the_rates_are_divisive_normalization(p):
    a = arrays()
    for x, rate in zip(XS, rates(build(p)), strict=True):
        z = a["W_zx"] @ x
        drive = sigmoid(a["W_bx"] @ x) * z / np.linalg.norm(z)
        pool = (a["sigma"] * sigmoid(a["beta0"])) ** p + a["W"] @ np.abs(drive) ** p
        # 1e-13: some tens of roundings, through roots and powers.
        np.testing.assert_allclose(rate, np.maximum(drive, 0) ** p / pool, rtol=1e-13, atol=1e-16)


@quickly
def settled(circuit, z):
    return oo.simulate(circuit, z, jnp.array([0.0, 400.0]), max_steps=20_000).states


@pytest.mark.slow_but_first
@pytest.mark.parametrize("name", BUILT)
def test_the_rates_are_those_of_a_long_simulation(name):
    layer = BUILT[name]
    many = rates(layer)
    for i in (0, 3):
        state = settled(*layer.circuit(XS[i], tau_y=2.0, tau_a=3.0))
        # The solver's default tolerance of 1e-6, and a hundred times that.
        expected = np.maximum(state.y[-1], 0) ** layer.exponent
        np.testing.assert_allclose(many[i], expected, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_the_general_path_with_the_identity_is_the_closed_form():
    closed = build()
    general = oo.FixedPointLayer(**arrays(), W_r=np.eye(N))
    one, (slope, slope_x) = rates_and_slopes(closed, XS)
    other, (other_slope, other_slope_x) = rates_and_slopes(general, XS)
    np.testing.assert_allclose(other, one, rtol=1e-13, atol=1e-16)
    np.testing.assert_allclose(other_slope_x, slope_x, rtol=1e-9, atol=1e-12)
    kept = eqx.tree_at(lambda s: s.W_r, other_slope, None)
    for a, b in zip(jax.tree.leaves(kept), jax.tree.leaves(slope), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)
    # W_r = I is data for the one, and all there is for the other.
    assert slope.W_r is None and np.abs(other_slope.W_r).min() > 1e-6


@pytest.mark.slow_but_first
@pytest.mark.parametrize("name", BUILT)
def test_gradients_equal_finite_differences(name):
    layer = BUILT[name]
    _, slopes = rates_and_slopes(layer, XS)
    flat, unravel = ravel_pytree((eqx.filter(layer, eqx.is_array), XS))
    rng = np.random.default_rng(0)
    for _ in range(3):
        direction = jnp.asarray(rng.normal(size=flat.size))

        def total(step, direction=direction):
            moved, xs = unravel(flat + step * direction)
            return float(jnp.sum(rates(eqx.combine(moved, layer), xs) @ WEIGHTS))

        h = 1e-4
        # Fourth order: the error is h⁴ times a fifth derivative, and rounding 1e-12.
        difference = (8 * (total(h) - total(-h)) - (total(2 * h) - total(-2 * h))) / (12 * h)
        slope = float(ravel_pytree(slopes)[0] @ direction)
        assert slope == pytest.approx(difference, rel=1e-7)


def unrolled(layer, x):
    """The iteration of the fixed point's own equations, written out: y from a, then a from y."""
    c = oo.resolve(layer)
    z = c.W_zx @ x
    drive = jax.nn.sigmoid(c.W_bx @ x) * z / jnp.linalg.norm(z)
    floor = (c.sigma * jax.nn.sigmoid(c.beta0)) ** 2

    def sweep(a, _):
        y = jnp.linalg.solve(jnp.eye(N) - (1 - jnp.sqrt(a))[:, None] * c.W_r, drive)
        return floor + c.W @ (a * y**2), y

    _, ys = jax.lax.scan(sweep, floor + c.W @ drive**2, length=200)
    return jax.nn.relu(ys[-1]) ** 2


def test_implicit_gradients_equal_those_of_the_unrolled_iteration():
    layer = BUILT["general"]
    values, (slope, slope_x) = rates_and_slopes(layer, XS)

    @eqx.filter_jit
    def derivatives(both):
        many, pull = eqx.filter_vjp(
            lambda layer, xs: jax.vmap(unrolled, (None, 0))(layer, xs), *both
        )
        return many, pull(jnp.broadcast_to(WEIGHTS, many.shape))

    expected, (by_layer, by_x) = derivatives((layer, XS))
    np.testing.assert_allclose(values, expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(slope_x, by_x, rtol=1e-7, atol=1e-10)
    for a, b in zip(jax.tree.leaves(slope), jax.tree.leaves(by_layer), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-10)


@pytest.mark.slow_but_first
@pytest.mark.parametrize("name", BUILT)
def test_a_batch_is_a_loop_and_gradients_reach_every_leaf(name):
    layer = BUILT[name]
    many, (slope, slope_x) = rates_and_slopes(layer, XS)
    for x, together in zip(XS[:2], many, strict=False):
        # Alone among its likes: a batch of another size would be compiled anew.
        alone = rates(layer, jnp.tile(x, (BATCH, 1)))[0]
        np.testing.assert_allclose(together, alone, rtol=1e-9, atol=1e-12)
    for leaf in jax.tree.leaves(slope):
        assert np.isfinite(leaf).all() and np.all(np.asarray(leaf) != 0)
    # The silent samples, all of whose units lie below 0, pass nothing on.
    is_silent = np.all(np.asarray(many) == 0, axis=1)
    assert is_silent.sum() < BATCH - 1
    np.testing.assert_array_equal(np.any(np.asarray(slope_x) != 0, axis=1), ~is_silent)


def test_a_trained_exponent_gets_a_gradient():
    layer = build(oo.Bounded(2.0, low=1.0, high=4.0))
    many, (slope, _) = rates_and_slopes(layer, XS)
    np.testing.assert_allclose(many, rates(build()), rtol=1e-12, atol=1e-16)
    assert float(slope.exponent.theta) != 0


def test_zero_input_and_zero_weights_have_finite_derivatives_in_both_modes():
    layer = build()
    silent = eqx.tree_at(lambda c: c.W.value, layer, jnp.zeros((N, N)))
    for x in (jnp.zeros(M), XS[0]):
        forward, reverse = (jax.jit(mode(silent))(x) for mode in (jax.jacfwd, jax.jacrev))
        np.testing.assert_allclose(forward, reverse, rtol=1e-12, atol=1e-15)
    _, (slope, slope_x) = rates_and_slopes(silent, XS.at[1].set(0.0))
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(slope))
    assert np.all(np.asarray(slope.W.value) != 0) and np.all(slope_x[1] == 0)
    np.testing.assert_array_equal(layer(jnp.zeros(M)), 0)


def test_only_the_direction_of_the_drive_counts():
    layer = eqx.tree_at(lambda c: c.W_bx, build(), jnp.zeros((N, M)))
    for scale in (1e-250, 1e-3, 1e250):
        np.testing.assert_allclose(rates(layer, scale * XS), rates(layer), rtol=1e-13, atol=1e-16)


def test_the_circuit_of_a_sample_is_one_for_the_analysis():
    layer = build()
    circuit, z = layer.circuit(XS[0])
    assert float(jnp.linalg.norm(z)) == pytest.approx(1, rel=1e-15)
    certificate = oo.certify(circuit, z)
    assert certificate.holds and certificate.theorem == "W_r = I"
    spectrum = oo.spectrum(circuit, certificate.state, z)
    assert spectrum.is_stable and float(spectrum.abscissa) == pytest.approx(
        float(certificate.abscissa)
    )
    slower = layer.circuit(XS[0], tau_y=4.0, tau_a=4.0)[0]
    half = float(oo.spectrum(slower, certificate.state, z).abscissa)
    assert half == pytest.approx(float(spectrum.abscissa) / 2, rel=1e-12)


@pytest.mark.parametrize("general", (False, True))
def test_a_random_layer_keeps_its_laws(general):
    W_r = oo.SpectralBound(jnp.eye(N), 1.0) if general else None
    layer = oo.FixedPointLayer.random(M, N, key=jax.random.key(0), W_r=W_r)
    values = oo.resolve(layer)
    assert (layer.input_size, layer.size) == (M, N)
    assert float(jnp.linalg.norm(values.W_zx, 2)) == pytest.approx(1, rel=1e-12)
    off = np.asarray(values.W)[~np.eye(N, dtype=bool)]
    assert np.all(np.diag(values.W) == 1) and np.all((off > np.exp(-1)) & (off < 1))
    np.testing.assert_array_equal(values.sigma, np.ones(N))
    other = oo.FixedPointLayer.random(M, N, key=jax.random.key(1), W_r=W_r)
    assert not np.allclose(oo.resolve(other).W_bx, values.W_bx)


def test_single_precision_stays_single():
    for options in KINDS.values():
        layer, x = build(dtype=np.float32, **options), XS[0].astype(jnp.float32)
        assert eqx.filter_eval_shape(layer, x).dtype == jnp.float32
        slope = eqx.filter_eval_shape(eqx.filter_grad(lambda c, x: jnp.sum(c(x))), layer, x)
        assert {leaf.dtype for leaf in jax.tree.leaves(slope)} == {np.dtype("float32")}


def network(layer):
    """The layer behind others, as `eqx.nn.Sequential` has it."""
    linear = eqx.nn.Linear(M, M, key=jax.random.key(0), dtype=jnp.float64)
    return eqx.nn.Sequential([linear, eqx.nn.Lambda(jax.nn.sigmoid), layer])


@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_network_comes_back(tmp_path, kind):
    model = network(build(**KINDS[kind]))
    oo.save(tmp_path / "model.npz", model)
    again = oo.load(tmp_path / "model.npz")
    assert jax.tree.structure(again) == jax.tree.structure(model)
    assert all(map(np.array_equal, jax.tree.leaves(again), jax.tree.leaves(model)))


OPTIMIZER = zoo.relaxed(optax.sgd(3.0))


def fitted(inputs, steps=3):
    given = arrays() | {"W_r": oo.SpectralBound(np.eye(N), 1.0), "W": 1e-2 * arrays()["W"]}
    model = network(oo.FixedPointLayer(**given))
    batch = oo.Batch(inputs, np.arange(BATCH) % N)
    return oo.fit(model, lambda step: batch, optimizer=OPTIMIZER, steps=steps, progress=False)


@pytest.mark.slow
def test_training_keeps_the_constraints():
    result = fitted(np.asarray(XS))
    trained = oo.resolve(result.model.layers[2])
    assert result.history["loss"][-1] < result.history["loss"][0]
    assert np.all(np.asarray(trained.W) >= 0) and np.any(np.asarray(trained.W) == 0)
    assert np.all(np.asarray(trained.sigma) > 0)
    assert float(jnp.linalg.norm(trained.W_r, 2)) <= 1 + 1e-12
    assert not np.allclose(trained.W_r, np.eye(N))


@pytest.mark.slow
def test_a_sample_without_a_fixed_point_stops_the_training_and_says_so():
    # Nothing comes to rest where the drive is no number.
    inputs = np.asarray(XS).copy()
    inputs[2] = np.nan
    with pytest.raises(RuntimeError, match=r"No fixed point was found"):
        fitted(inputs)


def test_one_bad_sample_of_a_batch_is_an_error_of_the_general_path_alone():
    bad = XS.at[2].set(jnp.nan)
    with pytest.raises(RuntimeError, match=r"No fixed point was found"):
        jax.block_until_ready(rates(BUILT["general"], bad))
    # The closed form needs no search: what is no number shows there, and nowhere else.
    closed = np.asarray(rates(BUILT["closed"], bad))
    assert np.isnan(closed[2]).all() and np.isfinite(np.delete(closed, 2, 0)).all()


BAD = {
    r"`W_zx` must have shape \(n, m\)": {"W_zx": np.ones(N)},
    r"`W_bx` must have shape \(n, m\)": {"W_bx": np.ones((M, N))},
    r"`W` must have shape \(n, n\)": {"W": np.ones((N, M))},
    r"`W` must not be negative": {"W": -np.ones((N, N))},
    r"`sigma` must be positive": {"sigma": np.zeros(N)},
    r"`beta0` must be a scalar or have shape": {"beta0": np.zeros(N + 1)},
    r"`beta0` must be finite": {"beta0": np.full(N, np.nan)},
    r"`W_r` must be a square matrix": {"W_r": np.ones((N, M))},
    r"`W_zx` must have shape": {"W_r": np.eye(N + 1)},
    r"`exponent` must be a positive number": {"exponent": -1.0},
}


@pytest.mark.parametrize("message", BAD)
def test_bad_arguments_are_refused_by_name(unchecked, message):
    with pytest.raises(ValueError, match=f"^Argument {message}"):
        oo.FixedPointLayer(**arrays() | BAD[message])


def test_bad_inputs_are_refused(unchecked):
    for shape in ((M + 1,), (2, M), ()):
        with pytest.raises(ValueError, match=r"^Argument `x` must have shape \(m,\)"):
            BUILT["closed"](jnp.zeros(shape))
    with pytest.raises(ValueError, match=r"^Argument `x` must be finite"):
        BUILT["general"](jnp.full(M, jnp.nan))
    with pytest.raises(ValueError, match=r"^Argument `size` must be a positive integer"):
        oo.FixedPointLayer.random(M, 0, key=jax.random.key(0))
    with pytest.raises(ValueError, match=r"^Argument `tau_y` must be positive"):
        BUILT["closed"].circuit(jnp.ones(M), tau_y=0.0)


@pytest.mark.parametrize("field", FIELDS[:5])
def test_a_frozen_field_is_not_trained(field):
    given = arrays()
    layer = oo.FixedPointLayer(**given | {field: oo.Frozen(given[field])})
    np.testing.assert_allclose(layer(XS[0]), BUILT["closed"](XS[0]), rtol=1e-13)
    assert not any(jax.tree.leaves(getattr(oo.trainable(layer), field)))
