"""Ways around faults upstream do what they are for, and each fault is still there.

A test named `test_upstream_…` holds the fault itself. Where it fails, the fault is gone: what
`programs/_upstream.py` has against it may go, once no supported version has the fault.
"""

import os
import subprocess
import sys
import time

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, Mesh, PartitionSpec

from organics_ode.programs import after, as_if_alone, nextafter, prevbefore, within_loop
from organics_ode.programs._upstream import forget_program, with_options

GONE = "mended upstream: see programs/_upstream.py for what may go"


def callback(function, like, *args):
    """`function` on the host, in the middle of a compiled program, once for a whole batch."""
    shape = jax.ShapeDtypeStruct(like.shape, like.dtype)
    return jax.pure_callback(function, shape, *args, vmap_method="broadcast_all")


def test_a_value_that_waits_for_another_one_stays_as_it_is():
    x = jnp.array([1.0, -2.0])
    np.testing.assert_array_equal(after(jnp.nan * x, x), x)
    earlier = {"any": x, "tree": x.astype(complex), "flag": x > 0}
    np.testing.assert_array_equal(jax.jit(after)(earlier, (x, x))[1], x)
    np.testing.assert_array_equal(jax.grad(lambda v: after(v**2, v) @ x)(x), x)


def test_it_is_computed_once_the_other_one_has_been():
    events = []

    def noted(name, pause):
        def call(x):
            events.append(f"{name} begins")
            time.sleep(pause)
            events.append(f"{name} ends")
            return np.asarray(x)

        return call

    @jax.jit
    @jax.vmap
    def in_turn(x):
        first = callback(noted("first", 0.05), x, x)
        return first, callback(noted("second", 0.0), x, after(first, x))

    jax.block_until_ready(in_turn(jnp.ones((4, 3))))
    assert events == ["first begins", "first ends", "second begins", "second ends"]


def calls_of_a_loop_that_does_not_turn(hold):
    calls = []

    def count(x):
        calls.append(x)
        return np.asarray(x)

    def lazily(needed, x):
        def body(carry):
            return jnp.asarray(False), callback(count, x, hold(carry[0], x)[1])

        return jax.lax.while_loop(lambda carry: carry[0], body, (needed, jnp.zeros_like(x)))[1]

    never, xs = jnp.zeros(4, bool), jnp.ones((4, 3))
    jax.block_until_ready(jax.jit(jax.vmap(lazily))(never, xs))
    return len(calls)


def test_the_body_of_a_loop_is_computed_only_where_it_turns():
    assert calls_of_a_loop_that_does_not_turn(within_loop) == 0


def test_upstream_xla_computes_the_body_of_a_loop_that_does_not_turn():
    assert calls_of_a_loop_that_does_not_turn(lambda *both: both) == 1, GONE


def slope_of_a_solve(y):
    def end(y):
        term = diffrax.ODETerm(lambda t, y, args: -y)
        return diffrax.diffeqsolve(term, diffrax.Euler(), 0.0, 1.0, 0.1, y, max_steps=16).ys[-1]

    return jax.grad(end)(y)


def trace_on_every_device(function):
    mesh = Mesh(np.array(jax.devices()[:1]), ("devices",), axis_types=(AxisType.Auto,))
    rows = PartitionSpec("devices")
    shared = jax.shard_map(function, mesh=mesh, in_specs=rows, out_specs=rows, check_vma=False)
    return jax.make_jaxpr(shared)(jnp.ones(2))


def test_a_solve_has_derivatives_on_every_device():
    assert trace_on_every_device(as_if_alone(jax.vmap(slope_of_a_solve)))


def test_upstream_diffrax_has_no_derivatives_inside_shard_map():
    with pytest.raises(ValueError, match="Closure-converted function"):
        trace_on_every_device(jax.vmap(slope_of_a_solve))
        pytest.fail(GONE)


@pytest.mark.parametrize("dtype", (np.float32, np.float64))
def test_neighbouring_floats_are_numpys_and_have_the_derivative_1(dtype):
    t = np.array([-3.0, -1e-30, 1e-30, 1.0, 1e30], dtype)
    for ours, goal in ((nextafter, np.inf), (prevbefore, -np.inf)):
        np.testing.assert_array_equal(jax.jit(ours)(t), np.nextafter(t, dtype(goal)))
        assert ours(jnp.zeros((), dtype)) == dtype(np.sign(goal)) * np.finfo(dtype).tiny
        one = jnp.asarray(1.5, dtype)
        assert jax.grad(ours)(one) == jax.jacfwd(ours)(one) == 1
        assert jax.hessian(ours)(one) == 0


def test_upstream_neighbouring_floats_of_jax_have_no_derivative():
    with pytest.raises(NotImplementedError):
        jax.grad(lambda t: jnp.nextafter(t, jnp.inf))(1.0)
        pytest.fail(GONE)


def test_upstream_eigenvalues_have_no_second_derivative():
    # `_eigenvalues` of `linear/_spectrum.py` has.
    with pytest.raises(NotImplementedError):
        jax.make_jaxpr(jax.hessian(lambda A: jnp.linalg.eigvals(A).real.sum()))(jnp.eye(2))
        pytest.fail("mended upstream: see linear/_spectrum.py for what may go")


