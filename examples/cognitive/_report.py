"""The tables and the picture of examples/cognitive/cognitive_stability.py."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from _looks import Look

import organics_ode as oo
import tasks
from organics_ode import population

COLOURS = {"organics": "#0072B2", "rate": "#D55E00"}


def shown(rate: float | None) -> str:
    """A rate in 1/s; a dash if there is no point that has one."""
    return "-" if rate is None else f"{1e3 * rate:.2f}"


def print_circuits(case: str, looks: list[Look]) -> None:
    """Print a line for each circuit, with what it does in the delay."""
    for i, record in enumerate(each.record for each in looks):
        delay, exponent = record["periods"]["delay"], record["exponent"]
        right = " ".join(f"{value:.2f}" for value in record["right"].values())
        print(
            f"{case:16}{i:2} {record['performance']:6.3f} | {delay['fixed']:4.2f} "
            f"{delay['stable']:4.2f} {delay['slow']:4.2f} {delay['distinct']:4d} | "
            f"{shown(delay['abscissa']):>8} {shown(delay['along']):>8} | "
            f"{shown(exponent['trial']):>8} {shown(exponent['delay']):>8} | "
            f"{record['largest_state']:7.3g} {record['minute']['largest_state']:7.3g} "
            f"{record['minute']['ends']:2d} | {right}",
            flush=True,
        )


def spread_of(values: np.ndarray) -> str:
    """The median and the range."""
    if not values.size:
        return "-"
    return f"{np.median(values):.3g} ({values.min():.3g} to {values.max():.3g})"


def print_periods(case: str, looks: list[Look]) -> None:
    """Print a line for each period, with medians and ranges over the circuits."""
    columns = ("fixed", "stable", "slow", "distinct", "abscissa", "along")
    for period in looks[0].record["periods"]:
        cells = []
        for column in columns:
            scale = 1e3 if column in ("abscissa", "along") else 1
            values = [one.record["periods"][period][column] for one in looks]
            known = scale * np.array([value for value in values if value is not None])
            cells.append(spread_of(known))

        print(f"{case:16}{period:10} " + " ".join(f"{cell:>22}" for cell in cells))


def draw(cases: dict[str, list[Look]], args: Any) -> None:
    """Draw a column for each case: state space, eigenvalues, eigenvalues along a trial, memory."""
    figure, axes = plt.subplots(
        4, len(cases), figsize=(4.2 * len(cases) + 0.6, 13.5), layout="constrained", squeeze=False
    )
    for column, (case, looks) in zip(axes.T, cases.items(), strict=True):
        circuit, name = case.split("-")
        task = tasks.RingTask(name, args.dt)
        best = max(looks, key=lambda one: one.record["performance"])
        draw_plane(best, task, column[0])
        kind = "ORGaNICs" if circuit == "organics" else "rate network"
        column[0].set_title(f"{kind}, {name}", fontsize="large")
        draw_eigenvalues(looks, best, COLOURS[circuit], column[1])
        draw_along(looks, best, task, COLOURS[circuit], column[2])
        draw_memory(looks, task, COLOURS[circuit], column[3])
    figure.savefig(args.picture, dpi=110)


def draw_plane(best: Look, task: tasks.RingTask, ax: plt.Axes) -> None:
    """Trajectories from the first stimulus to the end of the delay, and the points of the delay."""
    responses = best.responses
    onset = list(task.periods.values())[1][0]
    first, last = task.periods["delay"]
    components = population.principal_components(responses[:, first:last], 2)
    paths = np.asarray(components.project(responses[:, onset:last]))
    colours = plt.get_cmap("hsv")(best.directions / (2 * np.pi))
    for path, colour in zip(paths, 0.85 * colours[:, :3], strict=True):
        ax.plot(*path[: first - onset].T, color=colour, lw=0.8, ls=":")
        ax.plot(*path[first - onset :].T, color=colour, lw=1.6)
        ax.plot(*path[-1], "o", color=colour, ms=4)
    for points in best.points.found:
        oo.plot_slow_points(points, components, ax, ms=5)
    explained = 100 * float(components.explained.sum())
    ax.set(xlabel=f"component 1 (both: {explained:.0f} % of the delay)", ylabel="component 2")


def draw_eigenvalues(looks: list[Look], best: Look, colour: str, ax: plt.Axes) -> None:
    """Eigenvalues at the end of the delay, in 1/s."""
    for one in looks:
        values = 1e3 * one.eigenvalues.ravel()
        ax.plot(values.real, values.imag, ".", ms=2, color="0.75", zorder=1)
    values = 1e3 * best.eigenvalues.ravel()
    ax.plot(values.real, values.imag, ".", ms=3, color=colour, zorder=2)
    ax.axvline(0, color="0.3", lw=1, ls="--", zorder=0)
    ax.set(xlabel="Re λ at the end of the delay (1/s)", ylabel="Im λ (1/s)")


def draw_along(
    looks: list[Look], best: Look, task: tasks.RingTask, colour: str, ax: plt.Axes
) -> None:
    """The largest real part over the trial: the median over directions, and its range."""
    t = 1e-3 * task.dt * best.times
    for one in looks:
        ax.plot(t, 1e3 * np.median(one.abscissae, axis=0), color="0.75", lw=0.9)
    low, middle, high = 1e3 * np.quantile(best.abscissae, (0, 0.5, 1), axis=0)
    ax.fill_between(t, low, high, color=colour, alpha=0.2, lw=0)
    ax.plot(t, middle, color=colour, lw=1.5)
    ax.axhline(0, color="0.3", lw=1, ls="--", zorder=0)
    for name, (start, stop) in task.periods.items():
        ax.axvline(1e-3 * task.dt * start, color="0.6", lw=0.8, ls=":")
        place = (5e-4 * task.dt * (start + stop), 1.01)
        style = {"ha": "center", "fontsize": "x-small", "color": "0.3"}
        ax.text(
            *place, name.replace("stimulus", "stim. "), transform=ax.get_xaxis_transform(), **style
        )
    ax.set(xlabel="time (s)", ylabel="largest Re λ (1/s)")


def draw_memory(looks: list[Look], task: tasks.RingTask, colour: str, ax: plt.Axes) -> None:
    seconds = [float(key.split()[0]) for key in looks[0].record["right"]]
    right = np.array([list(one.record["right"].values()) for one in looks])
    ax.plot(seconds, right.T, "o-", color=colour, ms=3, lw=1, alpha=0.6)
    weight = task.timeline[-1].duration / sum(period.duration for period in task.timeline)
    ax.axhline(1 - (1 - task.chance) / weight, color="0.5", lw=0.8, ls=":", label="chance")
    ax.set(xscale="log", xticks=seconds, xticklabels=[f"{s:g}" for s in seconds], ylim=(0, 1.03))
    ax.minorticks_off()
    ax.set(xlabel="delay (s)", ylabel="share of the response that is right")
    ax.legend(frameon=False, loc="lower left")
