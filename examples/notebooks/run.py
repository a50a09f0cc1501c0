"""Runs the notebooks and stores what they print and draw.

python examples/notebooks/run.py [NAME …]
"""

import argparse
import os
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).parent
NAMES = ("first_steps", "v1_question", "train_analyse_certify")


def execute(path: Path) -> nbformat.NotebookNode:
    """The notebook with the outputs of its cells, run in a new process as by Jupyter."""
    notebook = nbformat.read(path, as_version=4)
    backend = os.environ.pop("MPLBACKEND", None)  # the default of Jupyter draws into the notebook
    try:
        NotebookClient(
            notebook, timeout=1200, kernel_name="python3", coalesce_streams=True
        ).execute()
    finally:
        if backend is not None:
            os.environ["MPLBACKEND"] = backend
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # the times of this run
    notebook.metadata.language_info = {"name": "python"}  # without the version of this Python
    return notebook


def main(names: list[str]) -> None:
    for name in names:
        path, began = FOLDER / f"{name}.ipynb", time.perf_counter()
        nbformat.write(execute(path), path)
        seconds, size = time.perf_counter() - began, path.stat().st_size
        print(f"{path.name}: {seconds:.0f} s, {size / 1e3:.0f} kB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(NAMES))
    main(parser.parse_args().names or list(NAMES))
