"""Stimuli, and fields of attention."""

from ._annulus import Annulus as Annulus
from ._attention import AttentionField as AttentionField
from ._gabor import Gabor as Gabor
from ._grating import Grating as Grating
from ._image import Image as Image, from_image as from_image, from_stimupy as from_stimupy
from ._noise import OrientedNoise as OrientedNoise
from ._patch import Patch as Patch
from ._plaid import Plaid as Plaid
from ._steps import ContrastSteps as ContrastSteps
from ._stimulus import AbstractStimulus as AbstractStimulus
