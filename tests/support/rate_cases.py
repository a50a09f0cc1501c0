"""Connectivities of small rate networks, and what is legal in one."""

import numpy as np

import organics_ode as oo

N, M, UNITS = 5, 3, (1, 4)
SIGNS = np.array([1, 1, 0, -1, -1])


def connectivity(seed=0):
    """With Dale's signs, two connections absent, and none of a unit with itself."""
    rng = np.random.default_rng(seed)
    mask = ~np.eye(N, dtype=bool)
    mask[0, 1] = mask[3, 2] = False
    W = rng.normal(size=(N, N))
    W = np.where(SIGNS == 0, W, np.abs(W) * SIGNS) * mask / 2
    return oo.Connectivity(W, mask=mask, signs=SIGNS)


def check_legal(W):
    """The laws of `connectivity`, written out."""
    W = np.asarray(W)
    assert np.all(W[np.arange(N), np.arange(N)] == 0) and W[0, 1] == 0 and W[3, 2] == 0
    assert np.all(W[:, :2] >= 0) and np.all(W[:, 3:] <= 0)
