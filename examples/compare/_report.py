"""What `compare.py` measures besides accuracy; its table, its picture and its page."""

from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import organics_ode as oo

MARK = "<!-- {} -->\n"


def memory_of(model: oo.SequenceClassifier, data, batch: int) -> float:
    """The memory of the compiled gradient of a batch, beyond its arguments and results, MB."""
    arrays, rest = eqx.partition(model, eqx.is_inexact_array)
    xs, labels = (jnp.asarray(v[:batch]) for v in (data.train.inputs, data.train.targets))

    def loss(arrays, xs, labels):
        scores = jax.vmap(oo.resolve(eqx.combine(arrays, rest)))(xs)
        return jnp.mean(jax.vmap(data.loss)(scores, labels))

    compiled = jax.jit(jax.grad(loss)).lower(arrays, xs, labels).compile()
    return compiled.memory_analysis().temp_size_in_bytes / 1e6


def abscissa_of(model: oo.SequenceClassifier, images: np.ndarray) -> float | None:
    """The abscissa at the fixed point for the mean pixel, 1/ms; None if no point is found."""
    circuit = getattr(model.cell, "circuit", None)
    if circuit is None:
        return None
    point = oo.fixed_point(circuit, images.mean((0, 1)), throw=False)
    return float(point.abscissa) if point.succeeded else None


def best(line: dict, clip: int) -> int:
    """The index of the rate with the best mean on validation data; diverged runs count as 0."""
    kept = np.where(np.array(line["diverged"]), 0, np.array(line["validation"]))
    return int(np.argmax(kept[:, clip].mean(-1)))


def table(lines: dict[str, dict]) -> str:
    """The table, in order of accuracy without clipping."""
    head = "| model | trained numbers | held out | clipped at 1 | diverged, of all | largest norm"
    head += " | ms a step | MB | abscissa (1/ms) |\n|---|---|---|---|---|---|---|---|---|\n"
    rows = []
    for label, line in lines.items():
        accuracy, diverged = np.array(line["accuracy"]), np.array(line["diverged"])
        means, cells = [], []
        for clip in range(accuracy.shape[1]):
            values = accuracy[best(line, clip), clip]
            error = values.std(ddof=1) / len(values) ** 0.5
            means.append(values.mean())
            cells.append(f"{values.mean():.3f} ± {error:.3f}")
        cells += ["-"] * (2 - len(cells))
        free = [a for a in line["abscissa"] if a is not None]
        rest = [f"{diverged[:, 0].sum()} / {diverged[:, 0].size}"]
        rest += [f"{np.max(np.array(line['largest norm'])[best(line, 0), 0]):.3g}"]
        rest += [f"{line['ms per step']:.1f}", f"{line['memory, MB']:.0f}"]
        rest += [f"{np.median(free):.3g}" if free else "-"]
        row = " | ".join([label, str(line["numbers"]), *cells, *rest])
        rows.append((-means[0], f"| {row} |"))
    return head + "\n".join(row for _, row in sorted(rows)) + "\n"


def norms(lines: dict[str, dict], rates: list[float]) -> str:
    """For each rate, without clipping: the largest gradient norm relative to that of the median
    step, as the median over seeds, and how many seeds diverged."""
    head = "| model | " + " | ".join(f"rate {rate:g}" for rate in rates) + " |\n"
    rows = [head + "|---" * (1 + len(rates)) + "|"]
    for label, line in lines.items():
        largest, usual = (np.array(line[f"{which} norm"])[:, 0] for which in ("largest", "median"))
        lost = np.array(line["diverged"])[:, 0]
        cells = [
            f"{np.median(top / mid):.3g}" + (f", {n.sum()} of {n.size} diverged" if n.any() else "")
            for top, mid, n in zip(largest, usual, lost, strict=True)
        ]
        rows.append(f"| {label} | {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


def draw(lines: dict[str, dict], rates: list[float], score: str, path: Path) -> None:
    """Draw the score of every seed, and gradient norms and diverged runs over the learning rate."""
    figure, axes = plt.subplots(1, 2, figsize=(11, 0.32 * len(lines) + 1.6), layout="constrained")
    order = sorted(
        lines, key=lambda k: np.mean(np.array(lines[k]["accuracy"])[best(lines[k], 0), 0])
    )
    for i, label in enumerate(order):
        line = lines[label]
        values = np.array(line["accuracy"])[best(line, 0), 0]
        color = "C3" if label.startswith("control") else "C0" if "ORGaNICs" in label else "0.4"
        axes[0].plot(values, np.full(len(values), i), "o", color=color, alpha=0.5, ms=4)
        axes[0].plot(values.mean(), i, "|", color="black", ms=12)
        largest, diverged = np.array(line["largest norm"])[:, 0], np.array(line["diverged"])[:, 0]
        for j, rate in enumerate(rates):
            here = i + 0.25 * (j - 1)
            axes[1].plot(largest[j], np.full(largest.shape[1], here), ".", color=f"C{j}", ms=4)
            lost = diverged[j].sum()
            if lost:
                axes[1].text(
                    1.01,
                    here,
                    f"{lost} diverged at {rate:g}",
                    fontsize=6,
                    transform=axes[1].get_yaxis_transform(),
                    va="center",
                )
    axes[0].set_yticks(range(len(order)), order)
    axes[1].set_yticks(range(len(order)), [])
    axes[0].set(xlabel=f"held-out {score}\n(a point for each seed; bar: mean)")
    axes[1].set(xscale="log", xlabel="largest norm of a gradient in training\n(nothing clipped)")
    for j, rate in enumerate(rates):
        axes[1].plot([], [], ".", color=f"C{j}", label=f"rate {rate:g}")
    axes[1].legend(frameon=False, fontsize=7)
    figure.savefig(path, dpi=120)


def write(page: Path, name: str, text: str) -> None:
    """Write the table between its marks in the page."""
    mark = MARK.format(name)
    parts = page.read_text(encoding="utf-8").split(mark)
    page.write_text(mark.join([parts[0], text, *parts[2:]]), encoding="utf-8")
