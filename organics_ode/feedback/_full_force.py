from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from .._cards import Card, carded, number, outline
from .._checks import (
    as_float_array,
    check_finite,
    check_positive_integer,
    check_positive_number,
    check_state,
    is_traced,
    read_key,
    read_number,
    refuse,
)
from .._types import KeyLike, Numbers, Scalar, StateLike
from ..circuits import FeedbackNetwork
from ..programs import in_full_precision
from ._overlaps import read_network


@carded
class FullForce(eqx.Module):
    """A network trained by `full_force`, and how well it performs on its own.

    - `network`: the `FeedbackNetwork`, which needs no feedback: its m is 0 and its g is 1.
    - `state`: (N,), x after the last trial.
    - `error`: Σ|z − f|²/Σ|f|² over the trials after training.
    - `history`: (trials,), the same for every trial of training.
    - `output`: (time, R), z in the last trial.
    """

    network: FeedbackNetwork
    state: Float[Array, " N"]
    error: Float[Array, ""]
    history: Float[Array, " trials"]
    output: Float[Array, "time R"]

    def _card(self) -> Card:
        facts = {
            "network": outline(self.network),
            "trials": f"{self.history.size}, the last with an error of {number(self.history[-1])}",
            "error": f"{number(self.error)} without training",
        }
        return Card("FullForce", facts)


def full_force(
    network: FeedbackNetwork,
    target: Numbers,
    x: Numbers | None = None,
    *,
    key: KeyLike,
    alpha: Scalar = 1.0,
    dt: Scalar = 0.1,
    probability: Scalar = 0.5,
    trials: int = 200,
    settling: int = 10,
    tests: int = 10,
    state0: StateLike | None = None,
) -> FullForce:
    """full-FORCE: by recursive least squares, a network learns to generate internally the drive
    that another network receives from the target.

        teacher   ẋ = −x + g χ φ(x) + m f + I + W_x u
        student   ẋ = −x + J φ(x) + I + W_x u,      z = w·φ(x)
        J φ − (g χ φ(x_teacher) + m f),  w·φ − f:  errors of one recursive least squares, P(0) = 1/α

    f is the target over a trial, and u the input. Both networks take Euler steps and continue from
    one trial into the next. J and w start at 0 and are updated after each step with the given
    probability. The resulting student produces f without feedback, through its full matrix J.
    `force` trains only the readout. Pure (jit, vmap) except for its errors.

    Args:
        network: the teacher, a `FeedbackNetwork`; its readout is not used.
        target: f over one trial, (time,), or (time, R) for feedback of rank R, with a value after
            each step.
        x: u over one trial, (time, k); omit it for a network without inputs.
        key: a PRNG key, which decides at which steps there is an update.
        alpha: α, a positive number.
        dt: step of Euler's method, in units of the time constant.
        probability: of an update after a step, above 0.
        trials: the number of trials with updates.
        settling: the number of trials before them, without updates.
        tests: the number of trials after them, without updates, for the error.
        state0: where both networks start; x = 0 by default.

    Returns:
        A `FullForce`.

    Raises:
        ValueError: an argument is bad.
        RuntimeError: training diverged.

    Reference:
        DePasquale, Cueva, Rajan, Escola, Abbott, "full-FORCE: a target-based method for training
        recurrent networks", PLoS ONE 13 (2018), arXiv:1710.03070.
    """
    c = read_network(network)
    for name, value in (("alpha", alpha), ("dt", dt)):
        check_positive_number(name, value)
    probability = read_number("probability", probability, 0.0, 1.0)
    if not probability:
        refuse("probability", "be above 0", "it is 0: nothing would be learnt")
    counts = (("settling", settling), ("trials", trials), ("tests", tests))
    counts = tuple(check_positive_integer(*each) for each in counts)
    f, u = _read_trial(c, target, x)
    start = check_state("state0", state0, c.initial_state()).x
    numbers = (jnp.asarray(alpha, f.dtype), jnp.asarray(dt, f.dtype), jnp.asarray(probability))
    return _raise_divergence(_full_force(c, f, u, start, read_key("key", key), numbers, counts))


