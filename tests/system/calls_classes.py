"""Calls of the classes: circuits, cells, inputs, parameters, models."""

import functools

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import objects
import zoo
from calls_parts import TS, Call, cell, circuit, classifier, draw, geometry, key, rate, state

import organics_ode as oo
from organics_ode import cortex


def _random(seed, **more):
    return {"input_size": 2, "size": 3, "key": key(seed)} | more


def _rotation(seed):
    return np.eye(2) + (1 + 0.1 * seed) * np.array([[0.0, 1.0], [-1.0, 0.0]])


def _rotational(seed):
    """Arrays for `oo.RotationalORGaNICs`: two units, one group."""
    gated = zoo.gated_values(2, 1, seed=seed, per_unit=False)
    gated |= {name: gated[name][:1] for name in ("W", "W_bx0", "W_by0")}
    gated |= {"W_ba0": gated["W_ba0"][:1, :1], "W_ba1": gated["W_ba1"][:, :1]}
    return gated | {"W_r": _rotation(seed), "floor": 0.1, "exponent": 2.0}


def _stack(cell):
    return oo.Stack(cell, eqx.nn.GRUCell(2, 2, key=key(0)))


def _sum(kinds):
    return oo.NoiseSum(kinds, oo.PoissonNoise(0.1))


def _kronecker(first, second):
    return oo.Kronecker(first, second)


def _cited(thing):
    return oo.citation(thing)


_cited.__wrapped__ = oo.citation  # of any number of things
_kronecker.__wrapped__ = oo.Kronecker  # of any number of factors
_stack.__wrapped__ = oo.Stack  # which takes any number of cells
_sum.__wrapped__ = oo.NoiseSum  # likewise of kinds

