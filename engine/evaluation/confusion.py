"""The confusion matrix as a picture."""

from __future__ import annotations

import importlib.util
import io
from collections import Counter
from collections.abc import Mapping

from routenator.engine.display import show_line

INSTALL = "pip install 'routenator[eval]'"
MOST_CLASSES = 30
REST = "(the rest)"
_LONGEST_NAME = 32
_MOST_NUMBERS = 20
"""Classes beyond which the cells hold no numbers: they would not be readable."""

Confusion = Mapping[str, Mapping[str, int]]
"""Golden class → predicted class → rows."""


def can_draw() -> bool:
    """Whether matplotlib is installed."""
    return importlib.util.find_spec("matplotlib") is not None


def draw_confusion(confusion: Confusion) -> bytes:
    """Golden classes down, predicted classes across; the colour is the share of the golden class. A PNG."""
    import numpy as np
    from matplotlib.figure import Figure

    confusion = _fold_rare(confusion)
    golden = list(confusion)
    predicted = [*golden, *sorted({name for counts in confusion.values() for name in counts} - confusion.keys())]
    counts = np.array([[confusion[row].get(column, 0) for column in predicted] for row in golden], dtype=float)
    shares = counts / counts.sum(axis=1, keepdims=True)
    cell = 0.55 if len(predicted) <= _MOST_NUMBERS else 0.32
    width, height = 3.4 + cell * len(predicted), 2.6 + cell * len(golden)
    figure = Figure(figsize=(max(5.0, width), max(3.2, height)), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="equal")
    axes.set_xticks(range(len(predicted)), [_label(name) for name in predicted], rotation=45, ha="right")
    axes.set_yticks(range(len(golden)), [_label(name) for name in golden])
    axes.set_xlabel("predicted")
    axes.set_ylabel("golden")
    axes.set_xticks(np.arange(-0.5, len(predicted)), minor=True)
    axes.set_yticks(np.arange(-0.5, len(golden)), minor=True)
    axes.grid(which="minor", color="#e2e0da", linewidth=0.8)
    axes.tick_params(which="both", length=0)
    if len(predicted) <= _MOST_NUMBERS:
        for (row, column), count in np.ndenumerate(counts):
            if count:
                colour = "white" if shares[row, column] > 0.55 else "#1d2330"
                axes.text(column, row, f"{int(count):,}", ha="center", va="center", color=colour, fontsize=8)
    bar = figure.colorbar(image, ax=axes, shrink=0.8, label="share of the golden class")
    bar.outline.set_visible(False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    output = io.BytesIO()
    figure.savefig(output, format="png")
    return output.getvalue()


def _label(name: str) -> str:
    """The name as matplotlib shows it: one line, no formulas, not too long."""
    line = show_line(name)
    line = line if len(line) <= _LONGEST_NAME else f"{line[: _LONGEST_NAME - 1]}…"
    return line.replace("$", r"\$")


def _fold_rare(confusion: Confusion) -> dict[str, dict[str, int]]:
    """The classes with the most rows; all others as one."""
    support = Counter({name: sum(counts.values()) for name, counts in confusion.items()})
    if len(support) <= MOST_CLASSES:
        return {name: dict(counts) for name, counts in confusion.items()}
    kept = {name for name, _ in support.most_common(MOST_CLASSES - 1)}
    folded: dict[str, Counter[str]] = {}
    for name, counts in confusion.items():
        row = folded.setdefault(name if name in kept else REST, Counter())
        for predicted, count in counts.items():
            row[predicted if predicted in kept or predicted not in support else REST] += count
    rest = folded.pop(REST)
    return {**{name: dict(counts) for name, counts in folded.items()}, REST: dict(rest)}
