"""One object of every public class: `OBJECTS` maps the name of a class to a thunk.

A record of a result needs no entry: it is filled from the annotations of its fields. Nor does a
circuit that has a `random(input_size, size, key=key)`.
"""

import dataclasses
import enum
import functools
import types
import typing

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import zoo
from jaxtyping import PyTree

import organics_ode as oo
import tasks
from organics_ode import cortex, feedback, mean_field, periods, planar, population, robustness
from organics_ode.training import Stage

NAMESPACES = (oo, tasks, cortex, feedback, mean_field, periods, planar, population, robustness)
KEY = jax.random.key(0)


class Environment:
    """Of the kind that `tasks.NeurogymTask` takes; two of one seed are equal."""

    dt = 100.0

    def seed(self, seed):
        self.rng = np.random.default_rng(seed)

    def new_trial(self):
        right = int(self.rng.integers(1, 3))
        self.ob = np.tile(np.eye(3)[right], (4, 1))
        self.gt = np.array([0, 0, right, right])

    def __eq__(self, other):
        return type(other) is Environment

    def __hash__(self):
        return 0


def rate_network():
    W = oo.Connectivity(np.eye(4), mask=np.eye(4) > 0)
    return oo.RateNetwork(W, np.ones((4, 2)), np.ones(4), 50.0, f=jnp.tanh)


def feedback_network():
    chi, m, n, I = np.eye(3), np.ones(3), np.zeros(3), np.ones(3)
    return oo.FeedbackNetwork(chi, m, n, I, 0.5, np.ones((3, 1)), phi=jax.nn.relu)


def hierarchy():
    low = oo.ORGaNICs2025.random(2, 3, key=KEY, above=2)
    return oo.Hierarchy([low, oo.ORGaNICs2025.random(3, 2, key=KEY)], feedback=[jnp.eye(2)])


@functools.cache
def classifier():
    readout = oo.Readout(np.ones((2, 4)), activation=jax.nn.softplus)
    return oo.SequenceClassifier(oo.Euler(rate_network(), 10.0), readout)


def ring():
    return cortex.Ring(4)


@functools.cache
def experiment():
    return cortex.contrast_response(ring(), grating(), [0.1, 0.5]).experiment


def shared_spectra():
    cross = jnp.asarray([[[1, 0.5j], [-0.5j, 1]]])
    return cortex.SharedSpectra(("V1", "V2"), np.arange(1), jnp.ones(1), cross)


def fitted(cls, *names):
    values = dict.fromkeys(names, 0.5)
    errors = dict.fromkeys(names, 0.1)
    p = len(names)
    return cls(np.ones(2), np.ones(2), values, errors, names, np.eye(p), np.ones(2), 0.1, True)


def grating():
    return cortex.Grating(45.0, 0.5)


def stack():
    return oo.Stack(oo.Euler(zoo.gated(), 0.5), eqx.nn.GRUCell(zoo.N, 3, key=KEY))


def points(cls, **more):
    states, spectra = zoo.state_of(zoo.organics()), build(oo.Spectrum)
    two = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), (states, spectra))
    return cls(two[0], jnp.zeros(2), two[1], jnp.ones(2, int), **more)


def trajectory():
    ts, one = jnp.arange(2.0), jnp.ones((), int)
    stats = {f"num_{kind}steps": one for kind in ("", "accepted_", "rejected_")}
    stats |= {"t_reached": ts[-1], "largest": ts[-1]}
    states = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), zoo.state_of(zoo.organics()))
    return oo.Trajectory(ts, states, diffrax.RESULTS.successful, stats, "Tsit5")


def history():
    loss = [{"step": 1, "loss": float("nan"), "seconds": 0.5}, {"step": 1, "validation_loss": 2.0}]
    return oo.History(loss, resumed=(1,))


