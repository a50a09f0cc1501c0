"""Reduced-rank regression and the communication of covariances, by two routes and on real data."""

import os
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.io
import scipy.optimize

from organics_ode import cortex

SAMPLE = Path(os.environ.get("ORGANICS_DATA", "")) / "communication-subspace" / "sample_data.mat"


def joint(k=4, l=3, *, rank=2, samples=4000, noise=0.5, seed=0):
    """(X, Y) of a linear map of known rank, and their covariance (d, d) without sampling."""
    rng = np.random.default_rng(seed)
    B = rng.normal(size=(k, rank)) @ rng.normal(size=(rank, l))
    A = rng.normal(size=(k, k))
    X = rng.normal(size=(samples, k)) @ A.T
    Y = X @ B + noise * rng.normal(size=(samples, l))
    C1 = A @ A.T
    C = np.block([[C1, C1 @ B], [B.T @ C1, B.T @ C1 @ B + noise**2 * np.eye(l)]])
    return X, Y, C


def least_error(C, k, r):
    """The least squared error of a prediction of rank r, by a search over its factors."""
    C1, C3, C2 = C[:k, :k], C[:k, k:], C[k:, k:]
    l = len(C2)

    def error(v):
        B = v[: k * r].reshape(k, r) @ v[k * r :].reshape(r, l)
        return np.trace(C2 - 2 * B.T @ C3 + B.T @ C1 @ B)

    starts = np.random.default_rng(1).normal(size=(2, (k + l) * r))
    return min(scipy.optimize.minimize(error, v, tol=1e-12).fun for v in starts)


def test_communication_is_the_best_prediction_of_each_rank():
    _, _, C = joint(rank=3)
    found = np.asarray(cortex.communication(C, np.arange(4), np.arange(4, 7)))
    total = np.trace(C[4:, 4:])
    expected = [1 - least_error(C, 4, r) / total for r in (1, 2, 3)]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert np.all(np.diff(found) > 0) and found[-1] < 1


def test_communication_is_pure_and_takes_spectra():
    _, _, C = joint(rank=2)
    turned = C * np.exp(0.3j * np.subtract.outer(np.arange(7), np.arange(7)))  # the same power
    for matrix in (C, turned):
        found = jax.jit(lambda C: cortex.communication(C, *_SPLIT))(matrix)
        np.testing.assert_allclose(found, cortex.communication(C, *_SPLIT), rtol=1e-9)
    slope = jax.jit(jax.grad(lambda C: cortex.communication(C, *_SPLIT)[0]))(jnp.asarray(C))
    step = np.random.default_rng(2).normal(size=C.shape)
    step = 1e-6 * (step + step.T)
    ends = [cortex.communication(C + s * step, *_SPLIT)[0] for s in (1, -1)]
    np.testing.assert_allclose(np.sum(slope * step), (ends[0] - ends[1]) / 2, rtol=1e-5)


_SPLIT = (tuple(range(4)), tuple(range(4, 7)))


def test_regression_finds_the_rank_and_comes_to_the_communication():
    X, Y, C = joint(rank=2, samples=20_000)
    found = cortex.reduced_rank_regression(X, Y)
    assert found.best_rank == 2 and found.ranks.tolist() == [1, 2, 3]
    expected = cortex.communication(C, *_SPLIT)
    np.testing.assert_allclose(found.performance, expected, atol=5e-3)
    np.testing.assert_allclose(found.performance, found.by_fold.mean(0), rtol=1e-14)
    assert len(found.to_dataframe()) == 3 and "best rank" in repr(found)


@pytest.mark.skipif(not SAMPLE.is_file(), reason=f"no {SAMPLE}")
def test_v1_tells_v2_through_two_dimensions_and_v1_through_five():
    data = scipy.io.loadmat(SAMPLE)
    published = {
        "Y_V2": ((0.1008, 0.1193, 0.1209, 0.1211, 0.1191, 0.1124), 2),
        "Y_V1": ((0.0751, 0.0899, 0.1002, 0.1119, 0.1150, 0.1083), 5),
    }
    for name, (performance, best) in published.items():
        found = cortex.reduced_rank_regression(data["X"], data[name])
        assert found.best_rank == best
        at = np.isin(found.ranks, (1, 2, 3, 5, 8, 31))
        np.testing.assert_allclose(found.performance[at], performance, atol=1e-4)


X, Y, _ = joint(samples=40)
BAD = {
    r"`Y` must have the 40 samples": lambda: cortex.reduced_rank_regression(X, Y[1:]),
    r"`X` must be finite": lambda: cortex.reduced_rank_regression(np.where(X > 1, np.nan, X), Y),
    r"`X` must be real numbers of shape": lambda: cortex.reduced_rank_regression(X[0], Y),
    r"`Y` must vary": lambda: cortex.reduced_rank_regression(X, 0 * Y),
    r"`ranks` must be different integers from 1 to 3": lambda: cortex.reduced_rank_regression(
        X, Y, [1, 4]
    ),
    r"`folds` must be an integer from 2 to 20": lambda: cortex.reduced_rank_regression(
        X, Y, folds=1
    ),
    r"`covariance` must be a square matrix": lambda: cortex.communication(X, [0], [1]),
    r"`source` must be different numbers from 0 to 1": lambda: cortex.communication(
        np.eye(2), [2], [1]
    ),
    r"`target` must have no variable": lambda: cortex.communication(np.eye(2), [0, 1], [1]),
}


@pytest.mark.parametrize("message", BAD)
def test_bad_arguments_are_refused_by_name(message):
    with pytest.raises(ValueError, match=f"^Argument {message}"):
        BAD[message]()
