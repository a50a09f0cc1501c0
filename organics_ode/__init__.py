"""ORGaNICs: recurrent circuits of divisive normalization in continuous time, for JAX."""

from ._batches import Batch as Batch, minibatches as minibatches, trials as trials
from ._constraints import (
    Bounded as Bounded,
    Frozen as Frozen,
    NonNegative as NonNegative,
    Positive as Positive,
    SpectralBound as SpectralBound,
    project as project,
    resolve as resolve,
    trainable as trainable,
)
from ._inputs import (
    AbstractInput as AbstractInput,
    Constant as Constant,
    FunctionInput as FunctionInput,
    LinearInput as LinearInput,
    ZeroOrderHold as ZeroOrderHold,
)
from ._nonlinearities import Rectification as Rectification
from ._simulate import simulate as simulate
from ._trajectory import Trajectory as Trajectory
from ._unroll import unroll as unroll
from .cells import AbstractCell as AbstractCell, Euler as Euler
from .checkpoint import load as load, save as save
from .circuits import (
    AbstractCircuit as AbstractCircuit,
    AbstractInitializer as AbstractInitializer,
    GatedORGaNICs as GatedORGaNICs,
    GatedORGaNICsState as GatedORGaNICsState,
    LogitNormal as LogitNormal,
    LogUniform as LogUniform,
    ORGaNICs as ORGaNICs,
    ORGaNICsState as ORGaNICsState,
)
from .losses import (
    accuracy as accuracy,
    cross_entropy as cross_entropy,
    squared_error as squared_error,
)
from .models import (
    SequenceClassifier as SequenceClassifier,
    SequenceToSequence as SequenceToSequence,
)
from .plot import plot_history as plot_history, plot_trajectory as plot_trajectory
from .train import (
    FitResult as FitResult,
    History as History,
    TrainingDiverged as TrainingDiverged,
    TrainingInterrupted as TrainingInterrupted,
    evaluate as evaluate,
    fit as fit,
)