SIZE = 2
MATRIX, ROWS = np.full((2, 2), 0.5), [[0.5], [1.5]]
OBJECTS = {
    "ParameterFit": lambda: oo.ParameterFit(
        classifier().cell.circuit,
        {},
        {},
        np.eye(1),
        np.ones((2, 1)),
        np.ones(1),
        ("tau",),
        0.1,
        3,
        True,
    ),
    "Sweep": lambda: oo.Sweep({"sigma": np.ones(2)}, (np.ones(2), jnp.ones(2))),
    "Table": lambda: oo.Table({"t": [0.0, 1.0]}, {"y": np.ones((2, 3))}, {"t": "ms"}, {"a": 1}),
    "AddingProblem": tasks.AddingProblem,
    "AtFixedPoint": feedback.AtFixedPoint,
    "Annulus": lambda: cortex.Annulus(90.0, 0.5, 0.5, 1.0),
    "AttentionField": lambda: cortex.AttentionField(2.0, orientation=45.0, spread=20.0),
    "Batch": lambda: oo.minibatches(tasks.SequentialDigits().test, 3, key=KEY)(0),
    "Bounded": lambda: oo.Bounded(np.ones(2), 0.5, 3.0),
    "Circulant": lambda: oo.Circulant(np.arange(4.0)),
    "Diagonal": lambda: oo.Diagonal(np.ones(2)),
    "Kronecker": lambda: oo.Kronecker(MATRIX, oo.Diagonal(np.ones(2))),
    "LowRank": lambda: oo.LowRank(np.ones((3, 2)), np.ones((4, 2))),
    "Sparse": lambda: oo.Sparse(np.ones(2), [0, 1], [1, 0], (2, 2)),
    "Connectivity": lambda: oo.Connectivity(MATRIX, mask=MATRIX > 0, signs=np.array([1, 1])),
    "Constant": lambda: oo.Constant(np.ones(2)),
    "ContextDecision": tasks.ContextDecision,
    "Citation": oo.citation,
    "ContrastResponse": lambda: cortex.contrast_response(ring(), grating(), [0.1, 0.5]),
    "ContrastSteps": lambda: cortex.ContrastSteps(grating(), [0.0, 50.0], [0.0, 0.5]),
    "CopyMemory": tasks.CopyMemory,
    "DelayedComparison": tasks.DelayedComparison,
    "DelayedMatch": tasks.DelayedMatch,
    "EarlyStopping": lambda: oo.EarlyStopping("accuracy", 4),
    "EnsembleResult": lambda: oo.EnsembleResult((classifier(),), history(), ("diverged",), (1,)),
    "Euler": lambda: oo.Euler(zoo.gated(), 0.5),
    "FeedbackNetwork": feedback_network,
    "FitResult": lambda: oo.FitResult(classifier(), history()),
    "FixedPointLayer": lambda: oo.FixedPointLayer(np.eye(2), np.eye(2), np.eye(2), 0.1, np.ones(2)),
    "FixedPoints": lambda: points(oo.FixedPoints),
    "FlipFlop": tasks.FlipFlop,
    "FromRest": lambda: feedback.FromRest(3, 0.1),
    "Frozen": lambda: oo.Frozen(np.ones(2)),
    "FunctionInput": lambda: oo.FunctionInput(jnp.sin),
    "FanoResponse": lambda: cortex.FanoResponse(
        jnp.ones(2), jnp.ones((2, 4)), jnp.ones((2, 4)), jnp.ones(()), experiment()
    ),
    "Gabor": lambda: cortex.Gabor(45.0, 0.5, width=0.5),
    "Grating": grating,
    "GammaPeak": lambda: cortex.GammaPeak(*jnp.ones((4, 2)), experiment()),
    "GRU": lambda: oo.GRU(eqx.nn.GRUCell(2, 3, key=KEY)),
    "GatedORGaNICs": zoo.CIRCUITS["gated bounded tau"],
    "Geometry": lambda: mean_field.Geometry(1.2, 0.5, 0.5, 1, 1, 0.3),
    "History": history,
    "IdentityPlusSkew": lambda: oo.IdentityPlusSkew([[1.0, -2.0], [2.0, 1.0]]),
    "Hierarchy": hierarchy,
    "LRU": lambda: oo.LRU.random(2, 3, key=KEY),
    "LSTM": lambda: oo.LSTM(eqx.nn.LSTMCell(2, 3, key=KEY)),
    "Image": lambda: cortex.from_image(np.eye(4), pixels_per_degree=4.0),
    "Latency": lambda: cortex.Latency(jnp.ones(2), jnp.ones((2, 4)), experiment()),
    "LinearInput": lambda: oo.LinearInput([0.0, 1.0], ROWS),
    "LogUniform": lambda: oo.LogUniform(1.0, 10.0),
    "LogitNormal": lambda: oo.LogitNormal(1.0),
    "Minibatches": lambda: oo.minibatches(tasks.SequentialDigits().test, 3, key=KEY),
    "MaskResponse": lambda: cortex.mask_response(ring(), grating(), grating(), [0.5], [0.1, 0.2]),
    "MixedPrecision": lambda: oo.MixedPrecision(oo.Euler(zoo.gated(dtype=np.float32), 0.5)),
    "NakaRushton": lambda: fitted(cortex.NakaRushton, "r_max", "c50", "n", "s", "baseline"),
    "NeurogymTask": lambda: tasks.NeurogymTask(Environment(), 5, actions=3),
    "MeasurementNoise": lambda: oo.MeasurementNoise(0.1, 5.0, order=2, correlation=0.3),
    "Noise": lambda: oo.Noise(oo.ORGaNICsState(0.2, 0.0)),
    "NoiseSum": lambda: oo.Noise(0.1) + oo.PoissonNoise(0.2),
    "OrnsteinUhlenbeckNoise": lambda: oo.OrnsteinUhlenbeckNoise(oo.ORGaNICsState(0.2, 0.0), 5.0),
    "PoissonNoise": lambda: oo.PoissonNoise(oo.ORGaNICsState(0.2, 0.0)),
    "SharedNoise": lambda: oo.SharedNoise(oo.ORGaNICsState(MATRIX, 0.0), tau=5.0),
    "Noisy": lambda: oo.Noisy(rate_network()),
    "NonNegative": lambda: oo.NonNegative(np.ones(2)),
    "ORGaNICs": zoo.CIRCUITS["organics trained exponent"],
    "NoiseCorrelations": lambda: cortex.NoiseCorrelations(
        jnp.ones(2), jnp.ones((2, 4, 4)), jnp.ones(()), experiment()
    ),
    "OrientationTuning": lambda: cortex.orientation_tuning(ring(), grating(), [0.0, 90.0]),
    "OrientedNoise": lambda: cortex.OrientedNoise(45.0, 0.5, spread=20.0),
    "PSTH": lambda: cortex.PSTH(jnp.arange(2.0), jnp.ones((2, 4)), experiment()),
    "PeakAndSlope": lambda: fitted(
        cortex.PeakAndSlope, "offset", "exponent", "height", "frequency", "width"
    ),
    "PowerSpectra": lambda: cortex.PowerSpectra(
        jnp.ones(2), jnp.ones(3), jnp.ones((2, 3, 4)), experiment()
    ),
    "PerceptualDecision": tasks.PerceptualDecision,
    "PlanarFixedPoints": lambda: planar.PlanarFixedPoints(
        oo.ORGaNICsState(*jnp.ones((2, 2, 1))), jnp.full((2, 2), 1j), jnp.zeros(2), ("node",) * 2
    ),
    "Plaid": lambda: cortex.Plaid(grating(), grating()),
    "Positive": lambda: oo.Positive(np.ones(2)),
    "RatioOfGaussians": lambda: fitted(
        cortex.RatioOfGaussians,
        *("center_gain", "center_width", "surround_gain", "surround_width", "baseline"),
    ),
    "Reweighting": lambda: cortex.Reweighting(ring().circuit, 0.1, 0.01 * np.eye(4)),
    "ReynoldsHeeger": lambda: cortex.ReynoldsHeeger(positions=np.arange(3.0)),
    "RateNetwork": rate_network,
    "ReactionTime": lambda: tasks.ReactionTime(tasks.PerceptualDecision()),
    "Readout": lambda: classifier().readout,
    "Recipe": lambda: oo.recipe("cornn-smnist"),
    "ReadySetGo": tasks.ReadySetGo,
    "Ring": ring,
    "RingTask": lambda: tasks.RingTask(next(iter(tasks.RING_TASKS))),
    "RuleReversal": tasks.RuleReversal,
    "RungeKutta": lambda: oo.RungeKutta(zoo.organics(), 0.5),
    "SequenceClassifier": classifier,
    "SequenceToSequence": lambda: oo.SequenceToSequence(classifier().cell, classifier().readout),
    "SequentialDigits": tasks.SequentialDigits,
    "Sheet": lambda: cortex.Sheet((2, 2), 2),
    "SharedSpectra": shared_spectra,
    "SemiImplicitEuler": lambda: oo.SemiImplicitEuler(oo.CoRNN.random(2, 3, key=KEY), 0.5),
    "ShuOsher": lambda: oo.ShuOsher(zoo.organics(), 0.5),
    "SizeTuning": lambda: cortex.size_tuning(cortex.Sheet((2, 2), 2), grating(), [0.1, 0.5]),
    "SkipSchedule": lambda: oo.SkipSchedule(oo.StateSkip(), length=3),
    "SkipResult": lambda: oo.SkipResult((classifier(),), history(), *np.ones((2, 1)), "completed"),
    "SlowPoints": lambda: points(oo.SlowPoints, speeds=jnp.zeros(2)),
    "SpectralBound": lambda: oo.SpectralBound(MATRIX, 1.5),
    "Stage": lambda: Stage(0, 3, 0.5),
    "SymmetricPart": lambda: oo.SymmetricPart([[0.5, -2.0], [2.0, 1.0]], low=0.1),
    "TemporalAttention": cortex.TemporalAttention,
    "TransientIndex": lambda: cortex.TransientIndex(jnp.ones(2), jnp.ones((2, 4)), experiment()),
    "TemporalSkip": lambda: oo.TemporalSkip(oo.Euler(zoo.gated(), 0.5), oo.StateSkip(), 3, 0.5),
    "SkewSymmetric": lambda: oo.SkewSymmetric([[0.0, -2.0], [2.0, 0.0]]),
    "Stack": stack,
    "StackState": lambda: stack().initial_state(),
    "Trajectory": trajectory,
    "Trial": lambda: tasks.FlipFlop().sample(KEY),
    "Trials": lambda: oo.trials(tasks.FlipFlop(), 3, key=KEY),
    "ZeroOrderHold": lambda: oo.ZeroOrderHold([0.0, 1.0], ROWS),
}


