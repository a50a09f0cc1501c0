"""What a kind of noise is, and the sum of kinds."""

import functools
from abc import abstractmethod

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from ..._checks import refuse, shown
from ..._types import State
from ._source import Source


class AbstractNoise(eqx.Module):
    """A kind of noise; `first + second` is the `NoiseSum` of both as independent sources.

    To write your own, subclass it and define the two members below.
    """

    @abstractmethod
    def variance(self, state: State) -> State:
        """S_i² of independent white noise at a state: a state, in its unit squared per ms."""

    @abstractmethod
    def sources(self, state: PyTree) -> tuple[Source, ...]:
        """All other processes, with the shapes and dtype of a state; the same at every state."""

    def __add__(self, other: "AbstractNoise") -> "NoiseSum":
        return NoiseSum(self, other) if isinstance(other, AbstractNoise) else NotImplemented


class NoiseSum(AbstractNoise):
    """Independent kinds of noise at once, `first + second`; covariances and spectra add up.

    Args:
        kinds: kinds of noise; sums among them are split into their terms.

    Raises:
        ValueError: none is given, or one is not a kind of noise.
    """

    kinds: tuple[AbstractNoise, ...]

    def __init__(self, *kinds: AbstractNoise):
        if not kinds:
            refuse("kinds", "hold at least one kind of noise", "it is empty")
        for kind in kinds:
            check_noise(kind, "kinds")
        self.kinds = tuple(term for kind in kinds for term in _terms(kind))

    def variance(self, state: State) -> State:
        """The sum of the S_i² of all kinds: a state, in its unit squared per ms."""
        variances = [kind.variance(state) for kind in self.kinds]
        return functools.reduce(functools.partial(jax.tree.map, jnp.add), variances)

    def sources(self, state: PyTree) -> tuple[Source, ...]:
        """The processes of all kinds."""
        return tuple(source for kind in self.kinds for source in kind.sources(state))


def _terms(kind: AbstractNoise) -> tuple[AbstractNoise, ...]:
    return kind.kinds if isinstance(kind, NoiseSum) else (kind,)


def check_noise(noise: object, name: str = "noise") -> None:
    if not isinstance(noise, AbstractNoise):
        refuse(name, "be an `oo.Noise`, such as `oo.Noise(0.1)`", f"it is {shown(noise)}")
