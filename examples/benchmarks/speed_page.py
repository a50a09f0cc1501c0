"""The tables of docs/speed.md, from the results that the benchmarks have written.

Each benchmark writes its rows by `--json examples/results/speed/NAME.json`; the page has a table
between the marks `<!-- NAME -->` and `<!-- end of NAME -->`.

    python examples/benchmarks/speed_page.py [--write]

Prints the tables, or puts them into the page.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from _measure import in_words, table

ROOT = Path(__file__).parents[2]
RESULTS, PAGE = ROOT / "examples/results/speed", ROOT / "docs/speed.md"
Record = dict[str, Any]


def training_step(record: Record) -> list[str]:
    against = list(record["rows"][0]["times_faster"])
    columns = ["side", "median s", "quartiles", "processor s", "peak GB", "compiled in s"]
    columns += [f"faster than {name}" for name in against]
    rows = []
    for row in record["rows"]:
        low, high = np.quantile(row["times_s"], (0.25, 0.75))
        cells = [row["side"], row["median_s"], f"{low:.3g} to {high:.3g}", row["cpu_s"]]
        cells += [row["peak_gb"], row.get("compile_s")]
        rows.append(cells + [row["times_faster"][name] for name in against])
    apart = max(each["by_parameter"] for each in record["gradient_differences"].values())
    told = "Gradients of sides that train the same numbers differ by at most"
    return [*table(columns, rows), "", f"{told} {apart:.1e} of a parameter's norm."]


def splitting(record: Record) -> list[str]:
    names = {"kind": "circuit", "size": "units", "batch": "batch", "steps": "steps"}
    names |= {"one_ms": "one device, ms", "two_ms": "two, ms", "faster": "faster on two"}
    return table(names.values(), [[row[name] for name in names] for row in record["rows"]])


def small_steps(record: Record) -> list[str]:
    names = {"what": "call", "units": "units", "own_ms": "own, ms", "hand_ms": "by hand, ms"}
    names |= {"ratio": "ratio", "low": "lower quartile", "high": "upper quartile"}
    names |= {"compile_ratio": "compile time, ratio"}
    lines = table(names.values(), [[row[name] for name in names] for row in record["rows"]])
    found = record["sweep"]
    columns = ["in one vectorised call, s", "in a loop, s", "by scipy's `solve_ivp`, s"]
    row = [found["vectorised_s"], found["loop_s"], found["scipy_s"]]
    return [
        *lines,
        "",
        f"{found['circuits']} circuits of two units over 100 ms:",
        "",
        *table(columns, [row]),
    ]


def first_calls(record: Record) -> list[str]:
    names = {"call": "call", "first_s": "first, s", "first_cpu_s": "of the processor"}
    names |= {"second_s": "second, s", "second_cpu_s": "of the processor"}
    return table(names.values(), [[row[name] for name in names] for row in record["rows"]])


def company(record: Record) -> list[str]:
    names = {"setting": "setting", "beside": "busy processes beside it", "step_ms": "ms a step"}
    names |= {"times_alone": "times its time alone", "cpu_ms": "processor ms a step"}
    names |= {"waits": "waits a step"}
    return table(names.values(), [[row[name] for name in names] for row in record["table"]])


def explorer(record: Record) -> list[str]:
    names = {"preset": "preset", "median_ms": "median, ms", "p90_ms": "nine of ten within, ms"}
    names |= {"moves": "moves"}
    return table(names.values(), [[row[name] for name in names] for row in record["rows"]])


def long_sequences(record: Record) -> list[str]:
    names = {"steps": "steps", "batch": "batch", "side": "side", "median_s": "median s"}
    names |= {"compile_s": "compiled in s", "peak_gb": "peak GB", "planned_gb": "planned GB"}
    rows = record["tables"]["batch"] + record["tables"]["steps"]
    each = [1e6 * row["median_s"] / row["steps"] for row in rows]
    cells = [[*(row[name] for name in names), us] for row, us in zip(rows, each, strict=True)]
    return table([*names.values(), "µs a step of the sequence"], cells)


TABLES: dict[str, Callable[[Record], list[str]]] = {
    "training-step": training_step,
    "splitting": splitting,
    "small-steps": small_steps,
    "first-calls": first_calls,
    "company": company,
    "long-sequences": long_sequences,
    "explorer": explorer,
}


def lines_of(name: str) -> list[str]:
    """The machine, and the table."""
    record = json.loads((RESULTS / f"{name}.json").read_text())
    return [f"{in_words(record['machine'])}:", "", *TABLES[name](record)]


def filled(page: str, name: str, lines: list[str]) -> str:
    """The page with the lines in place of those between the marks."""
    mark, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->\n"
    before, rest = page.split(mark)
    after = rest.split(end)[1]
    return "\n".join([f"{before}{mark}", *lines, "", f"{end}{after}"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--write", action="store_true", help="put them into docs/speed.md")
    is_written, page = parser.parse_args().write, PAGE.read_text()
    for name in TABLES:
        lines = lines_of(name)
        print("\n".join([f"## {name}", "", *lines, ""]))
        page = filled(page, name, lines)
    if is_written:
        PAGE.write_text(page)


if __name__ == "__main__":
    main()