def public_classes():
    """All final ones, and those that public functions return without naming them."""
    named = {v for space in NAMESPACES for v in vars(space).values() if isinstance(v, type)}
    named |= {type(OBJECTS[name]()) for name in ("Minibatches", "Trials", "Stage")}
    is_library = {c for c in named if c.__module__.partition(".")[0] in ("organics_ode", "tasks")}
    return sorted((c for c in is_library if not _is_left_out(c)), key=lambda c: c.__name__)


def _is_left_out(cls):
    is_protocol = getattr(cls, "_is_protocol", False)
    return issubclass(cls, BaseException) or is_protocol or cls.__name__.startswith("Abstract")


def build(cls):
    """An object of the class: its entry, or one filled from its annotations."""
    if cls.__name__ in OBJECTS:
        return OBJECTS[cls.__name__]()
    if issubclass(cls, oo.AbstractCircuit):  # a new one needs no entry
        return cls.random(2, 3, key=KEY)
    if issubclass(cls, enum.Enum):
        return next(iter(cls))
    is_record = dataclasses.is_dataclass(cls) or hasattr(cls, "_fields")
    assert is_record, f"{cls.__name__} needs an entry in `OBJECTS`"
    hints = typing.get_type_hints(cls)
    names = getattr(cls, "_fields", None) or [f.name for f in dataclasses.fields(cls)]
    parts = {name: _filled(hints[name]) for name in names}
    if issubclass(cls, tuple):
        return cls(**parts)
    module = object.__new__(cls)
    vars(module).update(parts)
    return module


