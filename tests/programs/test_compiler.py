"""The solve of a small circuit is one kernel, large programs do not hang, a user's options stay."""

import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import pytest
import zoo

import organics_ode as oo

LOOPS = "--xla_backend_extra_options=xla_cpu_small_while_loop_byte_threshold=65536"
ORDER = "--xla_cpu_enable_concurrency_optimized_scheduler"
ON_CPU = pytest.mark.skipif(jax.default_backend() != "cpu", reason="an option of the CPU backend")
# Flags of XLA that the next versions drop end the process: there this one is left out.
SETS_THE_ORDER = pytest.mark.skipif(
    tuple(map(int, jax.__version__.split(".")[:2])) >= (0, 11), reason="only for jaxlib 0.10"
)


@ON_CPU
def test_the_solve_of_a_small_circuit_is_one_kernel():
    circuit = zoo.organics(n=4, m=3)
    solve = jax.jit(lambda x: oo.simulate(circuit, x, jnp.array([0.0, 100.0])).states.y)
    text = solve.lower(jnp.zeros(3)).compile().as_text()
    # A loop that is left has a body of its own operations.
    assert "xla_cpu_small_call" in text
    entry = text[text.index("ENTRY") :]
    assert " while(" not in entry


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
def test_importing_asks_for_both_unless_the_user_has(given, expected):
    code = "import os, organics_ode; print(os.environ['XLA_FLAGS'])"
    run = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"XLA_FLAGS": given},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == expected


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


def hangs(flags):
    """Whether 600 runs of a batch of second derivatives come to a stop."""
    run = subprocess.run(
        [sys.executable, "-c", SECOND_DERIVATIVES],
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
def test_in_the_default_order_of_xla_they_do():
    # Once this fails on more than one core, the option in `_upstream.py` may go.
    assert hangs(f"{ORDER}=true")
