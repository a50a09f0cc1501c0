"""Phase diagrams against constructed cases and the full circuit; first order against the exact."""

import os
import subprocess
import sys

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import zoo
from compared import tree_equal
from diagrams import DELTAS, KEY, NORMS, SMALL
from precisions import check_full

import organics_ode as oo
from organics_ode import robustness
from organics_ode.facts import closed_form
from organics_ode.linear import spectrum
from organics_ode.robustness import _diagram, _study, _trials
from organics_ode.robustness._classes import classify


def spiral(key, n):
    """Growth and a rotation in every plane of two units: eigenvalues 1 ± i."""
    del key
    return jnp.kron(jnp.eye(n // 2), jnp.array([[1.0, -1.0], [1.0, 1.0]]))


def diagram(**options):
    return robustness.phase_diagram(DELTAS, NORMS, key=KEY, **SMALL | options)


def same(one, other):
    return tree_equal(one, other) or all(
        np.array_equal(a, b, equal_nan=True)
        for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    )


def full_circuit(W_r, z, b=0.5, sigma=0.1, tau=2.0):
    n = len(W_r)
    arguments = (np.eye(n), W_r, np.ones((n, n)), sigma, b, b, tau, tau)
    return oo.resolve(oo.ORGaNICs(*arguments)), jnp.asarray(z)


@pytest.fixture(scope="module")
def small():
    return diagram()


def test_the_identity_is_stable_and_a_large_random_part_diverges(small):
    assert small.classes.shape == (3, 3, 2)
    assert np.all(small.classes[:, 0] == robustness.STABLE)
    assert np.all(small.classes[:, 2] == robustness.DIVERGING)
    np.testing.assert_array_equal(small.counts.sum(axis=0), 3)
    np.testing.assert_array_equal(small.fraction("diverging")[2], 1)
    # at Δ = 0 the abscissa is that of the full circuit, the same for every direction
    for j, norm in enumerate(NORMS):
        circuit, z = full_circuit(np.eye(6), np.eye(6)[0] * norm)
        expected = spectrum(circuit, closed_form(circuit, z), z).abscissa
        np.testing.assert_allclose(small.abscissa[:, 0, j], expected, rtol=1e-7)


def settled(W_r, z, ms=1200.0, dt=0.02, b=0.5, sigma=0.1, tau=2.0):
    """y over the second half of a run of the equations, by Euler steps, every 0.1 ms."""
    y, a, kept = np.full(len(z), 0.1), np.full(len(z), 0.1), []
    for step in range(round(ms / dt)):
        dy = -y + b * z + (1 - np.sqrt(a)) * (W_r @ y)
        da = -a + (sigma * b) ** 2 + np.sum(a * y**2)
        y, a = y + dt / tau * dy, a + dt / tau * da
        if step % 5 == 0:
            kept.append(y)
    return np.array(kept[len(kept) // 2 :])


@pytest.mark.slow
def test_a_growing_spiral_makes_a_limit_cycle_and_a_little_of_it_does_not():
    options = {"key": KEY, "random": spiral, "size": 2, "trials": 1, "progress": False}
    found = robustness.phase_diagram([0.02, 0.5], [0.1], **options)
    weak, strong = found.classes[0, :, 0]
    assert weak == robustness.STABLE and strong == robustness.CYCLE
    assert np.isnan(found.abscissa[0, 1, 0])
    y = settled(np.eye(2) + 0.5 * np.asarray(spiral(None, 2)), np.array([0.6, 0.8]) * 0.1)
    rms = np.sqrt(y.var(axis=0).mean())
    frequency, amplitude = found.frequency[0, 1, 0], found.amplitude[0, 1, 0]
    # The last quarter of the run, 500 ms, is not a whole number of cycles.
    np.testing.assert_allclose(amplitude, rms, rtol=0.1)
    speed = np.sqrt((np.gradient(y, 0.1, axis=0) ** 2).mean())
    np.testing.assert_allclose(frequency, 1000 * speed / rms / 2 / np.pi, rtol=0.1)
    rising = np.diff(y, axis=0) > 0
    maxima = np.sum(rising[:-1] & ~rising[1:], axis=0).mean() / 0.6
    np.testing.assert_allclose(frequency, maxima, rtol=0.15)


@pytest.mark.slow
def test_a_stable_trial_is_where_the_full_circuit_settles(small):
    trial = jax.random.fold_in(KEY, 1)
    for_R, for_z, _ = jax.random.split(trial, 3)
    R, z = np.asarray(robustness.gaussian(for_R, 6)), jax.random.normal(for_z, (6,))
    W_r, z = np.eye(6) + 0.3 * R, np.asarray(z / jnp.linalg.norm(z))
    assert small.classes[1, 1, 1] in (robustness.STABLE, robustness.SLOW)
    y = settled(W_r, z)[-1]
    a = (0.1 * 0.5) ** 2 / (1 - y @ y)
    circuit, x = full_circuit(W_r, z)
    state = oo.ORGaNICsState(jnp.asarray(y), jnp.full(6, a))
    np.testing.assert_allclose(circuit.vector_field(None, state, x), 0, atol=1e-12)
    np.testing.assert_allclose(
        small.abscissa[1, 1, 1], spectrum(circuit, state, x).abscissa, rtol=1e-9
    )


def test_slowing_is_relative_to_the_identity():
    eager = diagram(slow=0.999999, trials=1)
    # Every point is slower than .999999 of the identity's own relaxation there.
    assert np.all(eager.classes[0, 0] == robustness.SLOW)
    relaxed = diagram(slow=1e6, trials=1)
    assert not np.any(relaxed.classes == robustness.SLOW)
    np.testing.assert_array_equal(eager.abscissa, relaxed.abscissa)


def test_a_trial_does_not_depend_on_how_many_there_are(small):
    one = diagram(trials=1)
    np.testing.assert_array_equal(one.classes[0], small.classes[0])
    np.testing.assert_array_equal(one.abscissa[0], small.abscissa[0])
    assert not np.array_equal(small.abscissa[0, 1], small.abscissa[1, 1])


def test_the_random_matrix_has_no_scale_of_n():
    for n in (50, 200):
        R = np.asarray(robustness.gaussian(KEY, n))
        np.testing.assert_allclose(np.abs(np.linalg.eigvals(R)).max(), 1, atol=0.2)
        np.testing.assert_allclose(R.std() * np.sqrt(n), 1, atol=0.05)


def test_an_interrupted_diagram_goes_on_and_is_the_undisturbed_one(small, tmp_path, monkeypatch):
    path = tmp_path / "diagram.npz"
    trials, calls = _diagram.run_trials, []

    def interrupted(*args):
        calls.append(args)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return trials(*args)

    monkeypatch.setattr(_diagram, "run_trials", interrupted)
    with pytest.raises(KeyboardInterrupt):
        diagram(path=path)
    with np.load(path) as file:
        assert len(file["classes"]) == 2
    assert same(diagram(path=path), small)
    assert len(calls) == 4  # the third trial only
    assert same(diagram(path=path), small) and len(calls) == 4
    assert len(diagram(path=path, trials=2).classes) == 2
    assert [p.name for p in tmp_path.iterdir()] == ["diagram.npz"]


def test_a_file_that_can_not_be_replaced_stays_whole(tmp_path, monkeypatch):
    path = tmp_path / "diagram.npz"
    before = diagram(path=path, trials=1)
    monkeypatch.setattr(np, "save", lambda *a, **k: pytest.fail("disk is full"))
    with pytest.raises(pytest.fail.Exception):
        diagram(path=path, trials=2)
    monkeypatch.undo()
    assert same(diagram(path=path, trials=1), before)
    assert [p.name for p in tmp_path.iterdir()] == ["diagram.npz"]


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A diagram that is on disk."""
    path = tmp_path_factory.mktemp("stored") / "diagram.npz"
    diagram(path=path, trials=1)
    return path


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"b": 1.0}, "b"),
        ({"size": 7}, "size"),
        ({"slow": 2.0}, "slow"),
        ({"random": spiral}, "random"),
        ({"key": jax.random.key(4)}, "key"),
        ({"norms": [0.05, 0.9]}, "norms"),
    ],
)
def test_a_file_of_other_arguments_is_refused_by_name(change, name, stored):
    with pytest.raises(ValueError, match=rf"Argument `path` must be new .* `{name}` = "):
        robustness.phase_diagram(
            DELTAS, **{"key": KEY, "norms": NORMS, **SMALL} | change, path=stored
        )


DEVICES = """
import os
import jax, numpy as np
jax.config.update("jax_enable_x64", True)
from organics_ode import robustness
assert len(jax.devices()) == 4
found = robustness.phase_diagram(
    [0.0, 0.3, 20.0], [0.05, 1.0], key=jax.random.key(3), size=6, trials=3, duration=60.0,
    progress=False, devices=jax.devices(),
)
np.savez(os.environ["TARGET"], classes=found.classes, abscissa=found.abscissa)
"""


@pytest.mark.slow
def test_several_devices_give_the_same_diagram(small, tmp_path):
    target = tmp_path / "four.npz"
    flags = {"XLA_FLAGS": "--xla_force_host_platform_device_count=4", "JAX_PLATFORMS": "cpu"}
    environment = os.environ | flags | {"TARGET": str(target)}
    command = [sys.executable, "-c", DEVICES]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with np.load(target) as four:
        np.testing.assert_array_equal(four["classes"], small.classes)
        # polished by Newton's method: the end of the run need not be the same to the bit
        np.testing.assert_allclose(four["abscissa"], small.abscissa, rtol=1e-9)


def test_what_is_printed(small, capfd):
    text = repr(small)
    assert text.startswith("PhaseDiagram: (3, 3, 2)") and "limit cycle" in text
    diagram(trials=1, progress=True)
    assert "1/1" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"deltas": [0.2, 0.1]}, r"`deltas` must be increasing and not negative"),
        ({"deltas": [np.nan]}, r"`deltas` must be a list of finite numbers"),
        ({"norms": [0.0, 1.0]}, r"`norms` must be positive, but the first is 0"),
        ({"norms": []}, r"`norms` must be a list of finite numbers"),
        ({"size": 0}, r"`size` must be a positive integer"),
        ({"trials": 0}, r"`trials` must be a positive integer"),
        ({"sigma": 0.0}, r"`sigma` must be a positive number"),
        ({"duration": -1.0}, r"`duration` must be a positive number"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_bad_arguments_are_named(options, message):
    arguments = {"deltas": DELTAS, "norms": NORMS, "key": KEY} | SMALL
    with pytest.raises(ValueError, match=message):
        robustness.phase_diagram(**arguments | options)


def test_an_unknown_class_is_named(small):
    with pytest.raises(ValueError, match=r"`name` must be one of stable, critical slowing"):
        small.fraction("chaos")


# First order


def exact(circuit, x, state):
    """Newton's method on the vector field, from a state."""
    flat, unravel = jax.flatten_util.ravel_pytree(state)
    field = lambda v: jax.flatten_util.ravel_pytree(circuit.vector_field(None, unravel(v), x))[0]  # noqa: E731
    for _ in range(8):
        flat = flat - jnp.linalg.solve(jax.jacfwd(field)(flat), field(flat))
    return unravel(flat)


@pytest.mark.slow_but_first
@pytest.mark.parametrize("exponent", [3.0, 1.0])
def test_the_error_of_the_first_order_is_of_second_order(exponent):
    values = zoo.values(identity=True)
    K = np.random.default_rng(0).normal(size=(zoo.N, zoo.N))
    x = zoo.input_of(zoo.organics())

    @jax.jit
    def errors(scale):
        W_r = jnp.eye(zoo.N) + scale * K
        circuit = oo.ORGaNICs(**values | {"W_r": W_r}, exponent=exponent)
        response = robustness.first_order(circuit, x)
        difference = jax.tree.map(jnp.subtract, response.state, exact(circuit, x, response.state))
        return jnp.stack([jnp.linalg.norm(leaf) for leaf in difference])

    coarse, fine = errors(2e-3), errors(1e-3)
    assert np.all(np.asarray(coarse) > 1e-9)  # there is an error to measure
    np.testing.assert_allclose(np.log2(coarse / fine), 2, atol=0.05)


def test_for_the_exponent_2_it_is_the_published_formula():
    values = zoo.values(seed=2)
    circuit, x = oo.ORGaNICs(**values), zoo.input_of(zoo.organics())
    response = robustness.first_order(circuit, x)
    y0, a0 = zoo.closed_form(circuit, x)
    bz = values["b1"] * (values["W_zx"] @ np.asarray(x))
    Ky = (values["W_r"] - np.eye(zoo.N)) @ y0
    drive = np.diag(bz * (1 - np.sqrt(a0)))
    y1 = (np.diag(1 / np.sqrt(a0) - 1) - np.diag(y0 / a0) @ values["W"] @ drive) @ Ky
    np.testing.assert_allclose(response.first.y, y1, rtol=1e-12)
    np.testing.assert_allclose(response.first.a, 2 * values["W"] @ drive @ Ky, rtol=1e-12)
    np.testing.assert_allclose(response.zeroth.y, y0, rtol=1e-12)


def test_it_is_the_derivative_of_the_fixed_point_and_pure():
    circuit, x = zoo.organics(identity=True), zoo.input_of(zoo.organics())
    compiled = jax.jit(jax.vmap(robustness.first_order, (None, 0)))(circuit, jnp.stack([x, 2 * x]))
    one = robustness.first_order(circuit, 2 * x)
    np.testing.assert_allclose(compiled.state.y[1], one.state.y, rtol=1e-12)
    np.testing.assert_array_equal(one.first.y, 0)
    slope = eqx.filter_grad(lambda c: robustness.first_order(c, x).state.y.sum())(circuit)
    assert np.any(np.asarray(slope.W_r) != 0) and np.all(np.isfinite(slope.W_r))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (zoo.gated, r"`circuit` must be an ORGaNICs, but it is a GatedORGaNICs"),
        (lambda: zoo.organics(zoo.AFTER), r"`circuit` must have no rectification"),
    ],
)
def test_other_circuits_are_refused(make, message):
    circuit = make()
    with pytest.raises(ValueError, match=message):
        robustness.first_order(circuit, zoo.input_of(circuit))


def test_the_identity_is_stable_at_inputs_of_any_size():
    norms = [1e-8, 1e-4, 1.0, 3e3, 1e6, 1e8]  # a is (b|z|)^2, beyond any fixed bound
    found = robustness.phase_diagram([0.0], norms, key=KEY, size=6, trials=2, progress=False)
    assert np.all(found.classes == robustness.STABLE)
    for j, norm in enumerate(norms):
        z = norm * np.eye(6)[0]
        circuit, z = full_circuit(np.eye(6), z)
        expected = spectrum(circuit, closed_form(circuit, z), z).abscissa
        np.testing.assert_allclose(found.abscissa[:, 0, j], expected, rtol=1e-6)


@pytest.mark.slow
def test_a_faint_response_is_not_settled_beside_its_a():
    """As the input vanishes what the circuit does no longer depends on its size."""
    found = robustness.phase_diagram(
        [1.0], [1e-8, 1e-6], key=jax.random.key(0), size=16, trials=4, progress=False
    )
    np.testing.assert_array_equal(found.classes[..., 0], found.classes[..., 1])
    cycles = found.classes == robustness.CYCLE
    assert np.any(cycles) and np.all(np.isfinite(found.frequency[cycles]))
    np.testing.assert_allclose(found.frequency[..., 0], found.frequency[..., 1], rtol=1e-2)


def test_what_stands_near_an_unstable_point_is_no_limit_cycle():
    # w_r = 7.7: a saddle near y = 0, and a stable point, though a slow one, at y = .998.
    study = _study.read_study([6.7], [5.5e-5], 1, 0.5, 0.1, 2.0, 50.0, 3.0)
    here = {"is_over": True, "has_left": False, "has_settled": True, "slows": False}
    here |= {"frequency": 1.0, "amplitude": 1.0}
    for y, a, expected in (
        (-4.35e-6, 0.0025, robustness.UNDECIDED),
        (0.998348, 0.757132, robustness.SLOW),
    ):
        facts = {name: np.array([value]) for name, value in here.items()}
        ending = _trials.Ending(np.ones((1, 1)), np.ones(1), np.array([[y], [a]]), **facts)
        found = {name: value.item() for name, value in classify(study, ending).items()}
        assert found["classes"] == expected and np.isnan(found["frequency"])
        assert (found["abscissa"] < 0) == (expected == robustness.SLOW)


def test_trials_are_run_in_full_precision():
    def simulated(grid):
        times, keys = (4, *np.float32([0.0, 5.0, 0.0, 5.0])), jax.random.split(jax.random.key(0), 1)
        return _trials._simulate(keys, grid, times, robustness.gaussian)

    check_full(simulated, jnp.ones((2, 3), np.float32))
