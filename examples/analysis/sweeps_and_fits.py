"""A sweep over two parameters, and parameters fitted to noisy time courses with their errors.

python examples/analysis/sweeps_and_fits.py [--draws 100]

Prints how often the fitted parameters lie within 1, 2 and 3 standard errors of the true ones,
compared with a normal distribution, and a fit by scipy.optimize.curve_fit to a solution by scipy.
"""

import argparse
import time

import jax
import matplotlib.pyplot as plt
import numpy as np
from scipy.integrate import solve_ivp
from scipy.optimize import curve_fit

import organics_ode as oo

jax.config.update("jax_enable_x64", True)
ONE = np.ones((1, 1))
TS = np.linspace(0.0, 40.0, 81)  # ms
TRUE = {"b1": 0.7, "tau_y": 3.0, "tau_a": 5.0}
NOISE = 0.01


def unit(b1=0.5, tau_y=2.0, tau_a=2.0):
    return oo.ORGaNICs(ONE, ONE, ONE, 0.1, 0.5, b1, tau_y, tau_a)


def abscissa(circuit):
    """The rate at which the circuit comes to rest, 1/ms."""
    return oo.fixed_point(circuit, np.ones(1), throw=False).abscissa


def by_scipy(ts, b1, tau_y, tau_a):
    """y from the equations, without this library."""

    def field(t, v):
        y, a = v
        recurrent = (1 - np.sqrt(max(a, 0.0))) * y
        return [(-y + b1 + recurrent) / tau_y, (-a + 0.05**2 + a * y**2) / tau_a]

    start = [0.0, 0.05**2]
    return solve_ivp(field, (0, ts[-1]), start, t_eval=ts, rtol=1e-9, atol=1e-11).y[0]


def fit(data):
    return oo.fit_parameters(unit(), np.ones(1), TS, data, free=tuple(TRUE))


def deviations(y, draws):
    """(draws, p): estimates − truth in standard errors."""
    rows = []
    for seed in range(draws):
        found = fit(y + NOISE * np.random.default_rng(seed).normal(size=y.shape))
        errors = np.sqrt(np.diag(found.covariance))
        rows.append((found.estimates - list(TRUE.values())) / errors)
    return np.array(rows)


def report(y, draws):
    data = y + NOISE * np.random.default_rng(0).normal(size=y.shape)
    found = fit(data)
    print(found)
    values, covariance = curve_fit(by_scipy, TS, data, p0=[0.6, 2.5, 4.0], xtol=1e-10, ftol=1e-10)
    errors = np.sqrt(np.diag(covariance))
    for name, value, error in zip(TRUE, values, errors, strict=True):
        print(f"  scipy: {name:12} {value:.6g} ± {error:.2g}")
    start = time.process_time()
    z = deviations(y, draws)
    print(f"{draws} draws took {time.process_time() - start:.1f} s of processor time")
    for k, normal in ((1, 0.683), (2, 0.954), (3, 0.997)):
        each = np.mean(np.abs(z) < k, axis=0)
        every = np.sum(np.all(np.abs(z) < k, axis=1))
        row = "  ".join(f"{name} {share:.2f}" for name, share in zip(TRUE, each, strict=True))
        print(f"within {k}: {row}  (normal {normal}), all three in {every} of {draws}")
    return data, found, z


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--draws", type=int, default=100)
    draws = parser.parse_args().draws
    axes = {"W_r": np.linspace(0.5, 1.5, 20), "tau_a": np.geomspace(1.0, 100.0, 20)}
    sweep = oo.sweep(unit(), axes, abscissa)
    print(sweep)
    y = by_scipy(TS, **TRUE)
    data, found, z = report(y, draws)
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(13, 3.8), layout="constrained")
    oo.plot_sweep(sweep, ax=left)
    left.figure.axes[-1].set_ylabel("abscissa (1/ms)")
    middle.plot(TS, data, ".", color="0.5", label="data")
    middle.plot(TS, data - found.residuals[:, 0], label="fit")
    middle.set(xlabel="time (ms)", ylabel="y")
    middle.legend(frameon=False)
    bins = np.linspace(-4, 4, 33)
    right.hist(z, bins, label=list(found.names), density=True)
    right.plot(bins, np.exp(-(bins**2) / 2) / np.sqrt(2 * np.pi), "k", label="normal")
    right.set(xlabel="(estimate − truth)/standard error", ylabel="density")
    right.legend(frameon=False)
    figure.savefig("sweeps_and_fits.png", dpi=120)


if __name__ == "__main__":
    main()
