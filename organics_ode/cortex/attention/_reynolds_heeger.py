"""The normalization model of attention, over one dimension of space and one feature."""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..._checks import as_known_array, check_kind, counted, read_number, refuse
from ..._types import Numbers, Scalar
from ...circuits import ORGaNICs
from ..stimuli import AttentionField, Gabor

_LARGEST = 8192  # the most units of a dense circuit


class ReynoldsHeeger(eqx.Module):
    """The normalization model of attention.

        E = A · (stimulus ∗ k_Ex ∗ k_Eθ),   R = E/(E ∗ k_Ix ∗ k_Iθ + σ)

    with kernels of area 1: the steady state of an ORGaNICs with exponent 1, W_r = I and
    W = k_Ix ⊗ k_Iθ. Attention multiplies the drive, and so the pool too: an attention field wider
    than the stimulus divides c50, a narrower one multiplies the maximum. Widths are standard
    deviations.

    Args:
        positions: (n_x,), evenly spaced; degrees of visual angle, or any unit of length.
        features: (n_θ,), evenly spaced over the circle, degrees: twice the orientation. Unless
            given, −180 to 180 in steps of 1, both ends included, as in the authors' figures.
        drive_widths, pool_widths: the widths (in space, in the feature) of k_E and of k_I.
        sigma: σ > 0.
        stimulus_spread: degrees of the feature, the width of one stimulus along it.

    Raises:
        ValueError: an argument is bad.

    Reference:
        Reynolds, Heeger, "The normalization model of attention", Neuron 61 (2009).
    """

    positions: Float[np.ndarray, " positions"]
    features: Float[np.ndarray, " features"]
    drive_widths: tuple[float, float]
    pool_widths: tuple[float, float]
    sigma: float
    stimulus_spread: float

    def __init__(
        self,
        *,
        positions: Numbers | None = None,
        features: Numbers | None = None,
        drive_widths: tuple[float, float] = (5.0, 60.0),
        pool_widths: tuple[float, float] = (20.0, 360.0),
        sigma: float = 1e-6,
        stimulus_spread: float = 1.0,
    ):
        self.positions = _read_even("positions", positions, np.arange(-200.0, 201.0))
        self.features = _read_even("features", features, np.arange(-180.0, 181.0))
        self.drive_widths = _read_pair("drive_widths", drive_widths)
        self.pool_widths = _read_pair("pool_widths", pool_widths)
        self.sigma = _read_positive("sigma", sigma)
        self.stimulus_spread = _read_positive("stimulus_spread", stimulus_spread)

    def drive(
        self, stimuli: Gabor | Sequence[Gabor], attention: AttentionField | None = None
    ) -> Float[Array, "positions features"]:
        """E, the drive of every unit.

        Args:
            stimuli: one or several, whose drives add. Of each, the model uses the contrast, the x
                position, the width, and twice the orientation.
            attention: gains: in space, its x position and width are used; over the feature, twice
                its orientation and spread.

        Returns:
            (n_x, n_θ). Pure in the contrasts and the gain (jit, vmap, grad).
        """
        shown: Any = stimuli if isinstance(stimuli, list | tuple) else [stimuli]
        stimulus = jnp.zeros((self.positions.size, self.features.size))
        for one in shown:
            check_kind("stimuli", one, Gabor)
            alike = _gaussian(_wrapped(self.features - 2 * one.orientation), self.stimulus_spread)
            near = _gaussian(self.positions - one.position[0], one.width)
            stimulus = stimulus + one.contrast * jnp.asarray(near[:, None] * alike)
        k_x, k_theta = self._kernels(self.drive_widths)
        return self._gains(attention) * (k_x @ stimulus @ k_theta.T)

    def responses(
        self, stimuli: Gabor | Sequence[Gabor], attention: AttentionField | None = None
    ) -> Float[Array, "positions features"]:
        """R = E/(E ∗ k_I + σ); the arguments are those of `drive`."""
        E = self.drive(stimuli, attention)
        k_x, k_theta = self._kernels(self.pool_widths)
        return E / (k_x @ E @ k_theta.T + self.sigma)

    def circuit(self, *, tau_y: Scalar = 2.0, tau_a: Scalar = 2.0) -> ORGaNICs:
        """The model as a dynamical circuit that rests at R for the input E, both flattened.

        Args:
            tau_y, tau_a: ms.

        Returns:
            An `oo.ORGaNICs` of n_x n_θ units.

        Raises:
            ValueError: there are more than 8192 units, for which W would be too large.
        """
        n = self.positions.size * self.features.size
        if n > _LARGEST:
            remedy = "take coarser `positions` and `features`"
            refuse(
                "positions", f"make at most {counted(_LARGEST, 'unit')}", f"there are {n}; {remedy}"
            )
        eye, W = np.eye(n), np.kron(*map(np.asarray, self._kernels(self.pool_widths)))
        return ORGaNICs(eye, eye, W, self.sigma, 1.0, 1.0, tau_y, tau_a, exponent=1.0)

    def _gains(self, attention: AttentionField | None) -> Array:
        if attention is None:
            return jnp.ones((1, 1))
        check_kind("attention", attention, AttentionField)
        near: Any = np.ones(1)
        alike: Any = np.ones(1)
        if attention.position is not None:
            near = _gaussian(self.positions - attention.position[0], attention.width)
        if attention.orientation is not None:
            away = _wrapped(self.features - 2 * attention.orientation)
            alike = _gaussian(away, 2 * np.asarray(attention.spread))
        return jnp.asarray(1 + (attention.gain - 1) * (near[:, None] * alike[None, :]))

    def _kernels(self, widths: tuple[float, float]) -> tuple[Array, Array]:
        """Convolution with both kernels, as matrices: zero-padded in space, circular in the
        feature."""
        x, count = self.positions, self.features.size
        at = np.arange(count)
        # By index, because both ends of the circle may be included.
        step = float(self.features[1] - self.features[0]) if count > 1 else 1.0
        turns = (at[:, None] - at[None, :] + count // 2) % count - count // 2
        near = _gaussian(x[:, None] - x[None, :], widths[0])
        alike = _gaussian(step * turns, widths[1])
        middle = _gaussian(x - x[x.size // 2], widths[0])
        return jnp.asarray(near / middle.sum()), jnp.asarray(alike / alike[0].sum())


def _gaussian(away: Any, width: Any) -> Any:
    return np.exp(-(np.asarray(away) ** 2) / (2 * width**2))


def _wrapped(degrees: Any) -> Any:
    return (degrees + 180) % 360 - 180


def _read_even(name: str, values: Any, default: np.ndarray) -> np.ndarray:
    array = default if values is None else np.asarray(as_known_array(name, values), float)
    if array.ndim != 1 or not array.size or not np.all(np.isfinite(array)):
        refuse(name, "have shape (k,) and be finite", f"its shape is {array.shape}")
    steps = np.diff(array)
    if np.any(steps <= 0) or not np.allclose(steps, steps[:1]):
        refuse(name, "increase in even steps", "they do not")
    return array


def _read_pair(name: str, widths: Any) -> tuple[float, float]:
    if not isinstance(widths, list | tuple) or len(widths) != 2:
        refuse(name, "be (in space, in the feature)", f"it is {widths!r:.99}")
    space, feature = (_read_positive(name, width) for width in widths)
    return space, feature


def _read_positive(name: str, value: Any) -> float:
    number = read_number(name, value, 0.0)
    if number == 0:
        refuse(name, "be positive", "it is 0")
    return number
