"""Programs that compile quickly: the same results, wherever they are called."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from organics_ode.programs import prepare, quickly_compiled


def scaled(x, factor):
    return {"sum": jnp.sum(factor * x**2), "kind": factor}


@pytest.fixture(params=[0, 1])
def quick(request, monkeypatch):
    # The tests compile everything with the least optimisation, which this leaves as it is.
    monkeypatch.setattr("organics_ode.programs._quickly._may_choose", lambda: True)
    return quickly_compiled(scaled, level=request.param)


def test_it_computes_what_the_function_computes(quick):
    x = jnp.arange(4.0)
    assert quick.__name__ == "scaled"
    np.testing.assert_allclose(quick(x, 2.0)["sum"], 28.0)
    np.testing.assert_allclose(quick(x, factor=jnp.asarray(3.0))["sum"], 42.0)


def test_it_is_a_part_of_whatever_calls_it(quick):
    x, whole = jnp.arange(4.0), lambda x: quick(x, 2.0)["sum"]
    constant = lambda y: y + quick(x, 2.0)["sum"]  # noqa: E731
    np.testing.assert_allclose(jax.grad(whole)(x), 4 * x)
    np.testing.assert_allclose(jax.jvp(whole, (x,), (jnp.ones(4),))[1], 24.0)
    np.testing.assert_allclose(jax.vmap(whole)(jnp.stack([x, 2 * x])), [28.0, 112.0])
    np.testing.assert_allclose(jax.jit(whole)(x), 28.0)
    for transform in (jax.jit, jax.grad, lambda f: lambda y: jax.vmap(f)(y[None])[0]):
        value = transform(constant)(jnp.asarray(1.0))
        np.testing.assert_allclose(value, 1.0 if transform is jax.grad else 29.0)
    np.testing.assert_allclose(jax.jit(lambda: whole(x))(), 28.0)
    turns = jax.lax.scan(lambda c, _: (c + whole(x), None), 0.0, None, length=2)[0]
    np.testing.assert_allclose(turns, 56.0)


def test_new_numbers_compile_nothing(quick, compiled):
    quick(jnp.arange(4.0), 2.0)
    compiled()
    quick(jnp.arange(4.0) + 1, 2.0)
    assert compiled() <= 1  # the addition itself


def test_only_a_cpu_is_told_how_to_compile(monkeypatch):
    told = []
    quick = quickly_compiled(scaled)
    monkeypatch.setattr(jax.config, "read", lambda name: told.append(name))
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    np.testing.assert_allclose(quick(jnp.ones(2), 1.0)["sum"], 2.0)
    assert not told


def test_what_was_prepared_is_not_compiled_again(compiled):
    programs = [quickly_compiled(lambda x, n, k=k: k * jnp.sin(x) ** n) for k in (2, 3)]
    x = jnp.arange(3.0)
    calls = [(program, (x, 2)) for program in programs]
    quickly_compiled(scaled)(x, 2.0)  # what all of them ask first is compiled, too
    compiled()
    prepare(calls)
    assert compiled() == len(calls)
    for k, (program, args) in zip((2, 3), calls, strict=True):
        np.testing.assert_allclose(program(*args), k * np.sin(x) ** 2, rtol=1e-12)
    prepare(calls)
    assert compiled() == 0
