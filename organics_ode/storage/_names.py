"""What a file may name without `like`: the classes and functions of this table, and nothing else.

Names are only looked up here: a name in a file imports nothing, and what it finds is not called
while the file is read. No function of the table reads, writes or runs anything.
"""

import enum
import functools
import importlib
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import optax
import optax.contrib
from jax.scipy import special

from ._encoding import Unloadable
from ._functions import saved_name

# Rooms of this library, and modules of the ground, whose final classes a file may name: those that
# the room exports, some of them (`Columns`, `Check`) only for this.
_LIBRARY = """
_constraints _nonlinearities _operators _tables cells circuits dynamics equilibria feedback linear
mean_field models noise periods planar population robustness stability studies training
"""
# `Lambda` calls the function it holds, which is one of this table; `Partial` also holds arguments.
_LAYERS = """
AdaptiveAvgPool1d AdaptiveAvgPool2d AdaptiveAvgPool3d AdaptiveMaxPool1d AdaptiveMaxPool2d
AdaptiveMaxPool3d AdaptivePool AvgPool1d AvgPool2d AvgPool3d Conv Conv1d Conv2d Conv3d ConvTranspose
ConvTranspose1d ConvTranspose2d ConvTranspose3d Dropout Embedding GRUCell GroupNorm Identity
LSTMCell Lambda LayerNorm Linear MLP MaxPool1d MaxPool2d MaxPool3d MultiheadAttention PReLU Pool
RMSNorm RotaryPositionalEmbedding Sequential Shared WeightNorm SpectralNorm
"""
_ACTIVATIONS = """
celu elu gelu hard_sigmoid hard_silu hard_swish hard_tanh identity leaky_relu log_sigmoid
log_softmax mish relu relu6 selu sigmoid silu soft_sign softmax softplus sparse_plus sparse_sigmoid
squareplus swish tanh
"""
_NUMPY = """
abs absolute arccos arccosh arcsin arcsinh arctan arctanh cbrt ceil clip conj cos cosh exp exp2
expm1 fabs floor heaviside imag log log10 log1p log2 maximum minimum negative positive real
reciprocal rint round sign sin sinc sinh sqrt square tan tanh trunc
bfloat16 bool_ complex64 complex128 float16 float32 float64
int8 int16 int32 int64 uint8 uint16 uint32 uint64
"""
_LAX = """
abs cbrt cos cosh erf erf_inv erfc exp exp2 expm1 integer_pow log log1p logistic neg reciprocal
round rsqrt sign sin sinh sqrt square tan tanh
"""
_SPECIAL = "erf erfc erfinv expit log_ndtr log_softmax logit ndtr softmax"
_OPTIMIZERS = """
AddNoiseState ApplyEvery ApplyIfFiniteState ConditionallyMaskState ConditionallyTransformState
DifferentiallyPrivateAggregateState EmaState EmptyState FactoredState InjectHyperparamsState
InjectStatefulHyperparamsState LookaheadParams LookaheadState MaskedNode MaskedState MonitorState
MultiStepsState PartitionState ScaleByAdaDeltaState ScaleByAdamState ScaleByAdanState
ScaleByAmsgradState ScaleByBacktrackingLinesearchState ScaleByBeliefState ScaleByLBFGSState
ScaleByLionState ScaleByNovogradState ScaleByRStdDevState ScaleByRmsState ScaleByRpropState
ScaleByRssState ScaleBySM3State ScaleByScheduleState ScaleByZoomLinesearchState SnapshotState
TraceState ZeroNansState ZoomLinesearchInfo
"""
_CONTRIBUTED = """
COCOBState DAdaptAdamWState DoGState DoWGState GaLoreState HutchinsonState MadgradState
MechanicState MomoAdamState MomoState MuonState ProdigyState ReduceLROnPlateauState SAMState
ScaleByAdemamixState ScaleBySimplifiedAdEMAMixState ScheduleFreeState SophiaState
SplitRealAndImaginaryState
"""
# Not in the namespace of optax, but in the modules of these functions.
_MADE_BY_OPTAX = {
    "BacktrackingLinesearchInfo": "scale_by_backtracking_linesearch",
    "ScaleByDistanceOverGradientsState": "scale_by_distance_over_gradients",
    "ScaleByOptimisticGradientState": "scale_by_optimistic_gradient",
    "ScaleByRStdDevWithCountState": "scale_by_stddev",
    "ScaleByRmsWithCountState": "scale_by_rms",
    "WrappedScheduleState": "inject_hyperparams",
    "WeightDecaySchedule": "add_decayed_weights",
    "ZoomLinesearchState": "scale_by_zoom_linesearch",
}


def find(path: str, name: str) -> Any:
    """The class or function that the file calls `name`, if the table has it."""
    if name not in _table():
        remedy = "pass a model of the same structure as `like` to load it"
        raise Unloadable(f"holds `{name}`, which a file alone may not name; {remedy}")
    return _table()[name]


@functools.cache
def _table() -> dict[Any, Any]:
    # Built on first use; this imports the whole library, whatever the file says.
    table = {saved_name(cls): cls for name in _LIBRARY.split() for cls in _classes(name)}
    table |= _named(eqx.nn, _LAYERS) | _named(jax.nn, _ACTIVATIONS) | _named(jnp, _NUMPY)
    table |= _named(jax.lax, _LAX) | _named(special, _SPECIAL)
    # How a solve ended, in results: `diffrax.RESULTS`, for one or for many.
    table |= {_name(each): each for each in (diffrax.RESULTS, type(diffrax.RESULTS.successful))}
    table |= _named(optax, _OPTIMIZERS) | _named(optax.contrib, _CONTRIBUTED) | _states_elsewhere()
    return table


def _named(module: ModuleType, names: str) -> dict[str, Any]:
    """Functions by the name in the list, and by the one that `save` writes; older packages lack a
    few."""
    there = {name: getattr(module, name) for name in names.split() if hasattr(module, name)}
    written = {_name(value): value for value in there.values()}
    return {f"{module.__name__}:{name}": value for name, value in there.items()} | written


def _classes(name: str) -> Iterator[type]:
    """The final classes that a room of this library exports, or a module of its ground has."""
    room = importlib.import_module(f"..{name}", __package__)
    for own, value in vars(room).items():
        is_here = str(getattr(value, "__module__", None)).startswith(room.__name__)
        if is_here and _is_data(value) and not own.startswith(("_", "Abstract")):
            yield value


def _is_data(value: object) -> bool:
    is_class = isinstance(value, type)
    return is_class and (issubclass(value, eqx.Module | enum.Enum) or hasattr(value, "_fields"))


def _states_elsewhere() -> dict[str, Any]:
    found = {}
    for name, maker in _MADE_BY_OPTAX.items():
        state = getattr(getattr(optax, maker, None), "__globals__", {}).get(name)
        found |= {} if state is None else {_name(state): state}
    return found


def _name(value: object) -> str:
    """The name under which it is saved; if it has none itself, that of its type."""
    return saved_name(value if hasattr(value, "__qualname__") else type(value))
