"""The loss as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from routenator.engine.datasets.atomic_file import atomic_file


def write_loss_plot(history: Sequence[Mapping[str, Any]], file: Path) -> None:
    """Draw training and validation loss over steps as a PNG.

    Args:
        history: Entries of the trainer's log.
        file: Where the picture goes.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    for key, label in (("loss", "training"), ("eval_loss", "validation")):
        points = [(entry["step"], entry[key]) for entry in history if key in entry]
        if points:
            axes.plot(*zip(*points, strict=True), label=label, marker="o" if key == "eval_loss" else None, markersize=4)
    axes.set_xlabel("step")
    axes.set_ylabel("loss of a token of the call (nats)")
    axes.set_yscale("log")
    axes.grid(visible=True, which="both", alpha=0.25)
    axes.legend()
    with atomic_file(file) as output:
        figure.savefig(output, format="png")
