"""Tasks and data sets to train recurrent circuits on; independent of `organics_ode`."""

from ._adding import AddingProblem as AddingProblem
from ._choice import AbstractChoiceTask as AbstractChoiceTask
from ._cognitive import AbstractCognitiveTask as AbstractCognitiveTask
from ._comparison import DelayedComparison as DelayedComparison
from ._context import ContextDecision as ContextDecision
from ._copy import CopyMemory as CopyMemory
from ._digits import SequentialDigits as SequentialDigits
from ._flip_flop import FlipFlop as FlipFlop
from ._match import DelayedMatch as DelayedMatch
from ._mnist import MNIST as MNIST, SequentialMNIST as SequentialMNIST
from ._neurogym import NeurogymTask as NeurogymTask
from ._perceptual import PerceptualDecision as PerceptualDecision
from ._psychometric import (
    Psychometric as Psychometric,
    PsychometricFit as PsychometricFit,
    fit_psychometric as fit_psychometric,
    psychometric as psychometric,
)
from ._reaction import (
    Chronometric as Chronometric,
    Reaction as Reaction,
    chronometric as chronometric,
    reaction as reaction,
)
from ._reaction_time import ReactionTime as ReactionTime
from ._ready_set_go import ReadySetGo as ReadySetGo
from ._rule_reversal import RuleReversal as RuleReversal
from ._task import (
    AbstractDataSet as AbstractDataSet,
    AbstractTask as AbstractTask,
    Split as Split,
    Trial as Trial,
)
from ._timeline import Period as Period
from .ring import RING_TASKS as RING_TASKS, RingTask as RingTask
