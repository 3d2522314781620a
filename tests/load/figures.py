"""What a load test says about many measured times."""

from collections.abc import Sequence
from typing import Any


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest of the values that at least this share of them does not exceed; 0 of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def spread(seconds: Sequence[float]) -> dict[str, Any]:
    """How many, and the usual, the slow and the slowest, in milliseconds."""
    shares = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "max": 1.0}
    return {"count": len(seconds), **{name: round(1000 * percentile(seconds, x), 1) for name, x in shares.items()}}


def table(title: str, figures: dict[str, Any], indent: str = "  ") -> list[str]:
    """The same figures for people, a line for each."""
    lines = [title]
    for name, value in figures.items():
        if isinstance(value, dict) and any(isinstance(each, dict) for each in value.values()):
            lines += [indent + line for line in table(name, value)]
        elif isinstance(value, dict):
            lines.append(f"{indent}{name:28}" + "  ".join(f"{key} {each:>8}" for key, each in value.items()))
        else:
            lines.append(f"{indent}{name:28}{value}")
    return lines
