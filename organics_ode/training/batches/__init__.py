"""Batches: from a data set, from trials of a task, from an iterable."""

from ._batch import Batch as Batch, Data as Data, read_samples as read_samples
from ._minibatches import Minibatches as Minibatches, minibatches as minibatches
from ._read import (
    Batches as Batches,
    BatchesEnded as BatchesEnded,
    Listed as Listed,
    check_repeatable as check_repeatable,
    count_steps as count_steps,
    given as given,
    read_function as read_function,
)
from ._spread import (
    mesh_for_batches as mesh_for_batches,
    mesh_for_members as mesh_for_members,
    mesh_for_samples as mesh_for_samples,
    mesh_for_trials as mesh_for_trials,
)
from ._task import Task as Task
from ._trials import (
    NumpyTrials as NumpyTrials,
    Trials as Trials,
    is_in_numpy as is_in_numpy,
    trials as trials,
)
