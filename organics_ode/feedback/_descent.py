from abc import abstractmethod
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree

from .._checks import (
    a_or_an,
    check_kind,
    check_positive_integer,
    check_positive_number,
    is_traced,
    refuse,
)
from .._types import Numbers
from ..cells import Euler
from ..circuits import NO_TIME, FeedbackNetwork, FeedbackNetworkState, Parameter
from ..dynamics import unroll
from ..linear import jacobian_matrix
from ..optimizers import Optimizer, is_optimizer, optimizer_start, optimizer_step
from ..programs import Shared, compiled, in_full_precision, shared
from ._conditions import Conditions, read_conditions
from ._rest import run_to_rest, still
from ._trained import Trained


class AbstractRun(eqx.Module):
    """How to find the state in which the readout is compared with its target."""

    @abstractmethod
    def __call__(self, network: FeedbackNetwork, x: Array, last: Array) -> Array:
        """The state (N,) for the input x (k,); `last` is the state of the step before."""


class AtFixedPoint(AbstractRun):
    """The fixed point that the flow reaches from the last one, with implicit derivatives.

    Args:
        steps, dt: the maximum number of Euler steps, and their length.
    """

    steps: int
    dt: float

    def __init__(self, steps: int = 5000, dt: float = 0.1):
        self.steps, self.dt = _read_steps(steps, dt)

    def __call__(self, network: FeedbackNetwork, x: Array, last: Array) -> Array:
        stopped = _stopped(network), _stopped(x), _stopped(last)
        v, rests = run_to_rest(*stopped, self.dt, self.steps, still(last.dtype))
        state = FeedbackNetworkState(v)
        J = _stopped(jacobian_matrix(network, state, x))
        # A Newton step with J held fixed: it only moves by rounding, but its derivative is
        # −J⁻¹ ∂f/∂θ.
        v = v - jnp.linalg.solve(J, network.vector_field(NO_TIME, state, x).x)
        return jnp.where(rests, v, jnp.nan)


class FromRest(AbstractRun):
    """The state after `steps` Euler steps of length `dt` from x = 0; derivatives through them."""

    steps: int
    dt: float

    def __init__(self, steps: int, dt: float):
        self.steps, self.dt = _read_steps(steps, dt)

    def __call__(self, network: FeedbackNetwork, x: Array, last: Array) -> Array:
        xs = jnp.broadcast_to(x, (self.steps, x.size))
        return unroll(Euler(network, self.dt), xs, last_only=True).x


def _read_steps(steps: int, dt: float) -> tuple[int, float]:
    steps = check_positive_integer("steps", steps)
    check_positive_number("dt", dt)
    return steps, float(dt)


def _stopped(tree: PyTree) -> PyTree:
    return jax.tree.map(jax.lax.stop_gradient, tree)


def readout_weights(network: FeedbackNetwork) -> tuple[Parameter, ...]:
    """Select only n, for `weights` of `descend`.

    Args:
        network: a `FeedbackNetwork`.

    Returns:
        (n,).

    Raises:
        ValueError: it is not a `FeedbackNetwork`.
    """
    check_kind("network", network, FeedbackNetwork)
    return (network.n,)


def all_weights(network: FeedbackNetwork) -> tuple[Parameter, ...]:
    """Select all weights, for `weights` of `descend`; g is left out because it only scales χ.

    Args:
        network: a `FeedbackNetwork`.

    Returns:
        (χ, m, n, I, W_x).

    Raises:
        ValueError: it is not a `FeedbackNetwork`.
    """
    check_kind("network", network, FeedbackNetwork)
    return (network.chi, network.m, network.n, network.I, network.W_x)


def descend(
    network: FeedbackNetwork,
    target: Numbers,
    x: Numbers | None = None,
    *,
    optimizer: Optimizer,
    steps: int,
    weights: Callable[[FeedbackNetwork], PyTree] = readout_weights,
    run: AbstractRun | None = None,
) -> Trained:
    """Gradient descent on the squared error in closed loop, training the readout or all weights.

        L = ½ mean (z − A)²   over conditions and readouts

    in the state that `run` finds. From n = 0 the readout stays in the span of the activities along
    the way. All steps are one compiled scan. Training starts from the network's own weights; the
    result has plain arrays in place of parameter nodes.

    Args:
        network: a `FeedbackNetwork`.
        target: A, scalar or (R,) like the readout; with a leading axis for many inputs.
        x: u, (k,) or (conditions, k); omit it for a network without inputs.
        optimizer: from optax. A weight n_i acts as n_i/N, so plain gradient descent needs a
            learning rate of about N.
        steps: the number of updates.
        weights: a function of the network that selects the trained weights: `readout_weights`,
            `all_weights`, or your own, such as `lambda network: (network.n, network.m)`.
        run: `AtFixedPoint()` (the default) or `FromRest(steps, dt)`.

    Returns:
        A `Trained`, with the last states and their error; `history` is √(2L) before each update.

    Raises:
        ValueError: an argument is bad.
        RuntimeError: training diverged, or no fixed point was found.
    """
    steps = check_positive_integer("steps", steps)
    run = AtFixedPoint() if run is None else run
    if not isinstance(run, AbstractRun):
        refuse("run", "be AtFixedPoint() or FromRest(steps, dt)", f"it is {run!r}")
    if not callable(weights) or isinstance(weights, type):
        refuse("weights", "be a function of the network", f"it is {weights!r}")
    if not is_optimizer(optimizer):
        refuse(
            "optimizer", "be an optax transformation", f"it is {a_or_an(type(optimizer).__name__)}"
        )
    conditions = read_conditions(network, target, x)
    trained = _descend(conditions, run, shared(weights, optimizer), steps)
    if not is_traced(trained.error) and not jnp.all(jnp.isfinite(trained.error)):
        raise RuntimeError(
            "The training diverged, or the network came to no fixed point any more. Take a smaller "
            "learning rate."
        )
    return trained


@compiled
@in_full_precision
def _descend(conditions: Conditions, run: AbstractRun, rules: Shared, steps: int) -> Trained:
    start, (weights, optimizer) = conditions.network, rules.whole()

    def network_of(trained: PyTree) -> FeedbackNetwork:
        return eqx.tree_at(weights, start, trained)

    def find(network: FeedbackNetwork, last: Array) -> Array:
        return jax.vmap(lambda x, last: run(network, x, last))(conditions.x, last)

    def loss(trained: PyTree, last: Array) -> tuple[Array, dict[str, Array]]:
        network = network_of(trained)
        states = find(network, last)
        z = network.readout(FeedbackNetworkState(states))
        value = jnp.mean((z - conditions.target.reshape(z.shape)) ** 2) / 2
        return value, {"loss": value, "states": states}

    def step(carry: tuple, _: None) -> tuple:
        trained, memory, last = carry
        slope = jax.grad(lambda trained: loss(trained, last), has_aux=True)
        trained, memory, found = optimizer_step(optimizer, trained, memory, slope)
        return (trained, memory, found["states"]), jnp.sqrt(2 * found["loss"])

    first = weights(start)
    last = jnp.broadcast_to(start.initial_state().x, (len(conditions.x), start.size))
    carry = (first, optimizer_start(optimizer, first), last)
    (trained, _, last), history = jax.lax.scan(step, carry, length=steps)
    network = network_of(trained)
    return conditions.trained(network, find(network, last), history)
