"""Training with optax."""

from ._checkpoints import Checkpoint as Checkpoint, Progress as Progress
from ._ensemble import ensemble as ensemble
from ._fit import fit as fit
from ._history import (
    Columns as Columns,
    EnsembleResult as EnsembleResult,
    FitResult as FitResult,
    History as History,
    SkipResult as SkipResult,
    TrainingDiverged as TrainingDiverged,
    TrainingInterrupted as TrainingInterrupted,
    TrainingNotSaved as TrainingNotSaved,
)
from ._losses import (
    accuracy as accuracy,
    cross_entropy as cross_entropy,
    squared_error as squared_error,
)
from ._objective import evaluate as evaluate
from ._stopping import EarlyStopping as EarlyStopping
from .batches import (
    Batch as Batch,
    Minibatches as Minibatches,
    Task as Task,
    Trials as Trials,
    minibatches as minibatches,
    trials as trials,
)
from .skips._fit import fit_with_skips as fit_with_skips
from .skips._schedule import SkipSchedule as SkipSchedule, Stage as Stage
