"""The report as a picture: for each metric every arm's mean with its interval, and each seed as a dot."""

from __future__ import annotations

import io
import math

from routenator.engine.ablation.figures import SHOWN_METRICS
from routenator.engine.ablation.report import AblationReport
from routenator.engine.ablation.settings import BASELINE, UNTUNED
from routenator.engine.evaluation.wording import METRIC_WORDS

_COLOURS = {BASELINE: "#1f6f8b", UNTUNED: "#8a8a8a"}
_OTHER = "#c05a2b"


def draw_plot(report: AblationReport) -> bytes:
    """A PNG: one panel for each metric, arms from top to bottom."""
    from matplotlib.figure import Figure

    arms = list(report.figures)
    size = (2.6 + 2.3 * len(SHOWN_METRICS), 1.5 + 0.42 * len(arms))
    figure = Figure(figsize=size, dpi=120, layout="constrained")
    panels = figure.subplots(1, len(SHOWN_METRICS), sharey=True)
    for axes, name in zip(panels, SHOWN_METRICS, strict=True):
        for place, arm in enumerate(arms):
            found = report.figures[arm][name]
            if math.isnan(found.value):
                continue
            colour = _COLOURS.get(arm, _OTHER)
            axes.plot([found.low, found.high], [place, place], color=colour, linewidth=2, solid_capstyle="butt")
            axes.plot([found.low, found.high], [place, place], "|", color=colour, markersize=8)
            axes.plot([found.value], [place], "o", color=colour, markersize=7)
            if len(found.by_seed) > 1:
                axes.plot(
                    found.by_seed, [place + 0.22] * len(found.by_seed), ".", color=colour, alpha=0.6, markersize=5
                )
        if BASELINE in arms and not math.isnan(value := report.figures[BASELINE][name].value):
            axes.axvline(value, color=_COLOURS[BASELINE], linewidth=0.8, linestyle=":")
        low, high = axes.get_xlim()
        axes.set_xlim(max(low, -0.02), min(high, 1.02))  # where all arms agree, the margin would leave 0 to 1
        axes.set_title(METRIC_WORDS[name][0], fontsize=10)
        axes.grid(visible=True, axis="x", alpha=0.25)
        axes.tick_params(labelsize=8)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    panels[0].set_yticks(range(len(arms)), arms, fontsize=9)
    panels[0].set_ylim(len(arms) - 0.5, -0.5)
    figure.supxlabel(
        f"mean over seeds, 95 % bootstrap interval over {report.queries:,} queries; small dots: single seeds",
        fontsize=8,
    )
    output = io.BytesIO()
    figure.savefig(output, format="png")
    return output.getvalue()
