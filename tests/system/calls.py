"""A good call of every public function and class: `CALLS` maps a name to it and its arguments.

The arguments are made from a number: other values of the same shapes for another number, and
everything that a caller makes anew at each call (an optimizer, a lambda) made anew.
"""

import dataclasses
import functools
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import objects
import optax
import zoo

import organics_ode as oo
import tasks
from organics_ode import feedback, mean_field, planar, population, robustness

FOLDER = Path(tempfile.mkdtemp(prefix="organics_ode-calls-"))
TS = np.linspace(0.0, 2.0, 3)


@dataclasses.dataclass
class Call:
    """A function, and arguments for it by a number.

    `path`, `free` are arguments that are a path, or of which everything means something.
    """

    function: Callable[..., Any]
    arguments: Callable[[int], dict[str, Any]]
    free: tuple[str, ...] = ()
    plots: bool = False


def draw(seed, *shape):
    return np.random.default_rng(seed).uniform(0.1, 1.0, shape)


def key(seed):
    return jax.random.key(seed)


def circuit(seed, n=2, m=1):
    return oo.ORGaNICs(**zoo.values(n, m, seed=seed, identity=True))


def planar_circuit(seed):
    return oo.ORGaNICs([[1.0]], [[1.0]], [[1.0]], 0.1 + 0.01 * seed, 0.5, 0.5, 2.0, 2.0)


def state(seed, n=2):
    return oo.ORGaNICsState(*draw(seed, 2, n))


def cell(seed):
    return oo.Euler(circuit(seed), 0.1)


def network(seed, size=10):
    return oo.FeedbackNetwork.random(
        size, mean_field.Geometry(1.2, 0.5, 0.5, 1, 1, 0.3), 0.4, g=0.5, key=key(seed)
    )


def rate(seed, n=3, m=1):
    return oo.RateNetwork(draw(seed, n, n) / n, draw(seed + 1, n, m), draw(seed, n), 50.0)


def classifier(seed):
    readout = oo.Readout(draw(seed, 2, 2), np.zeros(2), activation=None)
    return oo.SequenceClassifier(cell(seed), readout)


def flip_flop():
    return tasks.FlipFlop(bits=1, length=4, dt=5.0)


def sequences(seed):
    readout = oo.Readout(draw(seed, 1, 3), np.zeros(1), activation=None)
    return oo.SequenceToSequence(oo.Euler(rate(seed), 5.0), readout)


def batch(seed):
    return oo.Batch(draw(seed, 4, 3, 1), np.arange(4, dtype=np.int32) % 2)


def batches(seed):
    return oo.minibatches(batch(seed), 2, key=key(seed))


def saved(seed):
    path = FOLDER / "saved"
    oo.save(path, circuit(seed))
    return path


def responses(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape)


_QUIET = {"progress": False, "steps": 2}
_TRAIN = ("progress", "throw", "loss", "metric", "mesh")
_LABELS = np.array([0, 1, 0, 1, 0, 1])
GEOMETRY = (1.2, 0.5, 0.5, 1.0, 1.0, 0.3)


def geometry(seed):
    return mean_field.Geometry(1.2 + 0.01 * seed, *GEOMETRY[1:])


def trajectory(seed):
    return objects.trajectory()


@functools.cache
def _diagram():
    return robustness.phase_diagram([0.1, 0.5], [0.5, 1.0], key=key(0), size=4, trials=1)


def _fp(seed):
    return {"circuit": circuit(seed), "x": draw(seed, 1)}


def _spectra(seed):
    return _fp(seed) | {
        "frequencies": 0.01 * draw(seed, 3),
        "noise": oo.Noise(0.1 + 0.01 * seed),
    }


def _random(seed, **more):
    return {"input_size": 2, "size": 3, "key": key(seed)} | more


