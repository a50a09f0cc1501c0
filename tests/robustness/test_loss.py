"""How normalization is lost: the ensembles, the first-order line, and the distance beside it."""

import json

import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
import pytest
import zoo
from diagrams import DELTAS, KEY, NORMS, SMALL

import organics_ode as oo
from organics_ode import robustness
from organics_ode.robustness import _study

PUBLISHED = {"random": robustness.symmetric, "direction": robustness.delocalised, "b": 1.0}
PUBLISHED |= {"progress": False, "key": KEY}
SHARES = np.array([0.1, 0.25, 0.5, 0.75, 1.0])  # of the loss line


def full_circuit(R, delta, mean=0.0, b=0.5, **options):
    n = len(R)
    W_r = np.eye(n) + delta * np.asarray(R) + mean / n
    arguments = np.eye(n), W_r, np.ones((n, n)), 0.1, b, b, 2.0, 2.0
    return oo.resolve(oo.ORGaNICs(*arguments, **options))


def drawn(trial, n, random, direction):
    """R and z of a trial, from its key."""
    for_R, for_z, _ = jax.random.split(jax.random.fold_in(KEY, trial), 3)
    z = np.asarray(direction(for_z, n), float)
    return np.asarray(random(for_R, n), float), z / np.linalg.norm(z)


def settled(circuit, x, steps=400, dt=2.0):
    """A fixed point by steps of the implicit Euler method from normalization, in numpy."""
    state = oo.facts.closed_form(circuit, x)
    flat, unravel = jax.flatten_util.ravel_pytree(state)
    field = jax.jit(
        lambda v: jax.flatten_util.ravel_pytree(circuit.vector_field(None, unravel(v), x))[0]
    )
    slopes, eye = jax.jit(jax.jacfwd(field)), np.eye(flat.size)
    for _ in range(steps):
        flat = flat + np.linalg.solve(eye / dt - np.asarray(slopes(flat)), field(flat))
    np.testing.assert_allclose(field(flat), 0, atol=1e-12)
    return unravel(flat), np.linalg.eigvals(slopes(flat)).real.max()


NONE, BEFORE, AFTER = oo.Rectification.NONE, oo.Rectification.BEFORE, oo.Rectification.AFTER
VARIANTS = [
    {"rectification": AFTER, "mean": 0.3},
    {"rectification": BEFORE},
    {"random": robustness.Diluted(0.5), "direction": robustness.localised, "mean": -0.3},
    {"random": robustness.symmetric, "direction": robustness.delocalised, "mean": 0.2},
]


