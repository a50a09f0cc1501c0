"""The command line of `train_mnist.py`."""

import argparse
from pathlib import Path

import organics_ode as oo

PIXELS = 784
# What the circuit starts as; a shipped circuit that is trained further determines these.
CIRCUIT = (
    "bounded",
    "groups",
    "start_a",
    "size",
    "cycles",
    "sigma",
    "pool",
    "log_pool",
    "tau",
    "modulators",
    "gains",
)


def sequence_models() -> list[str]:
    """The shipped models that read pixels one after the other."""
    names = oo.pretrained_names()
    return [name for name in names if "permuted" in oo.model_card(name)["options"]]


def read(description: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description)
    add = parser.add_argument
    add("--permuted", action="store_true", help="permute the pixels")
    add("--bounded", action="store_true", help="a RotationalORGaNICs")
    add("--groups", type=int, default=1, help="groups of a bounded circuit")
    add("--start-a", type=float, default=0.25, help="initial modulators of a bounded circuit")
    add("--size", type=int, default=64, help="number of principal cells")
    add("--pixels", type=int, nargs="+", default=[4, 2, 1], help="pixels per step, by stage")
    add("--epochs", type=int, nargs="+", default=[12, 3, 1], help="epochs by stage")
    add(
        "--rates",
        type=float,
        nargs="+",
        default=[0.01, 0.005, 0.002],
        help="learning rates by stage",
    )
    add("--batch", type=int, default=128)
    add("--cycles", type=float, default=24.0, help="cycles of the fastest oscillator")
    add("--sigma", type=float, default=0.05, help="initial semi-saturation")
    add("--pool", type=float, default=0.02, help="initial scale of W")
    add("--log-pool", action="store_true", help="train log W, which then grows slowly")
    add("--tau", type=float, default=20.0, help="initial tau_y, ms")
    add("--modulators", type=float, nargs=2, default=[40.0, 400.0], help="range of tau_a, ms")
    add(
        "--gains", type=float, nargs=2, default=[10.0, 100.0], help="range of tau_b0 and tau_b1, ms"
    )
    add("--lstm", action="store_true", help="an LSTM instead, to compare with")
    add("--fixed-times", action="store_true", help="do not learn time constants")
    add("--start", choices=sequence_models(), help="train a shipped circuit further")
    add("--seed", type=int, default=0)
    add("--data-dir", help="the folder that holds mnist/")
    add("--out", type=Path, default=Path("train_mnist.png"))
    args = parser.parse_args()
    _check(parser, args)
    return args


def _check(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    stages = {name: len(getattr(args, name)) for name in ("pixels", "epochs", "rates")}
    if len(set(stages.values())) > 1:
        given = ", ".join(f"{count} {name}" for name, count in stages.items())
        parser.error(f"every stage has its pixels, epochs and rate, but there are {given}")
    if bad := [pixels for pixels in args.pixels if pixels < 1 or PIXELS % pixels]:
        parser.error(f"--pixels must divide {PIXELS}, but {bad[0]} does not")
    if args.bounded and args.lstm:
        parser.error("--bounded trains a circuit: no --lstm")
    if args.start:
        if args.lstm or args.fixed_times:
            parser.error("--start goes on with a circuit as it is: no --lstm or --fixed-times")
        args.permuted = oo.model_card(args.start)["options"]["permuted"]
        for name in CIRCUIT:
            setattr(args, name, None)
