"""Which theorem covers a circuit and its input, with every hypothesis checked.

The proofs are written out in the documentation ("Stability").
"""

import dataclasses
from typing import Any, TypeGuard

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from .._cards import Card, carded
from .._checks import a_or_an, check_flag, counted, is_traced, refuse
from .._nonlinearities import Rectification, highest
from .._types import Numbers, State, StateLike
from ..circuits import AbstractCircuit, GatedORGaNICs, ORGaNICs
from ..equilibria import FixedPoint, fixed_point
from ..facts import has_constant_gains, is_exact, normalization
from ..linear import kind_of, read_point
from ..programs import in_full_precision
from ._bounded import checks_of, pools, ties
from ._hypotheses import Check, normalization_checks, single_unit_checks

_SENTENCES = {
    "residual": "the fixed point solves its equations to {:.1e} of their largest term",
    "pool": "a_s > 0: its smallest component is {:.4g}",
    "drive": "B a_s > 0: its smallest component is {:.2g} of the terms that it sums",
    "coupling": "the off-diagonals of B are <= 0: the largest is {:.4g} /ms",
    "weights": "p = (B^-T 1)/a_s > 0: its smallest component is {:.4g} ms",
    "dissipation": "PB + B^T P is positive definite: its smallest eigenvalue is {:.4g}",
    "slack": "u = 1 - w_r + w_r a_s^(1/p) > 0 (1 for a rectified unit): it is {:.4g}",
    "decay": "(sigma b0)^p / (a_s tau_a) > 0: it is {:.4g} /ms",
    "loop": "the product of d(dy/dt)/da and d(da/dt)/dy is <= 0: it is {:.4g} /ms²",
    "abscissa": "every eigenvalue has a negative real part: the largest is {:.6g} /ms",
    "semisaturation": "sigma b0 > 0: a^(1/p) stays above its least value {:.4g}",
    "shrinking": "(W_r + W_r^T)/2 is positive definite: its smallest eigenvalue is {:.4g}",
    "damping": "1 - (1 - a^(1/p)) (W_r + W_r^T)/2 is positive definite: it is at least {:.4g}",
    "bound": "every response ends with |y| <= {:.6g}",
}
_BOUNDED = (
    "no rectification, units that W_r connects share one modulator, and no gain b0 falls to 0: "
    "y and a are bounded for every course of an input that stays within |x_i|"
)
_KINK = (
    "{} at y = 0, where the equations may have a kink: to first order such a unit "
    "follows tau_y dy/dt = -y or -u y on either side of it (u = a_s^(1/p) for W_r = I), whatever "
    "the others do; it contracts, and drives them less and less"
)
_GLOBAL = (
    "n = 1, 0 < w_r <= 1, no rectification, p >= 1 and constant gains: the fixed point is unique, "
    "orbits are bounded, and the Dulac function 1/a excludes cycles: it attracts every start"
)
_ROUNDED = 1e-6  # By how much a norm or a weight that was scaled to 1 may exceed it.
_TESTED = "inside the tested box, where 6 000 random circuits of 6 000 were stable"


@carded
class Certificate(eqx.Module):
    """What is proved about the stability of a circuit for one input, and about its bounds.

    - `holds`: whether a stability theorem covers the circuit and the input, with each of its
      hypotheses checked numerically. False means that stability is not proved, not that the circuit
      is unstable.
    - `theorem`: "W_r = I", "n = 1, w_r > 0", "shared modulators", or None if none applies.
    - `scope`: "local" or "global" stability; "bounded" if only that is proved (a bounded circuit
      may have no stable fixed point); None if nothing is. `is_global`: whether it is "global".
    - `bound`: a number below which |y| ends up from any initial state, for any time course of the
      input with |x_i(t)| ≤ |x_i|; from `initial_state()` |y| never exceeds it. None if no bound is
      proved. It may come with any scope.
    - `reasons`: every hypothesis with its checked value, and those that fail.
    - `p`: (n,), ms, the Lyapunov weights of `Oscillator`, or None if W_r ≠ I.
    - `dissipation`: the smallest eigenvalue of PB + BᵀP, or None.
    - `abscissa`: the largest real part of the eigenvalues, 1/ms, or None without a fixed point.
    - `state`: the fixed point, or None if none was found.
    - `evidence`: if no theorem applies, what the eigenvalues say, and whether the circuit lies in
      the box that was tested numerically. This is never a proof.
    """

    holds: bool
    theorem: str | None
    scope: str | None
    reasons: tuple[str, ...]
    p: Float[Array, " n"] | None
    dissipation: float | None
    abscissa: float | None
    state: PyTree
    evidence: str | None
    bound: float | None = None

    @property
    def is_global(self) -> bool:
        return self.scope == "global"

    def _card(self) -> Card:
        title = f"{self.scope}ly stable by the theorem for {self.theorem}"
        if self.scope == "bounded":
            title = "bounded for every input within |x_i|; stability is not proved"
        facts = {} if self.abscissa is None else {"abscissa": f"{self.abscissa:.6g} /ms"}
        facts |= {} if self.dissipation is None else {"dissipation": f"{self.dissipation:.6g}"}
        facts |= {} if self.bound is None else {"bound": f"|y| <= {self.bound:.6g}"}
        notes = [f"- {reason}" for reason in self.reasons]
        notes += [self.evidence] if self.evidence else []
        return Card(
            f"Certificate: {title if self.scope else 'nothing is proved'}", facts, notes=notes
        )