@pytest.mark.slow_but_first
@pytest.mark.parametrize("variant", VARIANTS)
def test_what_is_counted_is_what_the_full_circuit_does(variant):
    options = {"random": robustness.gaussian, "direction": robustness.anywhere, "mean": 0.0}
    options |= {"rectification": NONE} | variant
    found = robustness.phase_diagram(
        [0.0, 0.1], [0.3], key=KEY, size=6, trials=2, progress=False, **options
    )
    R, z = drawn(1, 6, options["random"], options["direction"])
    for i, delta in enumerate((0.0, 0.1)):
        kind = {"rectification": options["rectification"]}
        circuit, x = full_circuit(R, delta, options["mean"], **kind), jnp.asarray(0.3 * z)
        state, abscissa = settled(circuit, x)
        away = robustness.distance(circuit, state, x)
        np.testing.assert_allclose(found.distance[1, i, 0], away, rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(found.abscissa[1, i, 0], abscissa, rtol=1e-6)
    is_normal = options["mean"] == 0
    assert np.all((found.distance[:, 0, 0] < 1e-9) == is_normal)


def test_ensembles_have_the_moments_they_promise():
    n = 400
    R = np.asarray(robustness.symmetric(KEY, n))
    np.testing.assert_array_equal(R, R.T)
    np.testing.assert_allclose(R[np.triu_indices(n, 1)].std() * np.sqrt(2 * n), 1, atol=0.02)
    np.testing.assert_allclose(np.abs(np.linalg.eigvalsh(R)).max(), np.sqrt(2), atol=0.05)
    for is_symmetric in (True, False):
        S = np.asarray(robustness.Diluted(0.2, is_symmetric)(KEY, n))
        np.testing.assert_allclose((S != 0).mean(), 0.2, atol=0.01)
        scale = 2 if is_symmetric else 1
        np.testing.assert_allclose(S.var() * n * scale, 1, atol=0.05)
        assert np.array_equal(S, S.T) == is_symmetric
    for direction in (robustness.anywhere, robustness.delocalised, robustness.localised):
        np.testing.assert_allclose(np.linalg.norm(direction(KEY, n)), 1, rtol=1e-6)


def test_the_loss_line_is_the_published_one_and_holds_for_any_b():
    line = robustness.loss_line([0.001, 0.05, 0.1, 0.2, 0.5])
    np.testing.assert_allclose(line, [0.157, 0.178, 0.233, 0.407, 1.471], atol=5e-4)
    norms = np.array([0.05, 0.3, 20.0])
    for b, symmetric in ((0.5, True), (0.7, False)):
        line = robustness.loss_line(norms, b=b, symmetric=symmetric)
        assert np.isinf(line[2])  # b√q is above 1
        options = {"b": b, "symmetric": symmetric}
        at_it = robustness.first_order_distance(line[:2], norms[:2], **options)
        np.testing.assert_allclose(np.diag(at_it), 1, rtol=1e-12)


@pytest.mark.parametrize("mean", [0.0, 0.4])
def test_the_expected_distance_is_that_of_the_first_order_of_many_units(mean):
    n, b, norm, delta = 400, 0.6, 0.15, 0.02
    R, z = drawn(0, n, robustness.symmetric, robustness.delocalised)
    circuit = full_circuit(R, delta, mean, b=b)
    order = robustness.first_order(circuit, norm * z)
    away = np.linalg.norm(order.first.y) / np.linalg.norm(order.zeroth.y)
    expected = robustness.first_order_distance([delta], [norm], b=b, mean=mean)
    np.testing.assert_allclose(expected[0, 0], away, rtol=0.1 if mean else 0.05)


def test_the_measured_distance_follows_the_first_order_over_a_hundred_draws():
    norm, shares = 0.05, np.array([0.02, 0.1])
    deltas = shares * robustness.loss_line([norm])
    found = robustness.phase_diagram(deltas, [norm], size=60, trials=100, **PUBLISHED)
    expected = robustness.first_order_distance(deltas, [norm])
    np.testing.assert_allclose(found.distance.mean(axis=0), expected, rtol=0.05)
    np.testing.assert_allclose(expected[:, 0], shares)
    assert np.all(found.classes == robustness.STABLE)


# n = 200, b = 1, over the shares of the loss line; the published numbers have two digits.
DISTANCES = [0.10, 0.28, 0.78, 1.35, 1.66]
RATES = [-0.091, -0.060, -0.022, -0.0097, -0.0097]


@pytest.mark.slow
def test_the_published_table_lies_among_the_draws():
    (line,) = robustness.loss_line([0.05])
    found = robustness.phase_diagram(SHARES * line, [0.05], size=200, trials=12, **PUBLISHED)
    rates = 2.0 * found.abscissa[..., 0]  # τ = 2 ms
    for ours, theirs, digit in ((found.distance[..., 0], DISTANCES, 5e-3), (rates, RATES, 5e-4)):
        middle, spread = np.nanmean(ours, axis=0), np.nanstd(ours, axis=0)
        assert np.all(np.abs(middle - theirs) < 3 * spread + digit)
    # Slow where the line meets small inputs, and not at larger ones.
    assert np.nanmean(rates[:, 3]) > -0.012
    for norm, published in ((0.2, -0.043), (0.5, -0.16)):
        at = robustness.loss_line([norm])
        other = robustness.phase_diagram(at, [norm], size=200, trials=12, **PUBLISHED)
        ours = 2.0 * other.abscissa[:, 0, 0]
        assert abs(np.nanmean(ours) - published) < 3 * np.nanstd(ours) and np.nanmean(ours) < -0.02
    cycles = found.classes == robustness.CYCLE
    assert cycles.mean() < 0.1  # with a symmetric R circuits are slow


def test_a_limit_cycle_has_the_distance_of_its_mean():
    def spiral(key, n):
        del key
        return jnp.kron(jnp.eye(n // 2), jnp.array([[1.0, -1.0], [1.0, 1.0]]))

    options = {"size": 2, "trials": 1, "progress": False, "key": KEY, "random": spiral}
    found = robustness.phase_diagram([0.5], [0.1], **options)
    assert found.classes.item() == robustness.CYCLE
    # It turns around 0, of which normalization is one length away.
    np.testing.assert_allclose(found.distance.item(), 1, atol=0.2)
    assert "distance" in found.to_dataframe()


def test_a_diagram_of_before_goes_on_and_other_variants_are_refused(tmp_path):
    path = tmp_path / "diagram.npz"
    options = {"key": KEY, **SMALL, "trials": 1}
    one = robustness.phase_diagram(DELTAS, NORMS, path=path, **options)
    stored = _study._read(path)._asdict()
    arguments = json.loads(stored.pop("arguments"))
    stored.pop("distance")
    _study.save(path, arguments, [{k: v[0] for k, v in stored.items()}])
    two = robustness.phase_diagram(DELTAS, NORMS, path=path, **options | {"trials": 2})
    assert np.all(np.isnan(two.distance[0])) and np.isfinite(two.distance[1, 0]).all()
    np.testing.assert_array_equal(two.abscissa[0], one.abscissa[0])
    assert np.all(np.isnan(two.distance[1, 2])) and two.classes[1, 2, 0] == robustness.DIVERGING
    for change in ({"mean": 0.1}, {"direction": robustness.localised}, {"rectification": AFTER}):
        name = next(iter(change))
        with pytest.raises(ValueError, match=rf"Argument `path` must be new .* `{name}` = "):
            robustness.phase_diagram(DELTAS, NORMS, path=path, **options | change)


WRONG = [
    (lambda: robustness.Diluted(0.0), r"`share` must be in \(0, 1\]"),
    (lambda: robustness.Diluted(0.5, {True}), "`is_symmetric` must be True or False"),
    (lambda: robustness.localised({}, 2), "`key` must be"),
    (lambda: robustness.delocalised(["a"], 2), "`key` must be"),
    (lambda: robustness.loss_line([-1.0]), "`norms` must be finite and not negative"),
    (lambda: robustness.loss_line([1.0], b=0.0), "`b` must be a positive number"),
    (lambda: robustness.first_order_distance([[1.0]], [1.0]), "`deltas` must be a list"),
    (lambda: robustness.phase_diagram(DELTAS, NORMS, key=0, mean=np.nan), "`mean` must be"),
]


@pytest.mark.parametrize(("call", "message"), WRONG)
def test_what_is_wrong_is_named(unchecked, call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_the_distance_of_a_response_whose_square_underflows():
    circuit, x = full_circuit(np.ones((2, 2)), 1.0), jnp.array([1e-200, 0.0])
    normal = 0.5 * np.array(x) / (0.5 * 0.1)  # b1 z / (σ b0), far below saturation
    state = circuit.initial_state()
    away = robustness.distance(circuit, state._replace(y=1.5 * normal), x)
    np.testing.assert_allclose(away, 0.5, rtol=1e-12)
    assert np.isnan(robustness.distance(circuit, state, jnp.zeros(2)))
    faint = robustness.phase_diagram([0.0], [1e-200], key=0, size=3, trials=1, progress=False)
    assert faint.distance.item() < 1e-6


def test_the_distance_of_other_circuits_is_refused():
    gated = zoo.gated()
    with pytest.raises(ValueError, match="`circuit` must be an ORGaNICs"):
        robustness.distance(gated, gated.initial_state(), zoo.input_of(gated))
