"""The stability of circuits that learned a cognitive task, compared with plain rate networks.

ORGaNICs circuits and rate networks are trained on tasks with a delay, or read from the files of an
earlier run, and examined in every period: the fixed and slow points near the states of the trials,
with the eigenvalues there; the eigenvalues along the trials; Lyapunov exponents; the size of the
state; and how long the delay can be before the answer is lost. Prints a table, writes the numbers
(cognitive-stability.json, or --out) and draws them (cognitive_stability.png, or --picture).

    python examples/cognitive/cognitive_stability.py --save DIR  # trains: half an hour
    python examples/cognitive/cognitive_stability.py --models examples/results/cognitive-stability
"""

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before anything loads LAPACK

import jax
import numpy as np
import optax
from _looks import look
from _networks import BURN_IN, in_float64, make_models, schedule, smaller
from _report import draw, print_circuits, print_periods

import organics_ode as oo
import tasks
from organics_ode.storage import command_of, origin

CASES = ("organics-dlygo", "rate-dlygo", "organics-dms")
# Rate networks learn to bridge a delay by skips of the state, ORGaNICs circuits without skips.
ROUNDS = {"organics": 80, "rate": 400}
SKIPS = {"length": 10, "stages": 6, "beta": 0.2, "rounds": 200}
FILES = ("models", "save", "keep_best", "out", "picture")


def train(case: str, args: argparse.Namespace) -> dict[str, Any]:
    """The trained models of a case, with facts about their training."""
    circuit, name = case.split("-")
    task = tasks.RingTask(name, args.dt)
    result = oo.fit_with_skips(
        make_models(circuit, task, args.count, args.seed),
        task,
        schedule("sctt" if circuit == "rate" else "base", **SKIPS),
        optimizer=optax.adam(0.005),
        key=jax.random.fold_in(jax.random.key(args.seed), 1),
        rounds=args.rounds or ROUNDS[circuit],
        evaluate_every=5,
        burn_in=BURN_IN,
    )
    facts = {
        "performance": np.round(result.performance, 4).tolist(),
        "reached": [None if np.isnan(r) else int(r) for r in result.rounds],
        "seconds": round(float(result.history["seconds"][-1])),
    }
    return {"models": list(result.models), "training": facts}


def trained(case: str, args: argparse.Namespace) -> dict[str, Any]:
    """The models of a case, from a file or newly trained, and saved if that is asked for."""
    file = f"{case}.npz"
    saved = oo.load(args.models / file) if args.models else train(case, args)
    if args.save:
        args.save.mkdir(parents=True, exist_ok=True)
        oo.save(args.save / file, saved)
    if args.keep_best:
        args.keep_best.mkdir(parents=True, exist_ok=True)
        best = int(np.nanargmax(saved["training"]["performance"]))
        kept = {"models": [smaller(saved["models"][best])], "training": saved["training"]}
        oo.save(args.keep_best / file, kept)
    return saved


def main(args: argparse.Namespace) -> None:
    begun, cases = time.monotonic(), {}
    print("starts that came to fixed points, stable ones, slow ones (shares), distinct points;")
    print("largest Re λ at the fixed points, and along the delay; largest Lyapunov exponent over")
    print("the trial, and over the delay (1/s); largest |state|, in the trial and in a minute of")
    print(f"delay; in how many states that ends; share right after delays of {args.delays} s")
    facts = {}
    for case in args.cases:
        saved = trained(case, args)
        task = tasks.RingTask(case.split("-")[1], args.dt)
        with jax.enable_x64(True):
            models = map(in_float64, saved["models"])
            looks = [look(model, task, args) for model in models]
        print_circuits(case, looks)
        cases[case] = looks
        facts[case] = {"training": saved["training"], "circuits": [one.record for one in looks]}
    print("median and range over the circuits: shares, distinct points, Re λ in 1/s")
    for case, looks in cases.items():
        print_periods(case, looks)
    options = {k: v for k, v in vars(args).items() if k not in FILES}
    facts = {
        **command_of(argparse.Namespace(**options)),
        **origin(time.monotonic() - begun),
        "cases": facts,
    }
    args.out.write_text(json.dumps(facts, indent=1) + "\n")
    with jax.enable_x64(True):
        draw(cases, args)
    print(f"wrote {args.out} and {args.picture}")


if __name__ == "__main__":
    oo.use_cores()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--count", type=int, default=5, help="circuits to train in each case")
    parser.add_argument("--rounds", type=int, help="training rounds, at most")
    parser.add_argument("--dt", type=float, default=20.0, help="ms per step")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--directions", type=int, default=8, help="trials to examine")
    parser.add_argument("--delays", type=int, nargs="+", default=[1, 2, 4, 8, 16], help="seconds")
    parser.add_argument(
        "--models", type=Path, help="a folder of models to read instead of training"
    )
    parser.add_argument("--save", type=Path, help="a folder to save all models in")
    parser.add_argument("--keep-best", type=Path, help="a folder to save the best in, made small")
    parser.add_argument("--out", type=Path, default=Path("cognitive-stability.json"))
    parser.add_argument("--picture", type=Path, default=Path("cognitive_stability.png"))
    main(parser.parse_args())