@in_full_precision
def certify(
    circuit: AbstractCircuit[State],
    x: Numbers,
    *,
    state0: StateLike | None = None,
    search: bool = True,
) -> Certificate:
    """Find a theorem that proves a circuit stable at its fixed point for the input x, or bounded.

    1. W_r = I and constant gains: locally stable for every input, size, rectification and exponent,
       and for all time constants. Gated circuits are included if no gain depends on y or a.
    2. n = 1, w_r > 0 and constant gains: locally stable where u = 1 − w_r + w_r a_s^(1/p) > 0.
    3. n = 1, 0 < w_r ≤ 1, no rectification, p ≥ 1: globally stable (`ORGaNICs`).

    4. Shared modulators: y and a are bounded for every time course of the input with
       |x_i(t)| ≤ |x_i|. This covers every `RotationalORGaNICs`. It covers `ORGaNICs` and
       `GatedORGaNICs` without rectification if units connected by W_r have equal rows of W and
       equal σ, τ_a and b0 (whose gates read neither y nor a), and if the eigenvalues of the
       symmetric part of W_r lie between 0 and what the least σ b0 can damp.

    For every other circuit nothing is proved: `scope` is None, and `evidence` reports its
    eigenvalues. Theorems 1 to 3 are about constant input: for a driven circuit see `lyapunov`. Host
    function (no jit, vmap).

    Args:
        circuit: an `AbstractCircuit`.
        x: (m,), the input.
        state0: the state at which the search for the fixed point starts if there is no closed form.
        search: whether to look for the fixed point if there is no closed form. Theorem 4 does not
            need it, and the search takes seconds: with `search=False` only the bound is judged,
            unless theorem 1 applies.

    Returns:
        A `Certificate`; printing it shows every hypothesis.

    Raises:
        ValueError: an argument is bad.

    Reference:
        Rawat, Heeger, Martiniani, "Unconditional stability of a recurrent neural circuit
        implementing divisive normalization", NeurIPS 37 (2024), arXiv:2409.18946.
    """
    search = check_flag("search", search)
    c, _, x = read_point(circuit, state0, x)
    if any(map(is_traced, jax.tree.leaves((c, x)))):
        refuse("circuit", "hold known values", "it is traced: `certify` runs outside jit and vmap")
    return _with_bound(_of_stability(c, x, state0, search), c, x)


def _of_stability(c: Any, x: Array, state0: StateLike | None, search: bool) -> Certificate:
    if is_exact(c):
        form, checks = normalization_checks(c, x)
        opening = "W_r = I exactly, and no gain depends on y or a"
        return _certificate(c, "W_r = I", opening, form.state, checks, form.weights)
    point = fixed_point(c, x, state0=state0, throw=False) if search else None
    if point is None or not point.succeeded:
        why = "was found" if search else "was looked for"
        reason = f"no fixed point {why}: there is nothing to linearise at"
        return Certificate(False, None, None, (reason,), None, None, None, None, None)
    if _is_single_unit(c):
        checks = single_unit_checks(c, point.state, x)
        opening = "one unit, w_r > 0, and no gain depends on y or a"
        return _certificate(c, "n = 1, w_r > 0", opening, point.state, checks, None)
    return _evidence(c, x, point)


def _with_bound(stability: Certificate, c: Any, x: Array) -> Certificate:
    """The certificate with the bound, if there is one; or the bound's own certificate, if no other
    theorem applies."""
    kind = normalization(c)
    if kind is None or (kind != "shared" and ties(c)):
        return stability
    bound, checks = checks_of(pools(c, x))
    if not all(bool(check.holds) for check in checks.values()):
        return stability
    told = (_BOUNDED, *_sentences(checks))
    facts = {"bound": float(bound), "reasons": stability.reasons + told}
    if not stability.holds:
        facts |= {"theorem": "shared modulators", "scope": "bounded"}
    return dataclasses.replace(stability, **facts)


def _is_single_unit(c: Any) -> bool:
    return _is_covered_kind(c) and c.size == 1 and float(c.W_r[0, 0]) > 0


