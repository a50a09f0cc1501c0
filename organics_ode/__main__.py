"""The command line: `python -m organics_ode info | card | evaluate | explore`."""

import argparse
import contextlib
import platform
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import jax

from . import tasks
from ._version import __version__
from .parallel import cores, use_cores
from .storage import load, model_card, pretrained, pretrained_names
from .training import evaluate

_PACKAGES = ("jax", "jaxlib", "equinox", "diffrax", "optax", "numpy")
_OPTIONAL = ("matplotlib", "scikit-learn", "pooch", "pandas", "xarray", "bokeh")
_CHUNK = 1_000  # samples between two lines of progress
_SAME = 1e-3  # allowed difference between the accuracy on a card and that on another machine


def main(words: Sequence[str] | None = None) -> int:
    """Run the command; the exit status is 0, or 1 if it failed, or 2 for a wrong argument."""
    args = _parser().parse_args(words)
    try:
        return args.run(args)
    except (OSError, ValueError, ImportError, RuntimeError) as error:
        print(f"organics_ode {args.command}: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m organics_ode", description="ORGaNICs for JAX.")
    parser.add_argument("--version", action="version", version=f"organics_ode {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    info = commands.add_parser("info", help="versions, devices, precision, and the data found")
    card = commands.add_parser("card", help="what a trained model is, and its parameters")
    card.add_argument("name", metavar="NAME", type=_model, help="of a trained model, or a file")
    score = commands.add_parser("evaluate", help="evaluate a trained model on its data again")
    score.add_argument("name", metavar="NAME", choices=pretrained_names(), help="of the model")
    page = commands.add_parser("explore", help="a local page of small circuits with sliders")
    page.add_argument(
        "--port", type=int, default=0, help="where to listen; any free one unless given"
    )
    page.add_argument("--no-browser", action="store_true", help="print the address alone")
    for command, run in ((info, _info), (card, _card), (score, _evaluate), (page, _explore)):
        command.set_defaults(run=run)
        if command in (info, score):
            command.add_argument("--data-dir", type=Path, help="the folder that holds mnist/")
    return parser


def _model(text: str) -> str:
    names = pretrained_names()
    if text not in names and not Path(text).is_file():
        found = "invalid choice: {!r} is not a file, and none of {}".format(text, ", ".join(names))
        raise argparse.ArgumentTypeError(found)
    return text


def _info(args: argparse.Namespace) -> int:
    devices = [f"{device.platform} {device.id} ({device.device_kind})" for device in jax.devices()]
    facts = {"organics_ode": f"{__version__}, {Path(__file__).parent}"}
    facts |= {"python": f"{platform.python_version()}, {platform.platform()}"}
    facts |= {name: _version(name) for name in (*_PACKAGES, *_OPTIONAL)}
    facts["devices"] = ", ".join(devices)
    facts["cores"] = f"{cores()} (`oo.use_cores()` makes a device of each for training)"
    facts["precision"] = (
        "x64 is on" if jax.config.read("jax_enable_x64") else "x64 is off (JAX_ENABLE_X64=1)"
    )
    folder = tasks.MNIST.folder(args.data_dir)
    facts["MNIST"] = "not found, to be downloaded once" if folder is None else str(folder)
    facts["trained models"] = ", ".join(pretrained_names())
    _show(facts)
    return 0


def _card(args: argparse.Namespace) -> int:
    if args.name not in pretrained_names():
        print(load(args.name))
        return 0
    card = model_card(args.name)
    values = card.pop("values")
    _show({"name": args.name} | {fact: _in_words(value) for fact, value in card.items()})
    print("parameters")
    _show({f"  {name}": text for name, text in values.items()})
    return 0


def _evaluate(args: argparse.Namespace) -> int:
    with contextlib.suppress(ValueError):  # JAX has already started in this process
        use_cores()
    model, card = pretrained(args.name), model_card(args.name)
    data = _data(card, args.data_dir)
    is_same = True
    for part in ("validation", "test"):
        told = card["accuracy"][part]
        found = _accuracy(f"{args.name}, {part}", model, getattr(data, part))
        is_same &= abs(found - told) <= _SAME
        print(f"{part:10}  accuracy {found:.4f}, in its card {told:.4f}")
    if not is_same:
        print(f"organics_ode evaluate: {args.name} is not what its card says", file=sys.stderr)
    return 0 if is_same else 1


def _explore(args: argparse.Namespace) -> int:
    from .explore import explore

    explore(args.port, browser=not args.no_browser)
    return 0


def _data(card: dict[str, Any], data_dir: Path | None) -> Any:
    of = getattr(tasks, card["data"]["name"])
    if "permuted" in card["options"]:
        return of(data_dir, permuted=card["options"]["permuted"])
    return of(data_dir)


def _accuracy(label: str, model: Any, samples: Any) -> float:
    """The fraction of correct answers; prints a line of progress after each chunk."""
    count, right = len(samples.targets), 0.0
    for start in range(0, count, _CHUNK):
        chunk = type(samples)(*(part[start : start + _CHUNK] for part in samples))
        right += evaluate(model, chunk, batch_size=_CHUNK // 4)["accuracy"] * len(chunk.targets)
        done = start + len(chunk.targets)
        print(f"{label}: {done} of {count}, {right / done:.4f}", file=sys.stderr)
    return right / count


def _show(facts: dict[str, str]) -> None:
    width = max(map(len, facts))
    for name, text in facts.items():
        print(f"{name:{width}}  {text}")


def _in_words(value: Any) -> str:
    match value:
        case dict():
            return ", ".join(f"{name} {_in_words(part)}" for name, part in value.items())
        case list():
            return " ".join(map(_in_words, value))
    return str(value)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


if __name__ == "__main__":
    sys.exit(main())
