"""The classic tasks of cognitive neuroscience, and a network for each."""

import jax
import jax.numpy as jnp

import organics_ode as oo
import tasks

DT = 50.0
REACTIONS = tasks.ReactionTime(tasks.PerceptualDecision(dt=DT))
CLASSICS = {
    "choice": (tasks.DelayedMatch(dt=DT), oo.cross_entropy),  # as the three others
    "reaction-time": (REACTIONS, oo.cross_entropy),
    "flip-flop": (tasks.FlipFlop(length=20, dt=DT), oo.squared_error),
    "ready-set-go": (tasks.ReadySetGo(dt=DT), oo.squared_error),
}


def network(task, size, seed=0):
    keys = jax.random.split(jax.random.key(seed), 3)
    W = jax.random.normal(keys[0], (size, size)) / size**0.5
    W_in = jax.random.normal(keys[1], (size, task.input_size))
    circuit = oo.RateNetwork(W, W_in, jnp.zeros(size), 100.0, f=jnp.tanh, noise=0.05)
    W_out = jax.random.normal(keys[2], (task.output_size, size)) / size**0.5
    readout = oo.Readout(W_out, jnp.zeros(task.output_size), activation=None)
    return oo.SequenceToSequence(oo.Euler(circuit, task.dt), readout)
