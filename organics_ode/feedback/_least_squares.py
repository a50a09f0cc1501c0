import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array

from .._checks import check_positive_number, is_traced, refuse
from .._types import Numbers, Scalar
from ..circuits import FeedbackNetwork
from ..programs import in_full_precision
from ._conditions import Conditions, open_loop, read_conditions
from ._trained import Trained


def least_squares(network: FeedbackNetwork, target: Numbers, x: Numbers | None = None) -> Trained:
    """The readout of least norm that is exact in the teacher's states (an echo state network).

        n = A φ(x_A) N/|φ(x_A)|²,    x_A = g χ φ(x_A) + m A + I + W_x u

    and for many conditions n = N Φ⁺ A, Φ (conditions, N) with rows φ(x_A). If `error` is zero, x_A
    is a fixed point of the trained network. It may be unstable, and need not be the only one: for
    large targets a second one, of the opposite sign, is stable too (`attractors`).

    Args:
        network: a `FeedbackNetwork`; its readout is not used.
        target: A, scalar or (R,) like the readout; with a leading axis for many inputs.
        x: u, (k,) or (conditions, k); omit it for a network without inputs.

    Returns:
        A `Trained`.

    Raises:
        ValueError: an argument is bad, or all activities vanish in the teacher's states.
        RuntimeError: no fixed point was found with the target fed back.

    Reference:
        Jaeger, Haas, "Harnessing nonlinearity", Science 304 (2004); Mastrogiuseppe, Ostojic,
        Neural Computation 31 (2019).
    """
    conditions = read_conditions(network, target, x)
    states = open_loop(conditions)
    return _refuse_silence(_least_squares(conditions, states))


def ridge(
    network: FeedbackNetwork, target: Numbers, x: Numbers | None = None, *, alpha: Scalar
) -> Trained:
    """`least_squares` with a penalty on the norm: n/N = w minimises Σ|φ(x_A)·w − A|² + α|w|².

        n = N Φᵀ(ΦΦᵀ + α)⁻¹ A

    For one condition the direction is that of least squares, n = A φ N/(|φ|² + α). In open loop the
    readout is |φ|²/(|φ|² + α) times the target, which shifts the fixed points of the closed loop;
    |φ|² grows as N. FORCE with the same α minimises the same sum over the states it visits.

    Args:
        network, target, x: as for `least_squares`.
        alpha: α, a positive number.

    Returns:
        A `Trained`; its `error` is that in the teacher's states.

    Raises:
        ValueError, RuntimeError: as for `least_squares`.
    """
    check_positive_number("alpha", alpha)
    conditions = read_conditions(network, target, x)
    states = open_loop(conditions)
    alpha = jnp.asarray(alpha, states.dtype)
    return _refuse_silence(_ridge(conditions, states, alpha))


@eqx.filter_jit
@in_full_precision
def _least_squares(conditions: Conditions, states: Array) -> Trained:
    w = jnp.linalg.pinv(conditions.network.phi(states)) @ conditions.target
    return conditions.trained(conditions.with_readout(w), states)


@eqx.filter_jit
@in_full_precision
def _ridge(conditions: Conditions, states: Array, alpha: Array) -> Trained:
    Phi = conditions.network.phi(states)  # (conditions, N)
    gram = Phi @ Phi.T + alpha * jnp.eye(len(Phi), dtype=Phi.dtype)
    w = Phi.T @ jnp.linalg.solve(gram, conditions.target)
    return conditions.trained(conditions.with_readout(w), states)


def _refuse_silence(trained: Trained) -> Trained:
    if not is_traced(trained.states) and not jnp.any(trained.network.phi(trained.states)):
        must = "be driven by its input or by the target fed back"
        refuse("network", must, "phi(x) = 0 for all units, and no readout can tell its states")
    return trained
