"""Any optimizer of optax as one function of a step."""

from ._decay import each_without_decay as each_without_decay, without_decay as without_decay
from ._optimizer import (
    Always as Always,
    Optimizer as Optimizer,
    is_optimizer as is_optimizer,
    optimizer_start as optimizer_start,
    optimizer_step as optimizer_step,
)
