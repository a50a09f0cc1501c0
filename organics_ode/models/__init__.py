"""Models, which map one sample to its outputs."""

from ._fixed_point_layer import FixedPointLayer as FixedPointLayer
from ._readout import Readout as Readout
from ._recipes import Recipe as Recipe, recipe as recipe, recipe_names as recipe_names
from ._sequences import (
    SequenceClassifier as SequenceClassifier,
    SequenceToSequence as SequenceToSequence,
)
