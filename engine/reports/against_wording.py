"""What `Against` says, in words; used by the terminal and the page."""

from __future__ import annotations

import math

from routenator.engine.reports.against import Against, AxisDistance
from routenator.engine.reports.against_classifier import TwoSampleTest
from routenator.engine.reports.against_figure import Figure
from routenator.engine.reports.against_leakage import LeakCheck, LeakTest
from routenator.engine.reports.wording import NOTHING, percent, plain

ORDER_LEGEND = (
    "share of the queries with both in which the one is said before the other; * more than three standard errors apart"
)
VALUES_LEGEND = "mean words, share in small letters; * more than three standard errors apart"
_SURE = 0.05


def describe_leaks(against: Against) -> str:
    """The verdict on leakage."""
    checked = ", ".join(check.source for check in against.leaks) or "nothing"
    if against.is_leak:
        where = ", ".join(check.source for check in against.leaks if check.is_leak)
        return f"LEAK: {where} hold real queries, more than chance explains. Results on these queries prove little."
    return f"No leak found (looked at: {checked}): nothing in common beyond what real queries share with one another."


def describe_check(check: LeakCheck) -> str:
    """One set of texts on a line."""
    shown = [test for test in check.tests if test.is_leak] or check.tests[:3]
    figures = "; ".join(f"{test.kind}: {test.found:,} ({_describe_allowed(test)})" for test in shown)
    longest = f"longest {check.longest} words" if check.longest else "nothing longer"
    return f"{check.tests[0].of:,} {check.source}: {figures}; {longest}"


def _describe_allowed(test: LeakTest) -> str:
    return f"let pass: {test.allowed:,}" if test.is_let_pass else f"chance explains {test.allowed:,}"


def describe_distance(distance: AxisDistance) -> str:
    """``0.123 (chance 0.020)``, with chi-square."""
    return (
        f"JS distance {distance.js_distance:.3f} (chance {distance.js_by_chance:.3f}), "
        f"χ² {plain(distance.chi_square)} on {distance.degrees_of_freedom} df"
    )


def describe_test(test: TwoSampleTest) -> str:
    """The AUC in words."""
    figure = f"AUC {test.auc:.3f} ({test.low:.3f} to {test.high:.3f})"
    by = "words and form" if test.features == "words" else "form alone (length, casing, punctuation, function words)"
    if test.low <= 0.5 <= test.high or test.auc < 0.5 + _SURE:
        verdict = "cannot tell them apart"
    elif test.auc < 0.7:
        verdict = "tells them apart a little"
    elif test.auc < 0.9:
        verdict = "tells them apart often"
    else:
        verdict = "tells them apart nearly always"
    return f"by {by}: {figure}, {verdict}"


def describe_quartiles(quartiles: tuple[float, float, float] | None) -> str:
    """``5 7 9``."""
    return NOTHING if quartiles is None else " ".join(map(plain, quartiles))


def describe_vocabulary(against: Against) -> str:
    """How far the words go together."""
    at = against.vocabulary
    return (
        f"{percent(at.real_covered)} of the real queries' words occur in the rows, "
        f"{percent(at.synthetic_covered)} of the rows' words in the real queries "
        f"({at.shared:,} words shared, {at.synthetic:,} in the rows, {at.real:,} in the real queries)"
    )


def describe_misspelling(against: Against) -> str:
    """The shares of misspelt queries on both sides."""
    sides = (
        NOTHING if one is None else f"{one.share:.1%} ({one.low:.1%} to {one.high:.1%})" for one in against.misspelling
    )
    return "queries with a misspelt word: rows {}, real {}".format(*sides)


def describe_words(figure: Figure) -> tuple[str, str]:
    """Mean words of the rows' values and of the real ones: ``2.1*``, ``3.0``."""
    return f"{figure.synthetic:.1f}{'*' if figure.is_far else ''}", f"{figure.real:.1f}"


def describe_share(figure: Figure) -> tuple[str, str]:
    """Shares on both sides: ``8.0 %*``, ``54.2 %``; a dash where no value has letters."""
    if math.isnan(figure.real):
        return NOTHING, NOTHING
    return f"{percent(figure.synthetic)}{'*' if figure.is_far else ''}", percent(figure.real)
