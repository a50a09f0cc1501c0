"""What trials of the ring tasks show, and how to answer."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

_TURN = 2 * jnp.pi

# All randomness of a trial is one draw of numbers from U(0, 1), of which every rule takes some,
# because each call of a random generator is a separate program to compile and run.
CHANCES = 9
Chance = Float[Array, "9"]


class Stimulus(NamedTuple):
    """A bump at a direction, with the given `strengths` in the two modalities."""

    period: str
    direction: Float[Array, ""]
    strengths: Float[Array, "2"]


class Draw(NamedTuple):
    """The stimuli of one trial, the direction to answer, and whether to answer at all."""

    stimuli: tuple[Stimulus, ...]
    answer: Float[Array, ""]
    responds: Bool[Array, ""]


def one_direction(u: Chance, *, period: str, turn: float) -> Draw:
    """θ ~ U(0, 2π) in a random modality; the answer is θ + turn."""
    θ = _TURN * u[0]
    return Draw((Stimulus(period, θ, _one_modality(u[1])),), θ + turn, jnp.asarray(True))


def two_strengths(u: Chance, *, periods: tuple[str, str], attended: int, other: bool) -> Draw:
    """Two directions in one modality, of strengths c ± δ; the answer is the stronger one.

    c ~ U(0.8, 1.2), δ ~ U(0.1, 0.2), θ_2 = θ_1 + U(π/2, 3π/2). With `other`, the other modality
    shows an independent draw of strengths at the same directions.
    """
    own = _strengths(u[2:5])
    distractor = _strengths(u[5:8]) if other else jnp.zeros_like(own)
    shown = (own, distractor) if attended == 0 else (distractor, own)
    return _stronger(u, periods, own, jnp.stack(shown, axis=-1))


def two_modalities(u: Chance, *, periods: tuple[str, str]) -> Draw:
    """Two directions, each in both modalities; the answer has the greater sum of strengths.

    The strengths s = c ± δ are those of `two_strengths`. Each stimulus shows s κ in one modality,
    drawn at random, and s (2 - κ) in the other, with its own κ ~ U(1.2, 1.4): a single modality is
    misleading, the sum of both is not.
    """
    s = _strengths(u[2:5])
    κ = 1 + _sign(u[5:7]) * _uniform(u[7:9], 0.2, 0.4)
    return _stronger(u, periods, s, s[:, None] * jnp.stack([κ, 2 - κ], axis=-1))


def match_of_directions(u: Chance, *, periods: tuple[str, str], on_match: bool) -> Draw:
    """θ_2 = θ_1 + U(-π/18, π/18) for a match, else θ_1 + U(π/2, 3π/2), each half of the time."""
    is_match, θ_1 = u[2] < 0.5, _TURN * u[0]
    near = _uniform(u[1], -jnp.pi / 18, jnp.pi / 18)
    θ_2 = θ_1 + jnp.where(is_match, near, _apart(u[1]))
    return _answer_second(u[3:5], periods, jnp.stack([θ_1, θ_2]), is_match == on_match)


def match_of_categories(u: Chance, *, periods: tuple[str, str], on_match: bool) -> Draw:
    """Directions from the categories [0, π/2] and [π, 3π/2], the same one half of the time."""
    is_match, first = u[2] < 0.5, u[5] < 0.5
    second = first == is_match
    θ = jnp.pi / 2 * u[:2] + jnp.where(jnp.stack([first, second]), jnp.pi, 0)
    return _answer_second(u[3:5], periods, θ, is_match == on_match)


def _uniform(u: Float[Array, "*k"], low: float, high: float) -> Float[Array, "*k"]:
    return low + (high - low) * u


def _apart(u: Float[Array, ""]) -> Float[Array, ""]:
    return _uniform(u, _TURN / 4, 3 * _TURN / 4)


def _sign(u: Float[Array, "*k"]) -> Float[Array, "*k"]:
    return jnp.where(u < 0.5, 1, -1).astype(u.dtype)


def _one_modality(u: Float[Array, ""]) -> Float[Array, "2"]:
    return jnp.stack([u < 0.5, u >= 0.5]).astype(u.dtype)


def _strengths(u: Float[Array, "3"]) -> Float[Array, "2"]:
    c, δ = _uniform(u[0], 0.8, 1.2), _sign(u[1]) * _uniform(u[2], 0.1, 0.2)
    return jnp.stack([c + δ, c - δ])


def _stronger(
    u: Chance, periods: tuple[str, str], strengths: Float[Array, "2"], shown: Float[Array, "2 2"]
) -> Draw:
    """Row i of `shown` has the strengths of stimulus i in the two modalities."""
    θ_1 = _TURN * u[0]
    θ_2 = θ_1 + _apart(u[1])
    stimuli = Stimulus(periods[0], θ_1, shown[0]), Stimulus(periods[1], θ_2, shown[1])
    return Draw(stimuli, jnp.where(strengths[0] > strengths[1], θ_1, θ_2), jnp.asarray(True))


def _answer_second(
    u: Float[Array, "2"],
    periods: tuple[str, str],
    directions: Float[Array, "2"],
    responds: Bool[Array, ""],
) -> Draw:
    """Each of the two in a random modality; the answer, if any, is the second direction."""
    stimuli = tuple(
        Stimulus(period, directions[i], _one_modality(u[i])) for i, period in enumerate(periods)
    )
    return Draw(stimuli, directions[1], responds)
