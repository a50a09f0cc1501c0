"""No point that does not exist: all that the searches call a solution, by numpy in 64 bits.

The circuits and their equations in numpy are those of examples/benchmarks/residuals.py.
"""

import importlib.util
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from marks import slow

import organics_ode as oo
from organics_ode.linear import Equations, tolerance

PATH = Path(__file__).parents[2] / "examples" / "benchmarks" / "residuals.py"


def load():
    spec = importlib.util.spec_from_file_location("residuals", PATH)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


residuals = load()
RANDOM = [(kind, n) for kind in residuals.KINDS for n in residuals.COUNTS]
# Every kind at one size, one at every size.
SOME = [(kind, (8, 32, 1, 2)[i % 4]) for i, kind in enumerate(residuals.KINDS)]
SOME = [(*each, ("float32", "float64")[i % 2]) for i, each in enumerate(SOME)]
SOME += [("ORGaNICs NONE", n, "float64") for n in residuals.COUNTS]


@pytest.mark.slow_but_first
@pytest.mark.parametrize(("kind", "n", "dtype"), SOME)
def test_the_residual_of_a_state_far_away_is_not_small(kind, n, dtype):
    circuit, x = residuals.draw(kind, n, dtype, np.random.default_rng(n), 0)
    like = circuit.initial_state()
    e = Equations(oo.resolve(circuit), jnp.asarray(x), like)
    rng = np.random.default_rng([n, 1])
    d = sum(leaf.size for leaf in like)
    largest = float(np.log10(np.finfo(dtype).max))
    # Sizes from where terms are large to where they, and then the state, are not finite.
    sizes = 10 ** rng.uniform(0.1 * largest, largest, (64, 1))
    rows = rng.choice([-1, 1], (64, d)) * sizes * rng.uniform(0.1, 1, (64, d))
    rows[:2] *= [[np.nan], [np.inf]]
    with np.errstate(over="ignore"):
        rows = rows.astype(dtype)
    found = jax.jit(jax.vmap(lambda v: e.residual(v)))(jnp.asarray(rows))
    # Where a saturated nonlinearity stays finite, the residual is that of the decay alone.
    assert np.all(found >= 0.1), np.min(found)
    assert np.all(np.isinf(found[:2]))


@pytest.mark.parametrize(("n", "dtype", "starts"), ((8, "float64", 256), slow(32, "float32", 128)))
def test_every_point_of_a_search_solves_its_equations(n, dtype, starts):
    drawn = [
        residuals.draw("ORGaNICs NONE", n, dtype, np.random.default_rng([n, i]), i)
        for i in range(2 if n == 8 else 1)
    ]
    for i, (circuit, x) in enumerate(drawn):
        points = oo.find_fixed_points(circuit, x, key=jax.random.key(i), starts=starts, rounds=1)
        assert np.all(points.residuals >= 0)
        assert len(points) > 0
        for state in points:
            assert residuals.residual(circuit, state, x) <= residuals.TOLERANCES[dtype]


@pytest.mark.slow
def test_no_success_of_a_batch_is_false():
    # Norms of W_r of 6: where most of the routes overflow.
    drawn = [
        residuals.draw("ORGaNICs NONE", 32, "float32", np.random.default_rng([7, i]), 2)
        for i in range(24)
    ]
    many, xs = jax.tree.map(lambda *leaves: jnp.stack(leaves), *drawn)
    states, says = jax.device_get(residuals.solve_many(many, xs))
    assert says.sum() > 4
    for i in np.flatnonzero(says):
        state = jax.tree.map(lambda leaf, i=i: leaf[i], states)
        assert residuals.residual(*drawn[i][:1], state, drawn[i][1]) <= 2e-4


def test_the_residual_in_numpy_is_that_of_the_library():
    # Both relative to the largest term of each equation, at a generic state.
    for kind in ("ORGaNICs AFTER", "GatedORGaNICs BEFORE"):
        circuit, x = residuals.draw(kind, 4, "float64", np.random.default_rng(3), 0)
        state = jax.tree.map(lambda leaf: jnp.abs(leaf) + 0.3, circuit.initial_state())
        e = Equations(oo.resolve(circuit), jnp.asarray(x), state)
        v = jnp.concatenate(list(state))
        np.testing.assert_allclose(residuals.residual(circuit, state, x), e.residual(v), rtol=1e-9)
    assert tolerance(np.float64) < residuals.TOLERANCES["float64"]


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "n"), RANDOM)
def test_no_point_of_any_class_and_size_is_false(kind, n):
    for dtype in residuals.TOLERANCES:
        found = residuals.count(kind, n, dtype, circuits=3, starts=12)
        assert found.wrong_solved == found.wrong_found == 0
        assert found.solved + found.found > 0
