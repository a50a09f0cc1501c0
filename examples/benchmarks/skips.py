"""Skips through time against training without them: rounds to criterion and shares of networks.

On every task, networks from the same seeds are trained without skips (base), with coarse steps that
are refined (cd), with skips of the state (sctt) and of the derivative (dasc). Each run appends a
line to the results (examples/results/skips.jsonl): its options, the round at which every network
reached the criterion, its performance at every evaluation, and its seconds. Runs already in the
results are skipped, and an interrupted one resumes from its checkpoint. The picture shows all
results.

    python examples/benchmarks/skips.py --tasks dlygo dms --schemes base sctt [--rounds 150 …]
    python examples/benchmarks/skips.py --draw           # only the table and the picture
"""

import argparse
import json
import sys
from pathlib import Path

import jax
import matplotlib.pyplot as plt
import numpy as np
import optax

import organics_ode as oo
import tasks
from organics_ode.storage import origin

sys.path.insert(0, str(Path(__file__).parents[1] / "cognitive"))
from _networks import BURN_IN, CIRCUITS, SCHEMES, make_models, schedule

RESULTS = Path(__file__).parents[1] / "results" / "skips.jsonl"
OPTIONS = ("circuit", "dt", "models", "rounds", "stage_rounds", "length", "stages", "beta", "rate")
COLUMNS = 7  # of the figure
COLOURS = dict(zip(SCHEMES, ("0.4", "C0", "C1", "C2"), strict=True))


def run(args: argparse.Namespace, name: str, scheme: str) -> dict:
    """One training run, as a line of the results."""
    task = tasks.RingTask(name, args.dt)
    checkpoint = args.results.with_suffix(f".{args.circuit}-{name}-{scheme}.checkpoint")
    result = oo.fit_with_skips(
        make_models(args.circuit, task, args.models, args.seed),
        task,
        schedule(
            scheme,
            length=args.length,
            stages=args.stages,
            beta=args.beta,
            rounds=args.stage_rounds,
        ),
        optimizer=optax.adam(args.rate),
        key=jax.random.fold_in(jax.random.key(args.seed), 1),
        rounds=args.rounds,
        evaluate_every=args.evaluate_every,
        criterion=args.criterion,
        burn_in=BURN_IN,
        checkpoint=checkpoint,
        progress=not args.quiet,
    )
    checkpoint.unlink()
    options = {option: getattr(args, option) for option in OPTIONS}
    return {
        "task": name,
        "scheme": scheme,
        **options,
        "seed": args.seed,
        "criterion": args.criterion,
        "evaluate_every": args.evaluate_every,
        "outcome": result.outcome,
        "reached": [None if np.isnan(r) else int(r) for r in result.rounds],
        "steps": result.history.steps("validation_performance").tolist(),
        "performance": np.round(result.history["validation_performance"], 4).tolist(),
        "largest_gradient_norm": float(np.nanmax(result.history["gradient_norm"])),
        "resumed": list(result.history.resumed),
        **origin(float(result.history["seconds"][-1])),
    }


def identity(line: dict) -> tuple:
    return tuple(line[k] for k in ("task", "scheme", "seed", *OPTIONS))


