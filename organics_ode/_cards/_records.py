"""A summary of the records of a training run."""

from typing import Any

import numpy as np

# For quantities whose name tells.
HIGHER_IS_BETTER = {
    "loss": False,
    "cross_entropy": False,
    "squared_error": False,
    "accuracy": True,
    "score": True,
    "performance": True,
}
# What every step records in addition to the loss and the metrics.
_COUNTED = ("step", "epoch", "gradient_norm", "seconds", "stage", "length", "beta")


def report(records: list[dict[str, Any]]) -> dict[str, str]:
    """The first and last value of every quantity, and the best validations: the one with the least
    loss and, if it is another one, that with the highest accuracy, score or performance. Several
    models are summarized by medians."""
    names = dict.fromkeys(key for record in records for key in record)
    facts = {}
    for name in names:
        if not name.startswith(("validation_", *_COUNTED)):
            kept = [record for record in records if name in record]
            facts[name] = ", ".join(_at(record, name) for record in (kept[0], kept[-1]))
    checks = [record for record in records if "validation_loss" in record]
    if checks:
        best = min(checks, key=lambda record: _rank(record["validation_loss"]))
        others = [f"{k[11:]} {typical(v):.4g}" for k, v in best.items() if _is_metric(k)]
        texts = [", ".join(["least loss " + _at(best, "validation_loss"), *others])]
        for name in (k for k in best if HIGHER_IS_BETTER.get(k.removeprefix("validation_"))):
            highest = min(checks, key=lambda record, k=name: _rank(-typical(record.get(k, np.nan))))
            if typical(highest.get(name, np.nan)) > typical(best[name]):
                texts.append(f"highest {name[11:]} {_at(highest, name)}")
        facts["validation"] = "; ".join(texts)
    seconds = [record["seconds"] for record in records if "seconds" in record]
    return facts | ({"time": f"{typical(seconds[-1]):.4g} s"} if seconds else {})


def _at(record: dict[str, Any], name: str) -> str:
    return f"{typical(record[name]):.4g} at step {record['step']}"


def _is_metric(name: str) -> bool:
    return name.startswith("validation_") and name != "validation_loss"


def _rank(loss: Any) -> float:
    """The key by which losses are compared: NaN comes last."""
    return float(np.nan_to_num(typical(loss), nan=np.inf))


def typical(values: Any) -> float:
    """A number, or the median of several without NaN."""
    numbers = np.asarray(values, float).ravel()
    numbers = numbers[~np.isnan(numbers)]
    return float(np.median(numbers)) if numbers.size else float("nan")