@pytest.mark.parametrize("jit", (jax.jit, eqx.filter_jit))
def test_a_program_that_is_forgotten_is_traced_again(jit):
    traces = []

    def double(x):
        traces.append(x)
        return 2 * x

    doubled, x = jit(double), jnp.ones(2)
    for forget in (False, False, True):
        if forget:
            forget_program(doubled)
        np.testing.assert_array_equal(doubled(x), 2 * x)
    assert len(traces) == 2
    forget_program(len)  # has no programs


def test_upstream_equinox_has_no_way_to_forget_a_program():
    assert not hasattr(eqx.filter_jit(len), "clear_cache"), GONE


LOOPS = "--xla_backend_extra_options=xla_cpu_small_while_loop_byte_threshold=65536"
ORDER = "--xla_cpu_enable_concurrency_optimized_scheduler"
ON_CPU = pytest.mark.skipif(jax.default_backend() != "cpu", reason="an option of the CPU backend")
# Flags of XLA that the next versions drop end the process: there this one is left out.
SETS_THE_ORDER = pytest.mark.skipif(
    tuple(map(int, jax.__version__.split(".")[:2])) >= (0, 11), reason="only for jaxlib 0.10"
)


@SETS_THE_ORDER
@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("", f"{LOOPS} {ORDER}=false"),
        (
            "--xla_cpu_enable_fast_math=false",
            f"--xla_cpu_enable_fast_math=false {LOOPS} {ORDER}=false",
        ),
        ("--xla_backend_extra_options=a=b", f"--xla_backend_extra_options=a=b {ORDER}=false"),
        (f"{ORDER}=true", f"{ORDER}=true {LOOPS}"),
    ],
)
def test_both_options_are_asked_for_unless_the_user_has(given, expected):
    assert with_options(given) == expected


def test_importing_has_asked_for_both():
    assert with_options(os.environ["XLA_FLAGS"]) == os.environ["XLA_FLAGS"]


SECOND_DERIVATIVES = """
import faulthandler
import jax, jax.numpy as jnp, organics_ode as oo
from jax.flatten_util import ravel_pytree

jax.config.update("jax_enable_x64", True)
keys = iter(jax.random.split(jax.random.key(0), 6))
positive = lambda shape: jax.random.uniform(next(keys), shape, minval=0.1)
circuit = oo.ORGaNICs(
    jnp.eye(2), jnp.array([[0.6, -0.7], [0.5, 0.4]]), oo.Positive(positive((2, 2))), positive(2),
    positive(2), positive(2), 10 * positive(2), 10 * positive(2), exponent=jnp.asarray(2.0),
)
theta, back = ravel_pytree((circuit, jnp.array([0.6, 0.8])))

def outputs(theta):
    point = oo.fixed_point(*back(theta), throw=False)
    return jnp.sum(jnp.sin(point.state.y)) + jnp.sum(point.state.a**2), point.abscissa

def gradients(theta):
    pull = jax.vjp(outputs, theta)[1]
    return jnp.stack([pull((1.0, 0.0))[0], pull((0.0, 1.0))[0]])

second = jax.jit(jax.vmap(jax.jacfwd(gradients)))
batch = theta + 1e-3 * jax.random.normal(jax.random.key(1), (51, theta.size))
jax.block_until_ready(second(batch))
for _ in range(600):
    faulthandler.dump_traceback_later(20, exit=True)  # a run takes 20 ms
    jax.block_until_ready(second(batch))
"""


# Without this library: four batched solves of which none needs another one.
SOLVES = """
import faulthandler
import jax, jax.numpy as jnp

jax.config.update("jax_enable_x64", True)
keys = jax.random.split(jax.random.key(0), 5)
matrices = [jax.random.normal(key, (512, 8, 8)) + 8 * jnp.eye(8) for key in keys[1:]]
b = jax.random.normal(keys[0], (512, 8, 8))

@jax.jit
def solves(matrices, b):
    def step(i, total):
        found = []
        for j, M in enumerate(matrices):
            M = (M + 1e-9 * total).astype(complex if j % 2 else float)
            found.append(jax.scipy.linalg.solve_triangular(M, b.astype(M.dtype) + total))
        return sum(jnp.real(x).sum() for x in found) * 1e-12
    return jax.lax.fori_loop(0, 20, step, 0.0)

jax.block_until_ready(solves(matrices, b))
for _ in range(2000):
    faulthandler.dump_traceback_later(20, exit=True)  # a run takes 25 ms
    jax.block_until_ready(solves(matrices, b))
"""


def hangs(flags, program=SECOND_DERIVATIVES):
    """Whether hundreds of runs of a program come to a stop."""
    run = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"XLA_FLAGS": flags},
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert run.returncode == 0 or "Timeout (0:00:20)" in run.stderr, run.stderr
    return run.returncode != 0


@ON_CPU
@pytest.mark.slow
def test_second_derivatives_of_a_batch_of_fixed_points_do_not_hang():
    assert not hangs("")


@ON_CPU
@SETS_THE_ORDER
@pytest.mark.slow
def test_upstream_in_the_default_order_of_xla_they_do():
    assert hangs(f"{ORDER}=true"), f"{GONE} (if this machine has more than one core)"


@ON_CPU
@SETS_THE_ORDER
@pytest.mark.slow
def test_upstream_batched_solves_wait_for_each_other():
    assert hangs(f"{ORDER}=true", SOLVES), f"{GONE} (if this machine has more than one core)"