def _is_covered_kind(c: AbstractCircuit) -> bool:
    """Whether it is an ORGaNICs, or a GatedORGaNICs whose gains do not depend on y or a."""
    return _is_plain(c) or (_is_gated(c) and bool(has_constant_gains(c)))


def _is_plain(c: AbstractCircuit) -> bool:
    return normalization(c) == "constant"


def _is_gated(c: AbstractCircuit) -> TypeGuard[GatedORGaNICs]:
    return normalization(c) == "dynamic"


def _is_global(c: Any) -> bool:
    """Whether it is an ORGaNICs of one unit with 0 < w_r ≤ 1, no rectification and p ≥ 1."""
    if not _is_plain(c) or c.size != 1 or c.rectification is not Rectification.NONE:
        return False
    return 0 < float(c.W_r[0, 0]) <= 1 and float(c.exponent) >= 1


def _certificate(
    c: Any,
    theorem: str,
    opening: str,
    state: PyTree,
    checks: dict[str, Check],
    p: Float[Array, " n"] | None,
) -> Certificate:
    holds = all(bool(check.holds) for check in checks.values())
    reasons = [opening, *_sentences(checks)]
    at_kink = int(np.sum(np.asarray(state.y) == 0))
    reasons += [_KINK.format(counted(at_kink, "unit rests", "units rest"))] if at_kink else []
    reasons += [_GLOBAL] if holds and _is_global(c) else []
    scope = ("global" if _is_global(c) else "local") if holds else None
    dissipation = float(checks["dissipation"].value) if "dissipation" in checks else None
    abscissa = float(checks["abscissa"].value)
    facts = (tuple(reasons), p, dissipation, abscissa, state)
    return Certificate(holds, theorem, scope, *facts, evidence=None)


def _sentences(checks: dict[str, Check]) -> list[str]:
    return [_sentence(name, checks[name]) for name in _SENTENCES if name in checks]


def _sentence(name: str, check: Check) -> str:
    sentence = _SENTENCES[name].format(float(check.value))
    return sentence if check.holds else f"not satisfied beyond rounding: {sentence}"


def _evidence(c: Any, x: Array, found: FixedPoint) -> Certificate:
    abscissa = float(found.abscissa)
    outside = _outside_box(c, x)
    where = f"outside the tested box: {'; '.join(outside)}" if outside else _TESTED
    kind = kind_of(found)
    evidence = (
        f"numerical evidence, not a proof: the eigenvalues at this fixed point are {kind} "
        f"(abscissa {abscissa:.6g} /ms); {where}"
    )
    reasons = (_why_uncovered(c),)
    return Certificate(False, None, None, reasons, None, None, abscissa, found.state, evidence)


def _why_uncovered(c: Any) -> str:
    if normalization(c) == "shared":
        return "no theorem of stability is known here for shared modulators"
    if not (_is_plain(c) or _is_gated(c)):
        own = " and its equations" if isinstance(c, ORGaNICs | GatedORGaNICs) else ""
        return f"no theorem is known here for {a_or_an(type(c).__name__)}{own}"
    if not _is_covered_kind(c):
        return "the gains depend on y or a (W_by0, W_ba0, W_by1 or W_ba1 is not 0): no theorem"
    if c.size == 1:
        return f"one unit, but w_r = {float(c.W_r[0, 0]):g} is not positive: no theorem"
    distance = float(highest(jnp.abs(c.W_r - jnp.eye(c.size, dtype=c.W_r.dtype))))
    return f"W_r differs from I, by up to {distance:.3g}, and there is more than one unit"


def _outside_box(c: Any, x: Array) -> list[str]:
    """The bounds of the tested box that a circuit exceeds."""
    if not _is_plain(c):
        return ["its gains are dynamical" if _is_gated(c) else "it is another circuit"]
    gain = max(float(highest(c.b0)), float(highest(c.b1)))
    largest = float(highest(c.W))
    norms = float(jnp.linalg.norm(c.W_zx @ x)), float(jnp.linalg.norm(c.W_r, 2))
    one = 1 + _ROUNDED
    bounds = {
        f"W reaches {largest:.4g}, above 1": largest > one,
        f"a gain is {gain:.4g}, not below 1": gain >= 1,
        f"|z| is {norms[0]:.4g}, above 1": norms[0] > one,
        f"the largest singular value of W_r is {norms[1]:.4g}, above 1": norms[1] > one,
        f"the rectification is {c.rectification.name}": c.rectification is not Rectification.NONE,
        f"the exponent is {float(c.exponent):g}, not 2": float(c.exponent) != 2,
        f"n is {c.size}, not 2 to 20": not 2 <= c.size <= 20,
    }
    return [bound for bound, is_left in bounds.items() if is_left]