def read(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def table(lines: list[dict]) -> None:
    print(f"{'task':13}{'circuit':10}{'scheme':7}{'reached':>9}{'rounds':>8}{'last':>8}{'s':>7}")
    for line in lines:
        rounds = [np.inf if r is None else r for r in line["reached"]]
        share = f"{np.isfinite(rounds).sum()}/{len(rounds)}"
        middle = np.median(rounds)
        shown = f"{middle:.0f}" if np.isfinite(middle) else f">{line['steps'][-1]}"
        last = np.median(line["performance"][-1])
        names = f"{line['task']:13}{line['circuit']:10}{line['scheme']:7}"
        print(f"{names}{share:>9}{shown:>8}{last:8.3f}{line['seconds']:7d}")


def compare(lines: list[dict]) -> None:
    """Rounds with skips against rounds without, network by network from the same seed."""
    plain = {(k["task"], k["circuit"]): k for k in lines if k["scheme"] == "base"}
    for line in lines:
        base = plain.get((line["task"], line["circuit"]))
        if base is None or line is base:
            continue
        cap = min(line["rounds"], base["rounds"])
        # Compared up to the end of the shorter run, after which nothing is known about it.
        mine, its = (np.array([r or np.inf for r in k["reached"]]) for k in (line, base))
        ratios = np.minimum(mine, cap) / np.minimum(its, cap)
        low, middle, high = np.quantile(ratios, (0.25, 0.5, 0.75))
        name = f"{line['task']} {line['circuit']} {line['scheme']}"
        more, less = np.sum(mine <= cap), np.sum(its <= cap)
        print(
            f"{name:28} reached {more} against {less} in {cap} rounds; rounds against base, those "
            f"that did not counted as {cap}: median ratio {middle:.2f} (quartiles {low:.2f} to "
            f"{high:.2f})"
        )


def draw(lines: list[dict], path: Path) -> None:
    """The share of networks at the criterion, and median performance, against rounds."""
    names = list(dict.fromkeys((line["task"], line["circuit"]) for line in lines))
    rows = -(-len(names) // COLUMNS)
    size = (2.1 * COLUMNS + 0.5, 4.2 * rows)
    figure, axes = plt.subplots(2 * rows, COLUMNS, figsize=size, layout="constrained")
    columns = np.concatenate([axes[2 * row : 2 * row + 2].T for row in range(rows)])
    for unused in columns[len(names) :].ravel():
        unused.set_axis_off()
    for column, name in zip(columns, names, strict=False):
        for line in lines:
            if (line["task"], line["circuit"]) == name:
                draw_run(line, *column)
        suffix = "" if name[1] == "rate" else f" ({name[1]})"
        column[0].set(title=name[0] + suffix, ylim=(-0.03, 1.03))
        column[1].set(xlabel="round", ylim=(0.6, 1.01))
    axes[0, 0].set_ylabel("share at criterion")
    axes[1, 0].set_ylabel("performance")
    axes[0, 0].legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=130)


def draw_run(line: dict, top: plt.Axes, bottom: plt.Axes) -> None:
    last, colour = line["steps"][-1], COLOURS[line["scheme"]]
    rounds = sorted(r for r in line["reached"] if r is not None)
    share = np.arange(len(rounds) + 1) / len(line["reached"])
    end = max(last, line["rounds"])
    top.step([0, *rounds, end], [*share, share[-1]], where="post", color=colour)
    top.plot([], [], color=colour, label=line["scheme"])
    low, middle, high = np.quantile(line["performance"], (0.25, 0.5, 0.75), axis=1)
    bottom.plot(line["steps"], middle, color=colour, lw=1)
    bottom.fill_between(line["steps"], low, high, color=colour, alpha=0.15, lw=0)


def main(args: argparse.Namespace) -> None:
    if not args.draw:
        for name in args.tasks:
            for scheme in args.schemes:
                wanted = vars(args) | {"task": name, "scheme": scheme}
                if identity(wanted) in map(identity, read(args.results)):
                    continue
                line = run(args, name, scheme)
                with args.results.open("a") as file:
                    file.write(json.dumps(line) + "\n")
                table([line])
    lines = read(args.results)
    lines.sort(key=lambda line: (CIRCUITS.index(line["circuit"]), order(line["task"], args.tasks)))
    table(lines)
    compare(lines)
    if lines:
        draw(lines, args.out)


def order(task: str, asked: list[str]) -> int:
    return asked.index(task) if task in asked else len(asked) + tasks.RING_TASKS.index(task)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tasks", nargs="+", choices=tasks.RING_TASKS, default=["dlygo"])
    parser.add_argument("--schemes", nargs="+", choices=SCHEMES, default=list(SCHEMES))
    parser.add_argument("--circuit", choices=CIRCUITS, default="rate")
    parser.add_argument("--dt", type=float, default=5.0, help="ms per step")
    parser.add_argument("--models", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=150, help="at most, with 10 iterations each")
    parser.add_argument(
        "--stage-rounds", type=int, default=75, help="rounds of all stages together"
    )
    parser.add_argument("--length", type=int, default=20, help="θ, in steps; for cd the first one")
    parser.add_argument("--stages", type=int, default=6, help="stages of sctt and dasc")
    parser.add_argument("--beta", type=float, default=0.5, help="β₀ of sctt and dasc")
    parser.add_argument("--rate", type=float, default=0.005, help="learning rate of Adam")
    parser.add_argument("--evaluate-every", type=int, default=5, help="rounds between evaluations")
    parser.add_argument("--criterion", type=float, default=0.99)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--out", type=Path, default=Path("skips.png"))
    parser.add_argument("--draw", action="store_true", help="only draw, without training")
    parser.add_argument("--quiet", action="store_true")
    main(parser.parse_args())
