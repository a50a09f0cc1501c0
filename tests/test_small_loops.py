"""The solve of a small circuit is one kernel, and a user's own options stay."""

import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import pytest
import zoo

import organics_ode as oo

OPTION = "--xla_backend_extra_options=xla_cpu_small_while_loop_byte_threshold=65536"


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="an option of the CPU backend")
def test_the_solve_of_a_small_circuit_is_one_kernel():
    circuit = zoo.organics(n=4, m=3)
    solve = jax.jit(lambda x: oo.simulate(circuit, x, jnp.array([0.0, 100.0])).states.y)
    text = solve.lower(jnp.zeros(3)).compile().as_text()
    # A loop that is left has a body of its own operations.
    assert "xla_cpu_small_call" in text
    entry = text[text.index("ENTRY") :]
    assert " while(" not in entry


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("", OPTION),
        ("--xla_cpu_enable_fast_math=false", f"--xla_cpu_enable_fast_math=false {OPTION}"),
        ("--xla_backend_extra_options=a=b", "--xla_backend_extra_options=a=b"),
    ],
)
def test_importing_asks_for_it_unless_the_user_has(given, expected):
    code = "import os, organics_ode; print(os.environ['XLA_FLAGS'])"
    run = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"XLA_FLAGS": given},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == expected
