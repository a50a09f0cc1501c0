"""A small training with skips, its task and its model."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from rate_cases import N, connectivity

import organics_ode as oo

KEY = jax.random.key(7)
ADAM = optax.adam(0.02)
STATE_SKIP = oo.SkipSchedule(oo.StateSkip(), length=3, stages=2, beta=0.5, rounds=4)
LENGTH = 14


class Recall(eqx.Module):
    """Show a number, wait, answer with it; in evaluation always the same trial."""

    dt: float = 10.0
    input_size: int = 2

    def sample(self, key, jitter=True):
        keys = jax.random.split(key)
        value = jax.random.uniform(keys[0], minval=0.6, maxval=0.9) if jitter else jnp.array(0.75)
        go = 3 + (jax.random.randint(keys[1], (), 3, 7) if jitter else jnp.array(5))
        t = jnp.arange(LENGTH)
        answer = (t >= go) & (t < go + 4)
        inputs = jnp.stack([jnp.where(t < 3, value, 0), (t < go).astype(float)], axis=1)
        targets, mask = jnp.where(answer, value, 0)[:, None], answer.astype(float)
        bounds = {"stimulus": (0, 3), "delay": (3, go), "response": (go, go + 4)}
        periods = {name: jnp.stack([*map(jnp.asarray, span)]) for name, span in bounds.items()}
        return Trial(inputs, targets, mask, {"periods": periods})

    def loss_weights(self, trial):
        return trial.mask / 2

    def score(self, outputs, trial):
        errors = jnp.abs(outputs - trial.targets)[:, 0]
        return jnp.clip(1 - jnp.sum(trial.mask * errors) / 4, 0, 1)


class Trial(eqx.Module):
    inputs: jax.Array
    targets: jax.Array
    mask: jax.Array
    info: dict


TASK = Recall()


def network(seed=0, **changes):
    rng = np.random.default_rng(seed)
    given = {
        "W": connectivity(seed),
        "W_in": rng.normal(size=(3, 2)),
        "b": rng.normal(size=N),
        "tau": rng.uniform(40, 80, N),
        "noise": 0.1,
        "tau_noise": 30.0,
        "input_units": (0, 3),
    }
    return oo.RateNetwork(**given | changes)


def model(seed=0, state0=None, **changes):
    rng = np.random.default_rng(seed + 100)
    readout = oo.Readout(rng.normal(size=(1, 2)), np.zeros(1), units=(3, 5))
    return oo.SequenceToSequence(oo.Euler(network(seed, **changes), 10.0), readout, state0=state0)


def train(models=None, **changes):
    models = [model(0), model(1)] if models is None else models
    options = {
        "task": TASK,
        "schedule": STATE_SKIP,
        "optimizer": ADAM,
        "key": KEY,
        "rounds": 6,
        "steps_per_round": 3,
        "batch_size": 4,
        "trials": 3,
        "burn_in": 50.0,
        "criterion": 2.0,
        "progress": False,
    }
    options |= changes
    return oo.fit_with_skips(models, options.pop("task"), options.pop("schedule"), **options)
