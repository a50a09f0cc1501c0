"""The explorer, a local web page for small circuits: `python -m organics_ode explore`."""

from ._models import MODELS as MODELS, Knob as Knob, Model as Model
from ._presets import PRESETS as PRESETS, Preset as Preset
from ._script import script as script
from ._server import explore as explore
from ._view import View as View, view as view
