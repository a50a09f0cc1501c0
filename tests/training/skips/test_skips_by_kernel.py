"""Every cell that has a kernel gets it in `fit_with_skips`, and it is the scan step by step."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import zoo
from kernel_cases import assert_close
from kernel_cells import CELLS
from schemes import SCHEMES

import organics_ode as oo
from organics_ode.kernels import Skips
from organics_ode.training.skips import _run, _runners, _trials

BATCH = 3


def trials(cell, steps):
    """Random trials whose periods begin anew at steps of their own."""
    rng = np.random.default_rng(7)
    starts = rng.uniform(size=(steps, BATCH)) < 0.1
    starts[0] = True
    m = cell.input_size
    values = (
        rng.normal(size=(steps, BATCH, m)),
        rng.normal(size=(BATCH, m)),
        rng.normal(size=(steps, BATCH, 2)),
        rng.uniform(size=(steps, BATCH)) / steps,
        starts,
    )
    return *jax.tree.map(jnp.asarray, values), None, None


def slopes(model, arrays, scheme):
    """The loss with skips and its gradient, compiled anew for each call."""
    params, rest = eqx.partition(model, oo.trainable(model))

    @jax.jit
    def both(params, arrays, length, beta):
        batch = _trials.TrialBatch(*arrays, 4)
        net, skips = eqx.combine(params, rest), Skips(scheme, length, beta)
        return _run.loss_and_gradient(net, batch, skips, oo.squared_error, 0.01)

    return both(params, arrays, jnp.asarray(4, jnp.int32), jnp.asarray(0.3))


SLOW = pytest.mark.slow  # they compile for long
SKIPPED = [
    ("gated", SCHEMES[0]),
    pytest.param("gated, Shu-Osher", SCHEMES[1], marks=SLOW),
    pytest.param("gated", SCHEMES[2], marks=SLOW),
    ("rotational", SCHEMES[2]),
    pytest.param("rotational, Shu-Osher", SCHEMES[0], marks=SLOW),
    ("trained tau", SCHEMES[0]),
]


@pytest.mark.slow_but_first
@pytest.mark.parametrize(("name", "scheme"), SKIPPED, ids=str)
def test_skips_and_their_gradient_are_those_of_the_scan(name, scheme, monkeypatch):
    cell = CELLS[name]()
    size = len(cell.initial_state()[0])
    readout = oo.Readout(np.random.default_rng(8).normal(size=(2, size)), activation=None)
    state0 = None if "tau" in name else zoo.state_of(cell.circuit)
    model = oo.SequenceToSequence(cell, readout, state0=state0)
    arrays = trials(cell, _run._STEPS + 7)
    ours = slopes(model, arrays, scheme)
    monkeypatch.setattr(_runners, "kernel_of", lambda cell: None)
    assert_close(ours, slopes(model, arrays, scheme), 1e-11)
