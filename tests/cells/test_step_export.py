"""A step as a file of `jax.export`, which runs without this library."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export

import organics_ode as oo

pytest.importorskip("flatbuffers")


def test_an_exported_step_is_the_step_to_the_bit_for_batches_of_any_size(tmp_path):
    circuit = oo.GatedORGaNICs.random(2, 4, key=jax.random.key(0))
    cell = oo.resolve(oo.Euler(circuit, 1.0))

    @jax.jit
    @jax.vmap
    def step(state, x):
        return tuple(cell.step(oo.GatedORGaNICsState(*state), x))

    (b,) = export.symbolic_shape("b")
    one = tuple(cell.initial_state()), jnp.ones(2)
    shapes = jax.tree.map(lambda v: jax.ShapeDtypeStruct((b, *v.shape), v.dtype), one)
    (tmp_path / "step").write_bytes(export.export(step)(*shapes).serialize())
    restored = export.deserialize((tmp_path / "step").read_bytes())
    for count in (1, 3):
        draws = np.random.default_rng(count).uniform(size=(5, count, 4))
        state, x = tuple(map(jnp.asarray, draws[:4])), jnp.asarray(draws[4, :, :2])
        for _ in range(3):
            expected = step(state, x)
            state = restored.call(state, x)
            for ours, theirs in zip(state, expected, strict=True):
                np.testing.assert_array_equal(ours, theirs)