CALLS: dict[str, Call] = {
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
    "Frozen": Call(oo.Frozen, lambda s: {"value": draw(s, 2)}, free=("value",)),
    "NonNegative": Call(oo.NonNegative, lambda s: {"value": draw(s, 2)}),
    "Positive": Call(oo.Positive, lambda s: {"value": draw(s, 2)}),
    "SpectralBound": Call(
        oo.SpectralBound, lambda s: {"value": draw(s, 2, 2), "bound": 3.0 + 0.1 * s}
    ),
    "IdentityPlusSkew": Call(oo.IdentityPlusSkew, lambda s: {"value": _rotation(s), "groups": 1}),
    "SkewSymmetric": Call(oo.SkewSymmetric, lambda s: {"value": _rotation(s) - np.eye(2)}),
    "SymmetricPart": Call(
        oo.SymmetricPart, lambda s: {"value": _rotation(s), "low": 0.1, "high": 1.5 + 0.1 * s}
    ),
    "EarlyStopping": Call(
        oo.EarlyStopping,
        lambda s: {"metric": "own", "patience": 2 + s, "higher_is_better": True},
        free=("metric",),
    ),
    "Constant": Call(oo.Constant, lambda s: {"value": draw(s, 2)}),
    "LinearInput": Call(oo.LinearInput, lambda s: {"ts": TS + s, "values": draw(s, 3, 2)}),
    "ZeroOrderHold": Call(oo.ZeroOrderHold, lambda s: {"ts": TS + s, "values": draw(s, 3, 2)}),
    "FunctionInput": Call(oo.FunctionInput, lambda s: {"function": lambda t: t * jnp.ones(1)}),
    "Noise": Call(oo.Noise, lambda s: {"additive": 0.1 + 0.01 * s, "proportional": 0.1}),
    "PoissonNoise": Call(oo.PoissonNoise, lambda s: {"scale": 0.1 + 0.01 * s}),
    "OrnsteinUhlenbeckNoise": Call(
        oo.OrnsteinUhlenbeckNoise, lambda s: {"sigma": 0.1 + 0.01 * s, "tau": 5.0 + s}
    ),
    "SharedNoise": Call(oo.SharedNoise, lambda s: {"factor": draw(s, 4, 2), "tau": 1 + draw(s, 2)}),
    "MeasurementNoise": Call(
        oo.MeasurementNoise,
        lambda s: {
            "sigma": 0.1 + 0.01 * s,
            "tau": 5.0 + s,
            "order": 2,
            "correlation": min(1.0, 0.1 + 0.01 * s),
        },
    ),
    "NoiseSum": Call(_sum, lambda s: {"kinds": oo.Noise(0.1 + 0.01 * s)}),
    "Euler": Call(oo.Euler, lambda s: {"circuit": circuit(s), "dt": 0.1 + 0.01 * s}),
    "RungeKutta": Call(oo.RungeKutta, lambda s: {"circuit": circuit(s), "dt": 0.1 + 0.01 * s}),
    "MixedPrecision": Call(
        oo.MixedPrecision, lambda s: {"cell": oo.Euler(zoo.organics(dtype=np.float32), 0.1)}
    ),
    "Stack": Call(_stack, lambda s: {"cell": cell(s)}),
    "ShuOsher": Call(oo.ShuOsher, lambda s: {"circuit": circuit(s), "dt": 0.1 + 0.01 * s}),
    "SemiImplicitEuler": Call(
        oo.SemiImplicitEuler,
        lambda s: {"circuit": oo.CoRNN.random(2, 3, key=key(s)), "dt": 0.1 + 0.01 * s},
    ),
    **{
        scheme.__name__: Call(scheme, lambda s: {})
        for scheme in (oo.CoarseStep, oo.DerivativeSkip, oo.StateSkip)
    },
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
    "recipe": Call(oo.recipe, lambda s: {"name": "lem-smnist"}),
    "recipe_names": Call(oo.recipe_names, lambda s: {}),
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
    "RotationalORGaNICs": Call(oo.RotationalORGaNICs, lambda s: _rotational(s)),
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
    "RotationalORGaNICs.random": Call(
        oo.RotationalORGaNICs.random,
        lambda s: _random(s, size=4, groups=2, sigma=0.1 + 0.01 * s, tau_y=20.0 + s, floor=0.2),
    ),
    "balanced_network": Call(
        oo.balanced_network, lambda s: _random(s, size=10, radius=1.2, tau=50.0 + s)
    ),
    "RateNetwork.random": Call(
        oo.RateNetwork.random,
        lambda s: _random(s, noise=0.1, mask=None, excitatory=0.8, radius=1.2, tau=50.0 + s),
    ),
    "FeedbackNetwork.random": Call(
        oo.FeedbackNetwork.random,
        lambda s: {"size": 4, "geometry": geometry(s), "c": 0.4, "g": 0.5, "key": key(s)},
    ),
    "FixedPointLayer.random": Call(oo.FixedPointLayer.random, lambda s: _random(s, sigma=1.0)),
    "GRU.random": Call(oo.GRU.random, _random),
    "LSTM.random": Call(oo.LSTM.random, _random),
    "LRU.random": Call(oo.LRU.random, _random),
    "LRU": Call(oo.LRU, lambda s: _parts(s, oo.LRU)),
    "GRU": Call(oo.GRU, lambda s: {"cell": eqx.nn.GRUCell(2, 3, key=key(s))}),
    "LSTM": Call(oo.LSTM, lambda s: {"cell": eqx.nn.LSTMCell(2, 3, key=key(s))}),
    "Reweighting": Call(
        cortex.Reweighting,
        lambda s: {"circuit": circuit(s, 2, 2), "rate": 0.1 + s, "target": draw(s, 2, 2)},
    ),
    "LogitNormal": Call(oo.LogitNormal, lambda s: {"shortest": 10.0 + s}),
    "LogUniform": Call(oo.LogUniform, lambda s: {"low": 1.0, "high": 10.0 + s, "bound": None}),
    "Circulant": Call(oo.Circulant, lambda s: {"kernel": draw(s, 4)}),
    "Diagonal": Call(oo.Diagonal, lambda s: {"values": draw(s, 3)}),
    "Kronecker": Call(_kronecker, lambda s: {"first": draw(s, 2, 2), "second": draw(s + 1, 3, 3)}),
    "LowRank": Call(oo.LowRank, lambda s: {"U": draw(s, 3, 2), "V": draw(s + 1, 4, 2)}),
    "Sparse": Call(
        oo.Sparse,
        lambda s: {"values": draw(s, 2), "rows": [0, 2], "columns": [1, 0], "shape": (3, 2)},
    ),
    "Hierarchy": Call(
        oo.Hierarchy,
        lambda s: {
            "areas": [
                oo.ORGaNICs2025.random(2, 3, key=key(s), above=2),
                oo.ORGaNICs2025.random(3, 2, key=key(s + 1)),
            ],
            "feedforward": [draw(s, 3, 3)],
            "feedback": [draw(s, 2, 2)],
        },
    ),
    "citation": Call(_cited, lambda s: {"thing": circuit(s, 2, 2)}),
    "complex_weights": Call(oo.complex_weights, lambda s: {"W": draw(s, 2, 2)}),
}


def _parts(seed, cls):
    """The arrays of a random circuit, by name."""
    values = vars(oo.resolve(cls.random(**_random(seed))))
    return {name: values[name] for name in cls.kinds}


# A new circuit needs no entry.
for _cls in objects.public_classes():
    if issubclass(_cls, oo.AbstractCircuit) and _cls.__name__ not in CALLS:
        CALLS[_cls.__name__] = Call(_cls, functools.partial(_parts, cls=_cls))
        CALLS[f"{_cls.__name__}.random"] = Call(_cls.random, _random)
