"""Any optimizer of optax as one function for a step, and which model is kept after it."""

from ._decay import each_without_decay as each_without_decay, without_decay as without_decay
from ._optimizer import (
    Always as Always,
    Optimizer as Optimizer,
    is_optimizer as is_optimizer,
    optimizer_start as optimizer_start,
    optimizer_step as optimizer_step,
)
from ._update import (
    State as State,
    begin as begin,
    choose as choose,
    is_finite as is_finite,
    is_good as is_good,
    update as update,
)