def _read_trial(c: Any, target: Numbers, x: Numbers | None) -> tuple[Array, Array]:
    """The target (time, R) and the input (time, k) of a trial."""
    dtype, axes = c.n.dtype, c.n.ndim
    f = as_float_array("target", target, dtype)
    if f.ndim != axes or 0 in f.shape or f.shape[1:] != c.n.shape[1:]:
        must = f"have shape {'(time,)' if axes == 1 else f'(time, R), R = {c.rank}'}"
        refuse("target", must, f"it has shape {f.shape}")
    none = jnp.zeros((len(f), c.input_size), dtype)
    u = none if x is None else as_float_array("x", x, dtype)
    if u.shape != none.shape:
        refuse("x", f"have shape (time, k) = {none.shape}", f"it has shape {u.shape}")
    f, u = (v if is_traced(v) else check_finite(n, v) for n, v in (("target", f), ("x", u)))
    return f.reshape(len(f), -1), u


class _Run(NamedTuple):
    """Both networks, their recurrent drives, and the student's weights.

    M holds J above wᵀ, (N + R, N); `inner` is M φ(student), `taught` g χ φ(teacher).
    """

    teacher: Array
    student: Array
    taught: Array
    inner: Array
    M: Array
    P: Array


@eqx.filter_jit
@in_full_precision
def _full_force(
    c: Any,
    f: Float[Array, "time R"],
    u: Float[Array, "time k"],
    start: Array,
    key: PRNGKeyArray,
    numbers: tuple[Array, Array, Array],
    counts: tuple[int, ...],
) -> FullForce:
    alpha, dt, probability = numbers
    N, R, dtype = c.size, f.shape[1], f.dtype
    chi, fed = c.g * c.chi, f @ c.m.reshape(N, R).T
    drive = c.I[None, :] + u @ c.W_x.T

    def learn(run: _Run, phi: Array, error: Array) -> _Run:
        Pphi = run.P @ phi
        power = phi @ Pphi
        gain = Pphi / (1 + power)
        M = run.M - error[:, None] * gain[None, :]
        P = run.P - gain[:, None] * Pphi[None, :]
        return run._replace(M=M, P=P, inner=run.inner - error * (power / (1 + power)))

    def step(run: _Run, now: tuple[Array, ...]) -> tuple[_Run, Array]:
        f, fed, drive, is_update = now
        teacher = run.teacher + dt * (-run.teacher + run.taught + fed + drive)
        student = run.student + dt * (-run.student + run.inner[:N] + drive)
        taught, phi = chi @ c.phi(teacher), c.phi(student)
        run = _Run(teacher, student, taught, run.M @ phi, run.M, run.P)
        z = run.inner[N:]
        error = run.inner - jnp.concatenate([taught + fed, f])
        run = jax.lax.cond(is_update, learn, lambda run, *_: run, run, phi, error)
        return run, z

    def trial(run: _Run, updates: Bool[Array, " time"]) -> tuple[_Run, tuple[Array, Array]]:
        run, z = jax.lax.scan(step, run, (f, fed, drive, updates))
        return run, (jnp.sum((z - f) ** 2) / jnp.sum(f**2), z)

    def learnt(run: _Run, key: PRNGKeyArray) -> tuple[_Run, Array]:
        run, (error, _) = trial(run, jax.random.bernoulli(key, probability, (len(f),)))
        return run, error

    def still(run: _Run, count: int) -> tuple[_Run, tuple[Array, Array]]:
        return jax.lax.scan(lambda run, _: trial(run, never), run, length=count)

    never, zeros = jnp.zeros(len(f), bool), jnp.zeros(N + R, dtype)
    P = jnp.eye(N, dtype=dtype) / alpha
    run = _Run(start, start, chi @ c.phi(start), zeros, jnp.zeros((N + R, N), dtype), P)
    settling, trials, tests = counts
    run, _ = still(run, settling)
    run, history = jax.lax.scan(learnt, run, jax.random.split(key, trials))
    run, (errors, outputs) = still(run, tests)
    network = _student(c, run.M[:N], run.M[N:])
    return FullForce(network, run.student, jnp.mean(errors), history, outputs[-1])


def _student(c: Any, J: Array, w: Array) -> FeedbackNetwork:
    n = (c.size * w.T).reshape(c.n.shape)
    new = (J, jnp.zeros_like(c.m), n, jnp.ones_like(c.g))
    return eqx.tree_at(lambda c: (c.chi, c.m, c.n, c.g), c, new)


def _raise_divergence(found: FullForce) -> FullForce:
    bad = ~jnp.isfinite(found.error)
    text = "The training diverged: the weights are no longer finite. Take a shorter step `dt`."
    if is_traced(bad):
        return eqx.error_if(found, bad, text)
    if bad:
        raise RuntimeError(text)
    return found
