"""Gated circuits whose gains follow the input alone, and circuits of constant gains."""

import numpy as np
import zoo

import organics_ode as oo

FEEDBACK = ("W_by0", "W_ba0", "W_by1", "W_ba1")


def settled_gates(rectification=zoo.NONE, exponent=2.0, seed=0, n=zoo.N):
    """A gated circuit with W_r = I whose gains follow the input alone."""
    arrays = zoo.gated_values(n, zoo.M, seed=seed, identity=True)
    arrays |= {name: np.zeros((n, n)) for name in FEEDBACK}
    return oo.resolve(oo.GatedORGaNICs(**arrays, rectification=rectification, exponent=exponent))


def constant(rectification=zoo.NONE, exponent=2.0, seed=0):
    return oo.resolve(zoo.organics(rectification, exponent, identity=True, seed=seed))