def _filled(hint):
    """A value of an annotated type; every named dimension is `SIZE`."""
    if hasattr(hint, "dim_str"):
        return _array(hint)
    if isinstance(hint, types.UnionType):
        return _filled(typing.get_args(hint)[0])
    if typing.get_origin(hint) is tuple:
        return (_filled(typing.get_args(hint)[0]),) * 2
    plain: dict[typing.Any, typing.Any] = {
        float: 0.5,
        int: 1,
        bool: True,
        str: "a",
        typing.Any: oo.ORGaNICsState(1.0, 2.0),
    }
    if isinstance(hint, typing.TypeVar) or (isinstance(hint, type) and issubclass(hint, PyTree)):
        return plain[typing.Any]
    if hint in plain:
        return plain[hint]
    if hint is diffrax.RESULTS:
        return diffrax.RESULTS.successful
    return {} if typing.get_origin(hint) is dict else build(hint)


def _array(hint):
    dims = [d for d in hint.dim_str.split() if d[0] not in ".*"]
    shape = tuple(int(d) if d.isdigit() else SIZE for d in dims)
    kind = hint.dtypes[0] if isinstance(hint.dtypes[0], str) else hint.dtypes[0].pattern
    kinds = {"bool": bool, "int32": np.int32, "int": int, "complex": complex}
    kinds |= {"float32": np.float32, "float": float}
    array = np.ones(shape, next(dtype for name, dtype in kinds.items() if name in kind))
    return jax.device_put(array) if hint.array_type is jax.Array else array
