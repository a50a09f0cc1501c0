"""The hierarchical model of Pal et al. with its published parameters."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from ..._checks import as_float_array, check_kind, check_positive_number, read_integer, read_scalar
from ..._constraints import resolve
from ..._types import ParameterLike, Scalar
from ...circuits import Hierarchy, ORGaNICs2025
from ...noise import OrnsteinUhlenbeckNoise

_TAPS = (0.02807382, -0.060944743, -0.073386624, 0.41472545, 0.7973934)  # mirrored about the last
_POTENTIALS = ("y", "u", "p", "s")


def two_areas(
    *,
    feedback: ParameterLike = 1.0,
    size: int = 36,
    g: ParameterLike = 0.5,
    beta: ParameterLike = 1.0,
    sigma: ParameterLike = 0.07,
    b: ParameterLike = 0.5,
    tau: ParameterLike = 1.0,
    tau_rate: ParameterLike = 1.0,
    alpha: ParameterLike = 10.0,
) -> Hierarchy:
    """V1 and V2: two `ORGaNICs2025` with evenly spaced orientations, each one normalization pool.

    The input is the drive that a stimulus gives a `cortex.Ring(size)`, which V1 scales by 0.7. V2
    receives W² y⁺ from V1, and V1 receives 0.7 W² √y⁺ from V2, where W is a band-pass filter over
    orientation whose singular values are at most 1. With `feedback=1.0` V1 normalizes exactly, up
    to the floors of its rates, because the feedback from V2 cancels out of the mean; with 0.0 the
    feedback only divides the response of V1.

        V1: y⁺ = z²/(σ² + Σz²),   z = 0.7 x

    Args:
        feedback: γ ≥ 0, how much of the feedback from above reaches y, in all areas but the top.
        size: the number of orientations, at least 9; 36 in the publication.
        g: the gain of the feedback from the area above.
        beta, sigma, b, tau, tau_rate, alpha: as for `oo.ORGaNICs2025`, the same in all areas.

    Returns:
        An `oo.Hierarchy` with the areas V1 and V2.

    Raises:
        ValueError: an argument is bad.

    Reference:
        Pal, Rawat, Heeger, Martiniani, PMC12338607 (2025).
    """
    shared = {"sigma": sigma, "b": b, "tau": tau, "tau_rate": tau_rate}
    return _hierarchy(
        ("V1", "V2"), size, shared, {"beta": beta, "alpha": alpha}, {"gamma": feedback, "g": g}
    )


def three_areas(
    *,
    feedback: ParameterLike = 1.0,
    size: int = 36,
    g: ParameterLike = 0.5,
    beta: ParameterLike = 1.0,
    sigma: ParameterLike = 0.07,
    b: ParameterLike = 0.5,
    tau: ParameterLike = 1.0,
    tau_rate: ParameterLike = 1.0,
    alpha: ParameterLike = 10.0,
) -> Hierarchy:
    """V1, V2 and V4: `two_areas` with a third area above, which drives V2 as V2 drives V1.

    Args:
        feedback, size, g, beta, sigma, b, tau, tau_rate, alpha: as for `two_areas`.

    Returns:
        An `oo.Hierarchy` with the areas V1, V2 and V4.

    Raises:
        ValueError: an argument is bad.

    Reference:
        Pal, Rawat, Heeger, Martiniani, PMC12338607 (2025).
    """
    shared = {"sigma": sigma, "b": b, "tau": tau, "tau_rate": tau_rate}
    gains = {"gamma": feedback, "g": g}
    return _hierarchy(("V1", "V2", "V4"), size, shared, {"beta": beta, "alpha": alpha}, gains)


def membrane_noise(
    model: Hierarchy, *, sigma: Scalar = 0.01, tau: Scalar = 1.0
) -> OrnsteinUhlenbeckNoise:
    """Coloured noise added to the drive of every membrane potential of every area.

        τ_q q̇ = −q + … + ξ,   q = y, u, p, s

    Args:
        model: a hierarchy of `ORGaNICs2025`, such as `two_areas()`.
        sigma: the stationary standard deviation of ξ.
        tau: its correlation time, ms.

    Returns:
        An `oo.OrnsteinUhlenbeckNoise`.

    Raises:
        ValueError: an argument is bad, or an area is not an `ORGaNICs2025`.
    """
    check_kind("model", model, Hierarchy)
    size = as_float_array("sigma", read_scalar("sigma", sigma, 0.0))
    tau = check_positive_number("tau", tau)
    read = []
    for name, area in zip(model.names, model.areas, strict=True):
        check_kind("model", area, ORGaNICs2025)
        read.append((name, resolve(area).tau))  # pyright: ignore
    rest = model.initial_state()._asdict()  # pyright: ignore
    amplitudes = {field: jnp.zeros(()) for field in rest}
    amplitudes |= {f"{name}_{q}": size / tau_q for name, tau_q in read for q in _POTENTIALS}
    return OrnsteinUhlenbeckNoise(amplitudes, tau)


def _hierarchy(
    names: tuple[str, ...],
    size: int,
    shared: dict[str, ParameterLike],
    kept: dict[str, ParameterLike],
    gains: dict[str, ParameterLike],
) -> Hierarchy:
    n = read_integer("size", size, 9, "be an integer, at least 9, the width of the weights")
    W = band_pass(n)
    eye, ones = np.eye(n), np.ones((n, n))
    areas = {}
    for name in names:
        is_top = name == names[-1]
        W_zx = 0.7 * eye if name == names[0] else W @ W
        W_fb = np.zeros((n, 0)) if is_top else 0.7 * W @ W
        own = {"gamma": 1.0, "g": 0.0} if is_top else gains
        areas[name] = ORGaNICs2025(W_zx, W, ones, W_fb, **shared, **kept, **own)
    return Hierarchy(areas, feedback=[eqx.nn.Identity()] * (len(names) - 1))


def band_pass(n: int) -> np.ndarray:
    """The circulant matrix of the published taps, its singular values clipped at 1."""
    W = np.zeros((n, n))
    for offset, tap in zip(range(-4, 5), (*_TAPS, *_TAPS[-2::-1]), strict=True):
        W += tap * np.roll(np.eye(n), offset, axis=1)
    U, s, V = np.linalg.svd(W)
    return (U * np.minimum(s, 1)) @ V
