"""Initial values of parameters, drawn from a key."""

from abc import abstractmethod

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from .._checks import (
    check_positive_integer,
    check_positive_number,
    is_traced,
    read_key,
    read_number,
    refuse,
)
from .._constraints import AbstractNode, Bounded
from .._types import KeyLike, ParameterLike
from ..programs import quickly_compiled


class AbstractInitializer(eqx.Module):
    """Draws one parameter per unit."""

    @abstractmethod
    def __call__(self, key: KeyLike, size: int) -> AbstractNode:
        """The parameter, (size,)."""


class LogUniform(AbstractInitializer):
    """Time constants log-uniform between two times (ms), kept above `bound` during training.

    Time constants must fit the sequence: from a few steps to about its length.

    Args:
        low, high, bound: times in ms; `bound` is `low`/2 unless given.

    Raises:
        ValueError: not 0 ≤ bound < low < high.
    """

    low: float
    high: float
    bound: float

    def __init__(self, low: float, high: float, *, bound: float | None = None):
        named = (("low", low), ("high", high))
        low, high = (float(check_positive_number(*each)) for each in named)
        self.low, self.high = low, high
        self.bound = low / 2 if bound is None else read_number("bound", bound)
        if not 0 <= self.bound < low < high:
            refuse(
                "low", "lie between `bound` and `high`", f"{self.bound}, {low}, {high} were given"
            )

    def __call__(self, key: KeyLike, size: int) -> Bounded:
        key = read_key("key", key)
        log_tau = _uniform(key, size, jnp.log(self.low), jnp.log(self.high))
        return Bounded(jnp.exp(log_tau), low=self.bound)


class LogitNormal(AbstractInitializer):
    """Time constants τ = shortest/sigmoid(θ) with θ ~ N(0, 1), initialised as in the authors' code.

    With an Euler step dt this is dt/τ = (dt/shortest)·sigmoid(θ), which stays below dt/shortest
    during training.

    Args:
        shortest: time in ms, > 0.

    Raises:
        ValueError: `shortest` is not positive.
    """

    shortest: float

    def __init__(self, shortest: float):
        self.shortest = float(check_positive_number("shortest", shortest))

    def __call__(self, key: KeyLike, size: int) -> Bounded:
        key = read_key("key", key)
        tau = self.shortest / _sigmoid_of_normal(key, size)
        return Bounded(tau, low=self.shortest)


# What `random` accepts for a parameter: how to draw it, or its value.
Drawn = ParameterLike | AbstractInitializer


def draw(initializer: Drawn, key: PRNGKeyArray, size: int) -> ParameterLike:
    """The drawn parameter, or the value or node that was given instead of an initializer."""
    return initializer(key, size) if isinstance(initializer, AbstractInitializer) else initializer


# A circuit is drawn once: each of these is one program that is compiled for its first call.
@quickly_compiled
def _uniform(
    key: PRNGKeyArray, size: int, low: Float[Array, ""], high: Float[Array, ""]
) -> Float[Array, " n"]:
    return jax.random.uniform(key, (size,), minval=low, maxval=high)


@quickly_compiled
def _sigmoid_of_normal(key: PRNGKeyArray, size: int) -> Float[Array, " n"]:
    return jax.nn.sigmoid(jax.random.normal(key, (size,)))


@quickly_compiled
def uniform_fan_in(key: PRNGKeyArray, shape: tuple[int, int]) -> Float[Array, "n m"]:
    """U(−1/√m, 1/√m) for a matrix of shape (n, m)."""
    bound = shape[1] ** -0.5
    return jax.random.uniform(key, shape, minval=-bound, maxval=bound)


@quickly_compiled
def input_matrix(key: PRNGKeyArray, shape: tuple[int, int]) -> Float[Array, "n m"]:
    """Uniform, then divided by its largest singular value: ‖W_zx x‖ ≤ ‖x‖."""
    W = uniform_fan_in(key, shape)
    return W / jnp.linalg.norm(W, 2)


@quickly_compiled
def shared_pool(key: PRNGKeyArray, shape: tuple[int, int]) -> Float[Array, "g n"]:
    """U(0, 1), a row for each group of units."""
    return jax.random.uniform(key, shape)


@quickly_compiled
def pool_matrix(key: PRNGKeyArray, size: int) -> Float[Array, "n n"]:
    """U(0, 1) with ones on the diagonal: every unit normalizes itself fully."""
    return jnp.fill_diagonal(jax.random.uniform(key, (size, size)), 1.0, inplace=False)


@quickly_compiled
def orthogonal_matrix(key: PRNGKeyArray, size: int) -> Float[Array, "n n"]:
    return jax.random.orthogonal(key, size)


@quickly_compiled
def rotation_matrix(key: PRNGKeyArray, size: int, groups: int) -> Float[Array, "n n"]:
    """I + (A − Aᵀ)/√2, A ~ N(0, 1)/√k within each group of k units."""
    k = size // groups
    A = jax.scipy.linalg.block_diag(*jax.random.normal(key, (groups, k, k)))
    return jnp.eye(size, dtype=A.dtype) + (A - A.T) / (2 * k) ** 0.5


def check_sizes(input_size: int, size: int) -> tuple[int, int]:
    return check_positive_integer("input_size", input_size), check_positive_integer("size", size)


def balanced(sizes: Float[Array, "n n"], excites: Bool[np.ndarray, " n"]) -> Float[Array, "n n"]:
    """Signed weights of these sizes whose inhibition of a unit balances its excitation, Σ_j = 0.

    The weights of a unit that receives only one of the two kinds stay as they are.
    """
    excitation = jnp.sum(sizes, axis=1, keepdims=True, where=excites)
    inhibition = jnp.sum(sizes, axis=1, keepdims=True, where=~excites)
    hears_both = (excitation > 0) & (inhibition > 0)
    gain = jnp.where(hears_both, excitation / jnp.where(hears_both, inhibition, 1), 1)
    return jnp.where(excites, sizes, -gain * sizes)


def with_radius(W: Float[Array, "n n"], radius: float) -> Float[Array, "n n"]:
    """A matrix scaled so that its largest |eigenvalue| is `radius`."""
    radius = check_positive_number("radius", radius)
    # LAPACK where W is known: not every device can compute eigenvalues.
    values = jnp.linalg.eigvals(W) if is_traced(W) else np.linalg.eigvals(np.asarray(W))
    largest = jnp.asarray(abs(values).max(), W.dtype)
    return W * (radius / jnp.where(largest > 0, largest, 1))
