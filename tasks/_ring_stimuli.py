"""What the trials of the ring tasks show, and what is to be answered."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from ._cognitive import signs

_TURN = 2 * jnp.pi


class Stimulus(NamedTuple):
    """A bump at a direction, as strong as `strengths` says in each of the two modalities."""

    period: str
    direction: Float[Array, ""]
    strengths: Float[Array, "2"]


class Draw(NamedTuple):
    """The stimuli of one trial, the direction to answer, and whether to answer at all."""

    stimuli: tuple[Stimulus, ...]
    answer: Float[Array, ""]
    responds: Bool[Array, ""]


def one_direction(key: PRNGKeyArray, *, period: str, turn: float) -> Draw:
    """θ ~ U(0, 2π) in a random modality; the answer is θ + turn."""
    direction_key, modality_key = jax.random.split(key)
    θ = _direction(direction_key)
    stimulus = Stimulus(period, θ, _one_modality(modality_key))
    return Draw((stimulus,), θ + turn, jnp.asarray(True))


def two_strengths(key: PRNGKeyArray, *, periods: tuple[str, str], attended: int, other: bool):
    """Two directions in one modality, of strengths c ± δ; the answer is the stronger one.

    c ~ U(0.8, 1.2), δ ~ U(0.1, 0.2), θ_2 = θ_1 + U(π/2, 3π/2). With `other`, the other modality
    shows an independent draw of strengths at the same directions.
    """
    direction_key, attended_key, other_key = jax.random.split(key, 3)
    own, distractor = _strengths(attended_key), _strengths(other_key)
    rows = jnp.stack([own, distractor if other else jnp.zeros(2)], axis=-1)
    return _stronger(direction_key, periods, own, rows if attended == 0 else rows[:, ::-1])


def two_modalities(key: PRNGKeyArray, *, periods: tuple[str, str]) -> Draw:
    """Two directions, each in both modalities; the answer has the greater sum of strengths.

    The strengths s = c ± δ are those of `two_strengths`. Each stimulus shows s κ in one modality,
    drawn by chance, and s (2 - κ) in the other, with its own κ ~ U(1.2, 1.4): a single modality
    misleads, the sum of both does not.
    """
    direction_key, strength_key, κ_key, side_key = jax.random.split(key, 4)
    s = _strengths(strength_key)
    κ = 1 + signs(side_key, (2,)) * jax.random.uniform(κ_key, (2,), minval=0.2, maxval=0.4)
    return _stronger(direction_key, periods, s, s[:, None] * jnp.stack([κ, 2 - κ], axis=-1))


def match_of_directions(key: PRNGKeyArray, *, periods: tuple[str, str], on_match: bool) -> Draw:
    """θ_2 = θ_1 + U(-π/18, π/18) for a match, θ_1 + U(π/2, 3π/2) else, each half of the time."""
    shown_key, first_key, near_key, far_key, match_key = jax.random.split(key, 5)
    is_match, θ_1 = jax.random.bernoulli(match_key, 0.5), _direction(first_key)
    near = jax.random.uniform(near_key, minval=-jnp.pi / 18, maxval=jnp.pi / 18)
    θ_2 = θ_1 + jnp.where(is_match, near, _apart(far_key))
    return _answer_second(shown_key, periods, (θ_1, θ_2), is_match == on_match)


def match_of_categories(key: PRNGKeyArray, *, periods: tuple[str, str], on_match: bool) -> Draw:
    """Directions from the categories [0, π/2] and [π, 3π/2], the same one half of the time."""
    shown_key, angle_key, category_key, match_key = jax.random.split(key, 4)
    is_match = jax.random.bernoulli(match_key, 0.5)
    first = jax.random.bernoulli(category_key, 0.5)
    categories = jnp.stack([first, first == is_match])
    θ = jax.random.uniform(angle_key, (2,), maxval=jnp.pi / 2) + jnp.where(categories, jnp.pi, 0.0)
    return _answer_second(shown_key, periods, (θ[0], θ[1]), is_match == on_match)


def _direction(key: PRNGKeyArray) -> Float[Array, ""]:
    return jax.random.uniform(key, maxval=_TURN)


def _apart(key: PRNGKeyArray) -> Float[Array, ""]:
    return jax.random.uniform(key, minval=_TURN / 4, maxval=3 * _TURN / 4)


def _one_modality(key: PRNGKeyArray) -> Float[Array, "2"]:
    return jnp.where(jax.random.bernoulli(key, 0.5), jnp.array([1.0, 0.0]), jnp.array([0.0, 1.0]))


def _strengths(key: PRNGKeyArray) -> Float[Array, "2"]:
    c_key, δ_key, sign_key = jax.random.split(key, 3)
    c = jax.random.uniform(c_key, minval=0.8, maxval=1.2)
    δ = signs(sign_key) * jax.random.uniform(δ_key, minval=0.1, maxval=0.2)
    return jnp.stack([c + δ, c - δ])


def _stronger(
    key: PRNGKeyArray,
    periods: tuple[str, str],
    strengths: Float[Array, "2"],
    shown: Float[Array, "2 2"],
) -> Draw:
    first_key, apart_key = jax.random.split(key)
    θ_1 = _direction(first_key)
    θ_2 = θ_1 + _apart(apart_key)
    stimuli = Stimulus(periods[0], θ_1, shown[0]), Stimulus(periods[1], θ_2, shown[1])
    return Draw(stimuli, jnp.where(strengths[0] > strengths[1], θ_1, θ_2), jnp.asarray(True))


def _answer_second(
    key: PRNGKeyArray,
    periods: tuple[str, str],
    directions: tuple[Float[Array, ""], Float[Array, ""]],
    responds: Bool[Array, ""],
) -> Draw:
    """Each of the two in a random modality; the answer, if there is one, is the second."""
    stimuli = tuple(
        Stimulus(period, θ, _one_modality(k))
        for period, θ, k in zip(periods, directions, jax.random.split(key), strict=True)
    )
    return Draw(stimuli, directions[1], responds)
