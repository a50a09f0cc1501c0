"""The stiffest circuits of `bounded_circuits.py`, solved in another way: scipy's Radau on ln a."""

import numpy as np
from scipy.integrate import solve_ivp


def sigmoid(u: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(u, -700, 700)))


def by_scipy(d: dict, groups: int, hold: float) -> np.ndarray | None:
    """y (time, n) at the solver's own steps through the held inputs; None if it fails.

    A modulator that an exponent of 3 and an input of 1e3 drive to 1e11 changes by 25 in its
    logarithm. The equations are written again, independently of those of the library.
    """
    c, n = d["arrays"], len(d["start"][0])
    p, per_unit = float(c["exponent"]), n // groups
    y, a, b0, b1 = d["start"]
    v, found = np.concatenate([y, np.log(a), b0, b1]), []
    for x in d["x"]:

        def velocity(t: float, v: np.ndarray, x: np.ndarray = x) -> np.ndarray:
            y, log_a, b0, b1 = np.split(v, (n, n + groups, n + 2 * groups))
            a, s = np.exp(log_a), np.repeat(np.exp(log_a / p), per_unit)
            pool = (c["sigma"] * b0) ** p + c["W"] @ (np.repeat(a, per_unit) * np.abs(y) ** p)
            u0 = c["W_bx0"] @ x + c["W_by0"] @ y + c["W_ba0"] @ a
            u1 = c["W_bx1"] @ x + c["W_by1"] @ y + c["W_ba1"] @ a
            parts = [
                (-y + b1 * (c["W_zx"] @ x) + (1 - s) * (c["W_r"] @ y)) / c["tau_y"],
                (-1 + pool / a) / c["tau_a"],
                (-b0 + c["floor"] + (1 - c["floor"]) * sigmoid(u0)) / c["tau_b0"],
                (-b1 + sigmoid(u1)) / c["tau_b1"],
            ]
            return np.concatenate(parts)

        with np.errstate(all="ignore"):
            run = solve_ivp(velocity, (0, hold), v, method="Radau", rtol=1e-7, atol=1e-10)
        if not run.success:
            return None
        v = run.y[:, -1]
        found.append(run.y[:n].T)
    return np.concatenate(found)
