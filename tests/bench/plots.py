"""Draws what the benchmark programs found: `python -m tests.bench.plots RESULTS FOLDER`, an SVG for each picture."""

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

Points = Sequence[Sequence[float]]
INK: Final = ("#1b6ca8", "#c8553d", "#5b8c5a")


def draw(axes: Axes, points: Points, label: str, ink: int = 0, *, markers: str = "o-") -> None:
    xs, ys = zip(*points, strict=True)
    axes.plot(xs, ys, markers, color=INK[ink], label=label, markersize=4, linewidth=1.2)


def decades(axes: Axes, x: str, y: str) -> None:
    axes.set(xscale="log", yscale="log", xlabel=x, ylabel=y)
    axes.grid(which="both", alpha=0.2)
    axes.legend()


def plain(axes: Axes, x: str, y: str) -> None:
    axes.set(xlabel=x, ylabel=y)
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend()


def in_proportion(points: Points) -> Points:
    """A straight line of slope 1 through the last point."""
    (first, _), (last, high) = points[0], points[-1]
    return [(first, high * first / last), (last, high)]


# --- the pictures ----------------------------------------------------------------------------------------------------


def error(axes: Axes, found: dict[str, Any]) -> None:
    curves = found["bench_curves"]["details"]
    draw(axes, curves["error_by_cets_of_equal_ranges"], "ranges of equal width (the reference's way)", 1)
    draw(axes, curves["error_by_cets"], "walk of the digit tree (ours)")
    decades(axes, "CETs of C1", "worst error, % of the pool")


def time(axes: Axes, found: dict[str, Any]) -> None:
    curve = found["bench_curves"]["details"]["setup_ms_by_cets"]
    draw(axes, curve, "derive, sign, verify; one thread")
    draw(axes, in_proportion(curve), "in proportion", 1, markers="--")
    decades(axes, "CETs", "ms of processor time")


def workers(axes: Axes, found: dict[str, Any]) -> None:
    details = found["bench_workers"]["details"]
    seconds = details["seconds"]
    for ink, kind in enumerate(("thread", "process", "Dask process")):
        points = [
            (int(name.split(" x ")[1]), seconds["thread x 1"] / took)
            for name, took in seconds.items()
            if name.split(" x ")[0] == kind
        ]
        draw(axes, points, f"{kind} workers", ink)
    axes.axhline(details["cores_to_spare"], color="grey", linestyle=":", label="what two threads that only hash gained")
    axes.set_xticks(sorted({int(name.split(" x ")[1]) for name in seconds}))
    plain(axes, "workers", "times as fast as one thread")


def cfds(axes: Axes, found: dict[str, Any]) -> None:
    curves = found["bench_curves"]["details"]
    draw(axes, curves["memory_kb_by_cfds"], "memory of the engine, kB")
    draw(axes, curves["load_ms_by_cfds"], "loading the engine, ms of processor time", 1)
    draw(axes, in_proportion(curves["memory_kb_by_cfds"]), "in proportion", 2, markers="--")
    decades(axes, "open CFDs", "kB; ms")


def store(axes: Axes, found: dict[str, Any]) -> None:
    curves = found["bench_curves"]["details"]
    for ink, (name, label) in enumerate((("event_bytes", "events"), ("revision_bytes", "packed signatures kept"))):
        draw(axes, [(x, y / 1000) for x, y in curves[f"{name}_by_rollovers"]], label, ink, markers="-")
    plain(axes, "rollovers of one CFD (15 CETs, no liquidations)", "kB stored")


def memory(axes: Axes, found: dict[str, Any]) -> None:
    draw(axes, found["bench_curves"]["details"]["memory_kb_by_rollovers"], "one CFD in the engine")
    plain(axes, "revoked revisions", "kB of memory")


PICTURES: Final[dict[str, tuple[str, Callable[[Axes, dict[str, Any]], None]]]] = {
    "error-by-cets": ("Accuracy", error),
    "time-by-cets": ("Contract setup", time),
    "workers": ("Workers", workers),
    "cost-by-cfds": ("Many CFDs", cfds),
    "store-by-rollovers": ("The store", store),
    "memory-by-revoked": ("Memory of revoked revisions", memory),
}


def draw_all(results: Path, folder: Path) -> None:
    """An SVG for each picture."""
    found = {path.stem: json.loads(path.read_text()) for path in results.glob("bench_*.json")}
    folder.mkdir(parents=True, exist_ok=True)
    mpl.rcParams.update({"svg.hashsalt": "cfd", "svg.fonttype": "none", "font.size": 9, "legend.fontsize": 8})
    for name, (title, paint) in PICTURES.items():
        machine = found["bench_workers" if name == "workers" else "bench_curves"]["machine"]
        figure = Figure(figsize=(5.4, 3.4), layout="constrained")
        axes = figure.subplots()
        paint(axes, found)
        where = f"{machine['cpu']}, {machine['cores']} cores, load {machine['load']}, {machine['at'][:10]}"
        axes.set_title(f"{title}\n", loc="left", fontsize=10)
        axes.text(0, 1.02, where, transform=axes.transAxes, fontsize=7, color="grey")
        figure.savefig(folder / f"measured-{name}.svg", metadata={"Date": None})


if __name__ == "__main__":
    draw_all(Path(sys.argv[1]), Path(sys.argv[2]))
