"""Keeps the history of a training, writes it to the log, and shows it on a progress bar.

Of an ensemble each quantity is a list with the members' values, and the bar shows their median.
"""

import math
import time
from typing import Any

import numpy as np
from jaxtyping import Array

from ._checkpoints import Progress
from ._history import CannotWrite
from ._log import Log
from ._objective import named


class Recorder:
    """Keeps the history, writes it to the log, and shows it on the progress bar.

    Where the log can no longer be written, `failed` says why, and nothing more is.
    """

    def __init__(
        self,
        metric: Any,
        batches: Any,
        total: int,
        log: Any,
        progress: bool,
        now: Progress,
        unit: str,
    ):
        from tqdm import tqdm

        self.history = history = now.history
        self.log_start = now.log_start
        self._metric = metric
        self._per_epoch = getattr(batches, "steps_per_epoch", None)
        self._log = None
        self.failed: CannotWrite | None = None
        if log is not None and now.step < total:
            self._log = Log(log, now.log_start, history, now.step)
            self.log_start = self._log.start
        resumed = f"resumed after step {now.step}" if now.step else None
        options = {"unit": unit, "dynamic_ncols": True, "disable": not progress}
        self._bar = tqdm(total=total, initial=now.step, desc=resumed, **options)
        seconds = next((r["seconds"] for r in reversed(history.records) if "seconds" in r), 0.0)
        self._start, self._shown = time.perf_counter() - seconds, {}

    def __enter__(self) -> "Recorder":
        return self

    def __exit__(self, *exception: object) -> None:
        self._bar.close()
        if self._log is not None:
            self._log.close()

    def step(self, step: int, values: dict[str, Array]) -> bool:
        """Record a training step; whether loss and gradient are finite for anybody."""
        numbers = {k: np.asarray(v).tolist() for k, v in named(values, self._metric).items()}
        epoch = {} if self._per_epoch is None else {"epoch": step / self._per_epoch}
        self._add({"step": step, **epoch, **numbers, "seconds": time.perf_counter() - self._start})
        self._bar.update()
        self._show(numbers)
        loss, norm = numbers["loss"], numbers["gradient_norm"]
        return bool(np.any(np.isfinite(loss) & np.isfinite(norm)))

    def validation(self, step: int, scores: dict[str, Any]) -> None:
        named = {f"validation_{name}": score for name, score in scores.items()}
        self._add({"step": step, **named})
        self._show({k: v for k, v in named.items() if k != "validation_loss"})

    def _show(self, numbers: dict[str, Any]) -> None:
        self._shown |= {k: f"{_median(v):.4g}" for k, v in numbers.items() if k != "gradient_norm"}
        self._bar.set_postfix(self._shown, refresh=False)

    def _add(self, record: dict[str, Any]) -> None:
        self.history.records.append(record)
        if self._log is not None and self.failed is None:
            try:
                self._log.write(record)
            except CannotWrite as error:
                self.failed = error


def _median(values: Any) -> float:
    values = np.asarray(values)
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if finite.size else math.nan
