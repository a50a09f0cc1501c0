"""Whether the cycle of a Hopf point is stable: the first Lyapunov coefficient."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from ..._checks import on_device
from ...linear import Equations
from ...programs import in_full_precision, quickly_compiled
from ._family import Family, derivatives

_BESIDE = 1e-4  # of the units: how far around the point the derivatives have to stay the same
_AGREE = 0.5  # of the coefficient: by how much they may change there
_CLEAR = 1e-6  # of its terms: what must be left of them where they cancel


class NormalForm(NamedTuple):
    """ż = (ρ + iω) z + c z|z|² of the critical pair, v = v* + unit·(z q + z̄ q̄), |q| = 1.

    `omega`: ω, 1/ms. `cubic`: Re c. `is_known`: whether its sign is known. `q`, and the left vector
    with left·q = 1.
    """

    omega: float
    cubic: float
    is_known: bool
    q: Complex[np.ndarray, " d"]
    left: Complex[np.ndarray, " d"]

    @property
    def lyapunov(self) -> float:
        """The first Lyapunov coefficient, Re c/ω."""
        return self.cubic / self.omega

    @property
    def criticality(self) -> str:
        if not self.is_known:
            return "unknown"
        return "supercritical" if self.cubic < 0 else "subcritical"


def critical_pair(
    family: Family, z: Float[np.ndarray, " e"], unit: Float[np.ndarray, " d"]
) -> tuple[complex, np.ndarray, np.ndarray]:
    """The complex eigenvalue nearest to the imaginary axis, with its right and left vectors."""
    J = derivatives(family, z[None, :-1], z[None, -1])[1][0] * unit[None] / unit[:, None]
    values, V = np.linalg.eig(J)
    i = int(np.argmin(np.where(np.imag(values) > 0, np.abs(np.real(values)), np.inf)))
    q = V[:, i] / np.linalg.norm(V[:, i])
    left = np.linalg.inv(V)[i]
    return complex(values[i]), q, left / (left @ q)


def normal_form(
    family: Family, z: Float[np.ndarray, " e"], unit: Float[np.ndarray, " d"]
) -> NormalForm:
    """The normal form at a Hopf point z = (v, λ) in the circuit's units (host).

        Re c = ½ Re{⟨p, C(q,q,q̄)⟩ − 2⟨p, B(q, A⁻¹B(q,q̄))⟩ + ⟨p, B(q̄, (2iω − A)⁻¹B(q,q))⟩}

    by autodiff, at the point and beside it: at the corner of a rectified variable there is no third
    derivative, and the sign is not known.

    Reference:
        Kuznetsov, "Elements of Applied Bifurcation Theory" (2004), section 5.4.
    """
    value, q, left = critical_pair(family, z, unit)
    sides = _BESIDE * np.stack([np.real(q), -np.real(q), np.imag(q), -np.imag(q)])
    shifts = np.concatenate([np.zeros((1, len(unit))), sides])
    dtype = family.x.dtype
    real = [on_device(each, dtype) for each in (z, unit, shifts, np.asarray(value.imag))]
    complexes = [on_device(each, np.result_type(dtype, np.complex64)) for each in (q, left)]
    found = [np.asarray(each, float) for each in _terms(family, *real, *complexes)]
    terms, *orders = found
    cubic, size = terms.sum(axis=1), np.abs(terms[0]).sum()
    agree = np.all(np.abs(cubic - cubic[0]) < _AGREE * abs(cubic[0]))
    agree &= all(map(_is_smooth, orders[:-1], orders[1:], [float(jnp.finfo(dtype).eps)] * 2))
    is_known = bool(np.isfinite(cubic).all() and agree and abs(cubic[0]) > _CLEAR * size)
    return NormalForm(value.imag, float(cubic[0]), is_known, q, left)


def _is_smooth(order: np.ndarray, following: np.ndarray, eps: float) -> bool:
    """Whether a derivative at the shifts changes by no more than the next derivative implies."""
    moved = np.max(np.abs(order - order[0]))
    allowed = 4 * _BESIDE * np.max(np.abs(following)) + eps**0.5 * np.max(np.abs(order))
    return bool(moved <= allowed)


@quickly_compiled
@in_full_precision
def _terms(
    family: Family, z: Array, unit: Array, shifts: Array, omega: Array, q: Array, left: Array
) -> tuple[Array, ...]:
    """The three terms of Re c, at each shift from the point, and the first, second and third
    derivatives of f along u and w that they are made of."""
    circuit, x = family.at(z[-1])
    e = Equations(circuit, x, circuit.initial_state())
    u, w = q.real, q.imag

    def f(shift: Array) -> Array:
        return e.velocity(z[:-1] + unit * shift) / unit

    def slope(shift: Array, a: Array) -> Array:
        return jax.jvp(f, (shift,), (a,))[1]

    def at(shift: Array) -> tuple[Array, ...]:
        def B(a: Array, b: Array) -> Array:
            return jax.jvp(lambda s: slope(s, a), (shift,), (b,))[1]

        def C(a: Array, b: Array, c: Array) -> Array:
            second = lambda s: jax.jvp(lambda r: slope(r, a), (s,), (b,))[1]  # noqa: E731
            return jax.jvp(second, (shift,), (c,))[1]

        A, to_complex = jax.jacfwd(f)(shift), jax.lax.complex
        uu, ww, uw = B(u, u), B(w, w), B(u, w)
        third = jnp.stack([C(u, u, u), C(u, u, w), C(u, w, w), C(w, w, w)])
        cubic = to_complex(third[0] + third[2], third[1] + third[3])
        still = jnp.linalg.solve(A, uu + ww)
        matrix = to_complex(-A, 2 * omega * jnp.eye(u.size, dtype=A.dtype))
        twice = jnp.linalg.solve(matrix, to_complex(uu - ww, 2 * uw))
        r, s = twice.real, twice.imag
        with_still = to_complex(B(u, still), B(w, still))
        with_twice = to_complex(B(u, r) + B(w, s), B(u, s) - B(w, r))
        parts = jnp.stack([left @ cubic, -2 * (left @ with_still), left @ with_twice])
        first, second = jnp.stack([A @ u, A @ w]), jnp.stack([uu, uw, ww])
        return parts.real / 2, first, second, third

    return jax.vmap(at)(shifts)
