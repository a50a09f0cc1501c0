"""Tasks and data sets to train recurrent circuits on; independent of `organics_ode`."""

from ._adding import AddingProblem as AddingProblem
from ._copy import CopyMemory as CopyMemory
from ._digits import SequentialDigits as SequentialDigits
from ._mnist import MNIST as MNIST, SequentialMNIST as SequentialMNIST
from ._task import (
    AbstractDataSet as AbstractDataSet,
    AbstractTask as AbstractTask,
    Split as Split,
    Trial as Trial,
)