CALLS: dict[str, Call] = {
    "minibatches": Call(oo.minibatches, lambda s: {"split": batch(s), "size": 2, "key": key(s)}),
    "trials": Call(oo.trials, lambda s: {"task": flip_flop(), "size": 2, "key": key(s)}),
    "certify": Call(oo.certify, lambda s: _fp(s) | {"state0": state(s)}),
    "energy": Call(oo.energy, lambda s: _fp(s) | {"state0": state(s)}),
    "fixed_point": Call(oo.fixed_point, lambda s: _fp(s) | {"state0": state(s)}),
    "find_fixed_points": Call(
        oo.find_fixed_points,
        lambda s: _fp(s) | {"key": key(s), "starts": 8, "scale": None, "rounds": 1},
    ),
    "slow_points": Call(
        oo.slow_points,
        lambda s: (
            _fp(s) | {"starts": oo.ORGaNICsState(*draw(s, 2, 1, 2)), "within": 0.1 + 0.01 * s}
        ),
    ),
    "jacobian": Call(oo.jacobian, lambda s: _fp(s) | {"state": state(s)}),
    "jacobian_blocks": Call(oo.jacobian_blocks, lambda s: _fp(s) | {"state": state(s)}),
    "spectrum": Call(oo.spectrum, lambda s: _fp(s) | {"state": state(s)}),
    "oscillator": Call(oo.oscillator, _fp),
    "coherence": Call(oo.coherence, _spectra),
    "cross_spectrum": Call(oo.cross_spectrum, _spectra),
    "power_spectrum": Call(oo.power_spectrum, _spectra),
    "covariance": Call(oo.covariance, lambda s: _fp(s) | {"noise": oo.Noise(0.1 + 0.01 * s)}),
    "ornstein_uhlenbeck": Call(
        oo.ornstein_uhlenbeck,
        lambda s: {"steps": 5, "size": 2, "dt": 0.1 + 0.01 * s, "tau": 2.0 + s, "key": key(s)},
    ),
    "sample_paths": Call(
        oo.sample_paths,
        lambda s: {
            "circuit": circuit(s),
            "inputs": draw(s, 1),
            "noise": oo.Noise(0.1 + 0.01 * s),
            "dt": 0.1 + 0.01 * s,
            "key": key(s),
            "steps": 4,
            "state0": state(s),
            "keep_every": 2,
        },
    ),
    "simulate": Call(
        oo.simulate,
        lambda s: {
            "circuit": circuit(s),
            "inputs": draw(s, 1),
            "ts": TS + 0.01 * s,
            "state0": state(s),
            "solver": diffrax.Tsit5(),
            "stepsize_controller": None,
            "adjoint": None,
            "dt0": 0.01 + 0.001 * s,
            "dtmax": None,
            "max_steps": 4096,
        },
    ),
    "lyapunov": Call(
        oo.lyapunov,
        lambda s: {"cell": cell(s), "xs": draw(s, 5, 1), "k": 2, "state0": state(s), "burn_in": 1},
    ),
    "unroll": Call(
        oo.unroll,
        lambda s: {
            "cell": cell(s),
            "xs": draw(s, 5, 1),
            "state0": state(s),
            "restarts": None,
            "mask": None,
            "keep_every": 1,
        },
    ),
    "fourier_memory": Call(
        oo.fourier_memory,
        lambda s: {
            "circuit": oo.GatedORGaNICs.random(
                1, 4, key=key(s), tau_y=8.0, rectification=oo.Rectification.NONE
            ),
            "xs": draw(s, 2, 6, 1),
            "dt": 1.0,
            "cycles": (0.25, 2.0),
            "rms": 0.3,
            "key": key(s),
        },
    ),
    "fit": Call(
        oo.fit,
        lambda s: {
            "model": classifier(s),
            "batches": batches(s),
            "optimizer": optax.adam(0.01 + 0.001 * s),
            "validation": batch(s),
            "validate_every": 1,
            "checkpoint": None,
            "checkpoint_every": None,
            "log": None,
            "epochs": None,
            **_QUIET,
        },
        free=_TRAIN,
    ),
    "ensemble": Call(
        oo.ensemble,
        lambda s: {
            "models": [classifier(s), classifier(s + 1)],
            "batches": batches(s),
            "optimizer": optax.adam(0.01 + 0.001 * s),
            "hyperparameters": None,
            "validation": batch(s),
            "validate_every": 1,
            "checkpoint": None,
            "checkpoint_every": None,
            "log": None,
            "epochs": None,
            **_QUIET,
        },
        free=_TRAIN,
    ),
    "fit_with_skips": Call(
        oo.fit_with_skips,
        lambda s: {
            "models": [sequences(s)],
            "task": flip_flop(),
            "schedule": oo.SkipSchedule(oo.StateSkip(), length=2),
            "optimizer": optax.adam(0.01 + 0.001 * s),
            "key": key(s),
            "rounds": 2,
            "steps_per_round": 1,
            "batch_size": 2,
            "trials": 2,
            "evaluate_every": 1,
            "criterion": 1.0,
            "burn_in": 5.0,
            "activity": 1e-5 * (s + 1),
            "weights": 1e-5 * (s + 1),
            "checkpoint": None,
            "checkpoint_every": 1,
            "log": None,
            "progress": False,
        },
        free=_TRAIN,
    ),
    "evaluate": Call(
        oo.evaluate,
        lambda s: {"model": classifier(s), "data": batch(s), "batch_size": 2},
        free=_TRAIN,
    ),
    "project": Call(oo.project, lambda s: {"tree": circuit(s)}, free=("tree",)),
    "resolve": Call(oo.resolve, lambda s: {"tree": circuit(s)}, free=("tree",)),
    "trainable": Call(oo.trainable, lambda s: {"tree": circuit(s)}, free=("tree",)),
    "weight_decay_mask": Call(oo.weight_decay_mask, lambda s: {"tree": circuit(s)}, free=("tree",)),
    "device_mesh": Call(oo.device_mesh, lambda s: {"devices": jax.devices()}),
    "save": Call(
        oo.save, lambda s: {"path": FOLDER / "saved", "model": circuit(s)}, free=("path", "model")
    ),
    "load": Call(oo.load, lambda s: {"path": saved(s), "like": circuit(s)}),
    "model_card": Call(oo.model_card, lambda s: {"name": oo.pretrained_names()[0]}),
    "pretrained": Call(oo.pretrained, lambda s: {"name": oo.pretrained_names()[0]}),
    "orthogonal_directions": Call(
        oo.orthogonal_directions, lambda s: {"size": 4, "count": 2, "key": key(s)}
    ),
    **{
        loss.__name__: Call(
            loss,
            lambda s: {"outputs": jnp.asarray(draw(s, 3, 2)), "targets": _LABELS[:3], "mask": None},
        )
        for loss in (oo.accuracy, oo.cross_entropy)
    },
    "squared_error": Call(
        oo.squared_error,
        lambda s: {"outputs": jnp.asarray(draw(s, 3, 2)), "targets": draw(s, 3, 2), "mask": None},
    ),
    # Classes.
    "Bounded": Call(
        oo.Bounded, lambda s: {"value": 1 + draw(s, 2), "low": 0.5, "high": 3.0 + 0.1 * s}
    ),
    "Connectivity": Call(
        oo.Connectivity,
        lambda s: {
            "value": draw(s, 2, 2),
            "mask": np.ones((2, 2), bool),
            "signs": np.array([1, 1]),
        },
    ),
    "NonNegative": Call(oo.NonNegative, lambda s: {"value": draw(s, 2)}),
    "Positive": Call(oo.Positive, lambda s: {"value": draw(s, 2)}),
    "SpectralBound": Call(
        oo.SpectralBound, lambda s: {"value": draw(s, 2, 2), "bound": 3.0 + 0.1 * s}
    ),
    "Constant": Call(oo.Constant, lambda s: {"value": draw(s, 2)}),
    "LinearInput": Call(oo.LinearInput, lambda s: {"ts": TS + s, "values": draw(s, 3, 2)}),
    "ZeroOrderHold": Call(oo.ZeroOrderHold, lambda s: {"ts": TS + s, "values": draw(s, 3, 2)}),
    "FunctionInput": Call(oo.FunctionInput, lambda s: {"function": lambda t: t * jnp.ones(1)}),
    "Noise": Call(oo.Noise, lambda s: {"additive": 0.1 + 0.01 * s, "proportional": 0.1}),
    "Euler": Call(oo.Euler, lambda s: {"circuit": circuit(s), "dt": 0.1 + 0.01 * s}),
    "RungeKutta": Call(oo.RungeKutta, lambda s: {"circuit": circuit(s), "dt": 0.1 + 0.01 * s}),
    "ShuOsher": Call(oo.ShuOsher, lambda s: {"circuit": circuit(s), "dt": 0.1 + 0.01 * s}),
    "TemporalSkip": Call(
        oo.TemporalSkip,
        lambda s: {
            "cell": cell(s),
            "scheme": oo.StateSkip(),
            "length": 3,
            "beta": min(1.0, 0.1 + 0.01 * s),
        },
    ),
    "SkipSchedule": Call(oo.SkipSchedule, lambda s: {"scheme": oo.StateSkip(), "length": 3}),
    "Readout": Call(
        oo.Readout, lambda s: {"W_out": draw(s, 2, 3), "b_out": draw(s, 2), "activation": None}
    ),
    "Readout.random": Call(
        oo.Readout.random, lambda s: {"size": 4, "output_size": 2, "key": key(s)}
    ),
    "SequenceClassifier": Call(
        oo.SequenceClassifier,
        lambda s: {"cell": cell(s), "readout": classifier(s).readout, "state0": state(s)},
    ),
    "SequenceToSequence": Call(
        oo.SequenceToSequence,
        lambda s: {"cell": cell(s), "readout": classifier(s).readout, "state0": state(s)},
    ),
    "ORGaNICs": Call(oo.ORGaNICs, lambda s: zoo.values(2, 1, seed=s) | {"exponent": 2.0}),
    "GatedORGaNICs": Call(
        oo.GatedORGaNICs, lambda s: zoo.gated_values(2, 1, seed=s) | {"exponent": 2.0}
    ),
    "RateNetwork": Call(
        oo.RateNetwork,
        lambda s: {
            "W": draw(s, 3, 3),
            "W_in": draw(s, 3, 1),
            "b": draw(s, 3),
            "tau": 50.0 + s,
            "noise": 0.1,
            "tau_noise": 100.0,
            "input_units": (0, 3),
        },
    ),
    "FeedbackNetwork": Call(
        oo.FeedbackNetwork,
        lambda s: {
            "chi": draw(s, 3, 3),
            "m": draw(s, 3),
            "n": draw(s, 3),
            "I": draw(s, 3),
            "g": 0.5 + 0.01 * s,
            "W_x": draw(s, 3, 1),
        },
    ),
    "FixedPointLayer": Call(
        oo.FixedPointLayer,
        lambda s: {
            "W_zx": draw(s, 2, 2),
            "W_bx": draw(s, 2, 2),
            "W": draw(s, 2, 2),
            "sigma": 0.1 + 0.01 * s,
            "beta0": draw(s, 2),
            "W_r": None,
            "exponent": 2.0,
        },
    ),
    "Noisy": Call(oo.Noisy, lambda s: {"network": rate(s)}),
    "ORGaNICs.random": Call(
        oo.ORGaNICs.random, lambda s: _random(s, sigma=0.1 + 0.01 * s, tau_y=2.0 + s)
    ),
    "GatedORGaNICs.random": Call(
        oo.GatedORGaNICs.random, lambda s: _random(s, sigma=0.1 + 0.01 * s, tau_y=20.0 + s)
    ),
    "RateNetwork.random": Call(
        oo.RateNetwork.random,
        lambda s: _random(s, noise=0.1, mask=None, excitatory=0.8, tau=50.0 + s),
    ),
    "FeedbackNetwork.random": Call(
        oo.FeedbackNetwork.random,
        lambda s: {"size": 4, "geometry": geometry(s), "c": 0.4, "g": 0.5, "key": key(s)},
    ),
    "FixedPointLayer.random": Call(oo.FixedPointLayer.random, lambda s: _random(s, sigma=1.0)),
    "GRU.random": Call(oo.GRU.random, _random),
    "LSTM.random": Call(oo.LSTM.random, _random),
    "GRU": Call(oo.GRU, lambda s: {"cell": eqx.nn.GRUCell(2, 3, key=key(s))}),
    "LSTM": Call(oo.LSTM, lambda s: {"cell": eqx.nn.LSTMCell(2, 3, key=key(s))}),
    "LogitNormal": Call(oo.LogitNormal, lambda s: {"shortest": 10.0 + s}),
    "LogUniform": Call(oo.LogUniform, lambda s: {"low": 1.0, "high": 10.0 + s, "bound": None}),
    # Feedback.
    "feedback.attractors": Call(
        feedback.attractors,
        lambda s: {"network": network(s), "z0": draw(s, 2), "dt": 0.1, "steps": 50},
    ),
    "feedback.teacher_states": Call(
        feedback.teacher_states, lambda s: {"network": network(s), "target": 0.8 + 0.01 * s}
    ),
    "feedback.descend": Call(
        feedback.descend,
        lambda s: {
            "network": network(s),
            "target": 0.8 + 0.01 * s,
            "optimizer": optax.sgd(0.1 + 0.01 * s),
            "steps": 2,
            "weights": lambda network: (network.n,),
            "run": feedback.FromRest(4, 0.5),
        },
    ),
    "feedback.least_squares": Call(
        feedback.least_squares, lambda s: {"network": network(s), "target": 0.8 + 0.01 * s}
    ),
    "feedback.ridge": Call(
        feedback.ridge,
        lambda s: {"network": network(s), "target": 0.8 + 0.01 * s, "alpha": 0.1 + 0.01 * s},
    ),
    "feedback.overlaps": Call(feedback.overlaps, lambda s: {"network": network(s)}),
    "feedback.force": Call(
        feedback.force,
        lambda s: {
            "network": network(s),
            "target": 0.8 + 0.01 * s,
            "alpha": 1.0 + 0.1 * s,
            "dt": 0.1,
            "every": 2,
            "duration": 2.0,
            "state0": None,
        },
    ),
    "feedback.AtFixedPoint": Call(feedback.AtFixedPoint, lambda s: {"steps": 10, "dt": 0.1}),
    "feedback.FromRest": Call(feedback.FromRest, lambda s: {"steps": 10, "dt": 0.1}),
    # Mean field.
    "mean_field.Geometry": Call(
        mean_field.Geometry,
        lambda s: dict(
            zip(("sigma_m", "sigma_I", "rho", "p", "p_m", "p_I"), GEOMETRY, strict=True)
        ),
    ),
    "mean_field.average": Call(
        mean_field.average,
        lambda s: {"f": lambda x: x**2, "variance": 1.0 + 0.1 * s, "tolerance": 1e-6},
    ),
    "mean_field.calibrate": Call(
        mean_field.calibrate, lambda s: {"geometry": geometry(s), "g": 0.5, "target": 0.8}
    ),
    "mean_field.solutions": Call(
        mean_field.solutions, lambda s: {"geometry": geometry(s), "g": 0.5, "c": 0.4}
    ),
    "mean_field.padded_solutions": Call(
        mean_field.padded_solutions,
        lambda s: {"geometry": geometry(s), "g": 0.5, "c": 0.4, "most": 3},
    ),
    "mean_field.least_squares": Call(
        mean_field.least_squares,
        lambda s: {"geometry": geometry(s), "g": 0.5, "target": 0.8, "ridge": 0.01 * s},
    ),
    "mean_field.chaos": Call(
        mean_field.chaos, lambda s: {"geometry": geometry(s), "g": 2.0 + 0.01 * s, "c": 0.4}
    ),
    "mean_field.phase_map": Call(
        mean_field.phase_map,
        lambda s: {
            "geometries": mean_field.Geometry(*(np.full(2, v) + 0.001 * s for v in GEOMETRY)),
            "g": 0.5,
            "targets": 0.5 + draw(s, 2),
        },
    ),
    # The plane.
    "planar.fixed_points": Call(
        planar.fixed_points, lambda s: {"circuit": planar_circuit(s), "x": draw(s, 1)}
    ),
    "planar.quartic": Call(
        planar.quartic, lambda s: {"circuit": planar_circuit(s), "x": draw(s, 1)}
    ),
    "planar.vector_field": Call(
        planar.vector_field,
        lambda s: {
            "circuit": planar_circuit(s),
            "x": draw(s, 1),
            "y": draw(s, 3),
            "a": draw(s, 3),
        },
    ),
    "planar.basins": Call(
        planar.basins,
        lambda s: {
            "circuit": planar_circuit(s),
            "x": draw(s, 1),
            "y": draw(s, 3),
            "a": draw(s, 3),
            "max_steps": 50,
        },
    ),
    "planar.nullclines": Call(
        planar.nullclines,
        lambda s: {"circuit": planar_circuit(s), "x": draw(s, 1), "y": draw(s, 5)},
    ),
    "planar.bifurcation": Call(
        planar.bifurcation,
        lambda s: {
            "circuit": planar_circuit(s),
            "x": draw(s, 1),
            "name": "sigma",
            "values": 0.1 + np.sort(draw(s, 3)),
        },
    ),
    **{
        f"planar.{f.__name__}": Call(
            f,
            lambda s: {
                "circuit": planar_circuit(s),
                "x": draw(s, 1),
                "y_range": (-1.0, 1.0),
                "a_range": (0.01, 1.0),
                "points": 20,
            },
        )
        for f in (planar.nullcline_curves, planar.separatrices)
    },
    # Populations.
    "population.cosine_similarity": Call(
        population.cosine_similarity, lambda s: {"first": draw(s, 3), "second": draw(s + 1, 3)}
    ),
    "population.relative_distance": Call(
        population.relative_distance, lambda s: {"first": draw(s, 3), "second": draw(s + 1, 3)}
    ),
    "population.principal_components": Call(
        population.principal_components, lambda s: {"responses": responses(s, 6, 3), "count": 2}
    ),
    "population.condition_means": Call(
        population.condition_means,
        lambda s: {"responses": responses(s, 6, 3), "labels": _LABELS, "conditions": 2},
    ),
    "population.period_mean": Call(
        population.period_mean, lambda s: {"responses": responses(s, 6, 3), "period": (1, 3)}
    ),
    "population.d_prime": Call(
        population.d_prime, lambda s: {"responses": responses(s, 6, 3), "labels": _LABELS}
    ),
    "population.selectivity": Call(
        population.selectivity,
        lambda s: {"responses": responses(s, 6, 3), "labels": _LABELS, "conditions": 2},
    ),
    "population.mixed_selectivity": Call(
        population.mixed_selectivity,
        lambda s: {
            "responses": responses(s, 8, 3),
            "first": np.arange(8) % 2,
            "second": np.arange(8) // 2 % 2,
            "conditions": (2, 2),
        },
    ),
    "population.tuning": Call(
        population.tuning,
        lambda s: {"responses": responses(s, 6, 3), "directions": 6 * draw(s, 6), "bins": 4},
    ),
    # Robustness.
    "robustness.gaussian": Call(robustness.gaussian, lambda s: {"key": key(s), "n": 3}),
    "robustness.phase_diagram": Call(
        robustness.phase_diagram,
        lambda s: {
            "deltas": [0.1, 0.5],
            "norms": [0.5, 1.0 + 0.01 * s],
            "key": key(s),
            "size": 4,
            "trials": 1,
            "b": 0.5,
            "sigma": 0.1 + 0.01 * s,
            "tau": 2.0,
        },
        free=("progress",),
    ),
    "robustness.first_order": Call(robustness.first_order, _fp),
    # Tasks.
    **{
        f"tasks.{cls.__name__}": Call(cls, functools.partial(lambda more, s: dict(more), more))
        for cls, more in (
            (tasks.AddingProblem, {"length": 10, "dt": 1.0}),
            (tasks.DelayedComparison, {"delay": 300.0, "dt": 5.0}),
            (tasks.ContextDecision, {"noise": 2.0, "dt": 5.0}),
            (tasks.CopyMemory, {"delay": 10, "dt": 1.0}),
            (tasks.FlipFlop, {"bits": 2, "length": 10, "pulse": 0.05, "dt": 5.0}),
            (tasks.DelayedMatch, {"stimuli": 2, "delay": 300.0, "dt": 5.0}),
            (tasks.PerceptualDecision, {"noise": 2.0, "dt": 5.0}),
            (tasks.ReadySetGo, {"dt": 5.0}),
            (tasks.RingTask, {"name": next(iter(tasks.RING_TASKS)), "dt": 5.0}),
            (tasks.RuleReversal, {"presentations": 3, "dt": 5.0}),
        )
    },
    "tasks.FlipFlop.sample": Call(flip_flop().sample, lambda s: {"key": key(s)}),
    "tasks.AddingProblem.sample": Call(tasks.AddingProblem(10).sample, lambda s: {"key": key(s)}),
    "tasks.PerceptualDecision.sample": Call(
        tasks.PerceptualDecision(dt=50.0).sample, lambda s: {"key": key(s)}
    ),
    "tasks.psychometric": Call(
        tasks.psychometric,
        lambda s: {"strengths": np.array([0.1, 0.1, 0.5, 0.5]), "chosen": np.array([0, 1, 1, 1])},
    ),
    "tasks.chronometric": Call(
        tasks.chronometric,
        lambda s: {"strengths": np.array([0.1, 0.1, 0.5, 0.5]), "times": draw(s, 4)},
    ),
    "tasks.reaction": Call(
        tasks.reaction,
        lambda s: {
            "outputs": jnp.asarray(draw(s, 6, 2)),
            "onset": 1,
            "threshold": 0.5,
            "dt": 5.0,
        },
    ),
}
