"""A network for every classic task can be trained by one call, with skips and without."""

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
import pytest
from classics import CLASSICS, network

import organics_ode as oo
from organics_ode.optimizers import State
from organics_ode.programs import shared
from organics_ode.training import Stage, _objective
from organics_ode.training.skips import _arguments, _rounds

pytestmark = pytest.mark.system
ADAM, KEY = optax.adam(0.01), jax.random.key(1)


@pytest.mark.parametrize("name", CLASSICS)
def test_every_classic_fits_both_ways_of_training(name):
    # Traced and not compiled: what can go wrong are shapes, dtypes and what a task lacks.
    task, loss = CLASSICS[name]
    model = network(task, 4)
    members = _arguments.read_models([model, model], None)
    source = _arguments.read_source([model, model], task, 0.0, KEY, 2)
    rules, penalty = shared(ADAM, loss, None), jnp.asarray(1e-5)
    run = _rounds.Run(rules, penalty, penalty, 1, 2, None)
    state = eqx.filter_eval_shape(_rounds.start, rules, members)
    skips = _rounds.skips_of(oo.StateSkip(), Stage(0, 3, 0.5))
    number = jnp.asarray(1, jnp.uint32)
    new, values = eqx.filter_eval_shape(_rounds.train_round, run, source, state, skips, number)
    assert jax.tree.structure(new) == jax.tree.structure(state)
    assert values["loss"].shape == (2,)
    scores = eqx.filter_eval_shape(_rounds.evaluate_round, run, source, members, number)
    assert scores.shape == (2,)
    batch = oo.Batch(*jax.eval_shape(jax.vmap(task.sample), jax.random.split(KEY))[:3])
    step = (State(model, ADAM.init(eqx.filter(model, oo.trainable(model)))), batch, ADAM)
    _, values = eqx.filter_eval_shape(_objective.gradient_step, *step, loss, None)
    assert values["loss"].shape == ()
