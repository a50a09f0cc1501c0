"""A good call of every public function and class: `CALLS` maps a name to it and its arguments.

The arguments are made from a number: other values of the same shapes for another number, and
everything that a caller makes anew at each call (an optimizer, a lambda) made anew.
"""

import calls_analysis
import calls_classes
import calls_cortex
import calls_learning
import calls_plots
import calls_tasks
import calls_theory
from calls_parts import Call

CALLS: dict[str, Call] = {
    **calls_analysis.CALLS,
    **calls_learning.CALLS,
    **calls_classes.CALLS,
    **calls_theory.CALLS,
    **calls_cortex.CALLS,
    **calls_tasks.CALLS,
    **calls_plots.CALLS,
}
