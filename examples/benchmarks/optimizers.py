"""What `oo.fit` does with every optimizer and schedule of optax: the table of docs/optimizers.md.

Each one trains a small model with a positive parameter for 6 steps at once, and for 3 and then 6
with a checkpoint: either both end with the same bits, or the optimizer is refused by name.

    python examples/benchmarks/optimizers.py [--write]
"""

import argparse
import functools
import inspect
import logging
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax.contrib as contrib
from _optax_makers import NOTES, exported, make

import organics_ode as oo
from organics_ode.optimizers import without_decay

PAGE = Path(__file__).parents[2] / "docs/optimizers.md"
MARK = "<!-- the table of examples/benchmarks/optimizers.py -->\n"
ROWS = jnp.asarray(np.random.default_rng(0).normal(size=(16, 7)), jnp.float32)
BATCH = oo.Batch(ROWS[:, :4], ROWS[:, 4:])


class Model(eqx.Module):
    """A linear map in units of a time constant."""

    w: jax.Array
    b: jax.Array
    tau: Any  # a node

    def __call__(self, x: jax.Array) -> jax.Array:
        return (self.w @ x + self.b) * self.tau / 50.0


MODEL = Model(0.1 * jnp.ones((3, 4)), jnp.zeros(3), oo.Positive(jnp.full(3, 50.0)))
PARAMS = eqx.filter(MODEL, oo.trainable(MODEL))


def fit(optimizer: Any, steps: int, checkpoint: Path | None = None) -> oo.FitResult:
    options = {"loss": oo.squared_error, "metric": None, "progress": False}
    return oo.fit(
        MODEL, lambda _: BATCH, optimizer=optimizer, steps=steps, checkpoint=checkpoint, **options
    )


def outcome(again: Callable[[], Any]) -> str:
    """What becomes of an optimizer, which is created anew for every call."""
    try:
        whole = fit(again(), 6)
    except ValueError as error:
        return "refused" if str(error).startswith("Argument `optimizer` must") else f"**{error}**"
    with tempfile.TemporaryDirectory() as folder:
        try:
            fit(again(), 3, Path(folder) / "run")
        except ValueError as error:
            is_named = "be made of what `oo.save` lists" in str(error)
            return "trains, checkpoint refused" if is_named else f"**{error}**"
        resumed = fit(again(), 6, Path(folder) / "run")
    is_same = eqx.tree_equal(whole.model, resumed.model) and resumed.history.resumed == (3,)
    return "trains, resumes" if is_same else "**resumes elsewhere**"


def decay(kind: str, name: str, maker: Any) -> str:
    """What becomes of the weight decay of an optimizer, if it has any."""
    names = {"weight_decay", "weight_decay_rate"} & set(inspect.signature(maker).parameters)
    more = dict.fromkeys(names, 0.01)
    try:
        kept = make(kind, name, maker, **more)
        is_left_out = without_decay(kept, PARAMS) is not kept
    except ValueError as error:
        return "mask it" if "as weight decay does" in str(error) else ""
    return "left out" if is_left_out else ""


def rows() -> Iterator[str]:
    for kind, makers in exported().items():
        yield f"\n| {kind} | `fit` | its decay of scales | |\n|---|---|---|---|"
        for name, maker in makers.items():
            again = functools.partial(make, kind, name, maker)
            of_decay = "" if kind == "schedules" else decay(kind, name, maker)
            module = "contrib." if getattr(contrib, name, None) is maker else ""
            note = NOTES.get(name, "")
            yield f"| `{module}{name}` | {outcome(again)} | {of_decay} | {note} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the table into the page")
    write = parser.parse_args().write
    warnings.simplefilter("ignore")
    logging.disable()
    lines = []
    for line in rows():
        print(line, flush=True)
        lines.append(line)
    if write:
        page = PAGE.read_text().split(MARK)
        PAGE.write_text(MARK.join([page[0], "\n".join(lines) + "\n\n", *page[2:]]))


if __name__ == "__main__":
    main()
