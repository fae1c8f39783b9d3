"""Estimate a population from real queries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from routenator.engine.errors import Fault, InputError
from routenator.engine.population.bands import band_of, choose_bands
from routenator.engine.population.cells import MOST_CELLS, TooManyCellsError
from routenator.engine.population.chain import Chain, Row
from routenator.engine.population.declared import DeclaredPack
from routenator.engine.population.limits import describe_limits, unseen_combinations
from routenator.engine.population.misspelling import MisspellingEstimate, estimate_misspelling
from routenator.engine.population.profile import QueryProfile, check_names, profile, spelling_texts
from routenator.engine.population.queries import QueryFile, RealQuery
from routenator.engine.population.result import FittedAxis, PopulationFit
from routenator.engine.population.shares import Share, count_shares
from routenator.engine.routing.fitting import FittedTable
from routenator.engine.sample import AXES

LABEL_AXES = ("function", "arguments", "category", "keyword_position")
"""Axes that only labelled queries show."""

_WORDING_AXES = ("language", "length", "phrasing", "casing", "ending")
# How much of the joint table is given up, step by step, until it has few enough cells: (casing joins, fewest rows).
_STEPS = ((True, 1), (False, 1), (False, 2), (False, 3), (False, 5), (False, 10), (False, 30))


def fit_population(
    file: QueryFile,
    pack: DeclaredPack,
    routes: Mapping[str, float],
    present: Sequence[FittedTable] = (),
    dictionary: Collection[str] | None = None,
    axes: Collection[str] = AXES,
) -> PopulationFit:
    """Estimate every axis that the queries show.

    Args:
        file: The queries.
        pack: Functions, categories and words.
        routes: Weights of the routes, which no query shows.
        present: The pack's targets of now, fitted: without labels, what needs them is taken from there.
        dictionary: Common words of the language, folded; ``None``: misspellings are not measured.
        axes: Axes that the targets know; others are measured for the summary only.

    Raises:
        InputError: Rows name functions or arguments that are not the pack's, or no row can be used.
    """
    check_names(file.path, file.queries, pack)
    queries, notices = _select(file, pack)
    profiles = [profile(query, pack) for query in queries]
    bands = choose_bands([one.words for one in profiles])
    rows = [_row_of(one, bands) for one in profiles]
    is_labelled = profiles[0].function is not None
    if not is_labelled:
        notices.append(
            "No row names a function: function, arguments, category and keyword position are not estimated; "
            "the file takes them from the pack's targets of now."
        )
    chain = _build_chain(rows, bands, axes, is_labelled, notices)
    fitted = [_weights("route", routes), FittedAxis("language", (), count_shares(_counts(rows, "language")))]
    fitted += chain.fitted
    misspelling = None
    if dictionary is not None:
        misspelling = estimate_misspelling(spelling_texts(queries, pack), dictionary, pack.words)
    if misspelling is None:
        notices.append("Misspelt words are not estimated: they need the sentence model's words and some hundred rows.")
    elif "noise" in axes:
        fitted.append(_noise(misspelling, len(rows)))
    summary = {axis: count_shares(_counts(rows, axis)) for axis in (*(LABEL_AXES * is_labelled), *_WORDING_AXES)}
    fit = PopulationFit(
        source=file.path.name,
        sha256=file.sha256,
        rows=len(file.queries),
        used=len(rows),
        labelled=len(rows) * is_labelled,
        axes=tuple(fitted),
        summary=summary,
        dependences=tuple(chain.dependences),
        misspelling=misspelling,
        unseen=unseen_combinations(rows) if is_labelled else (),
        zeros=tuple(chain.zeros),
        notices=tuple(notices),
        kept=() if is_labelled else tuple(_keep_labels(present)),
    )
    return replace(fit, limits=describe_limits(fit, pack))


def _select(file: QueryFile, pack: DeclaredPack) -> tuple[list[RealQuery], list[str]]:
    """Rows that can be used, and what is said of the others."""
    notices = []
    queries = [query for query in file.queries if query.language in pack.languages]
    if others := len(file.queries) - len(queries):
        languages = ", ".join(pack.languages)
        notices.append(f"{others:,} rows are in a language that the pack does not have ({languages}); left out.")
    labelled = [query for query in queries if query.is_labelled]
    if labelled:
        if bare := len(queries) - len(labelled):
            notices.append(f"{bare:,} rows do not say their function; left out.")
        queries = [query for query in labelled if query.function is not None]
        if silent := len(labelled) - len(queries):
            notices.append(f"{silent:,} rows call nothing, for which the targets have no cell; left out.")
    if not queries:
        fix = "Give queries in the pack's languages that call its functions"
        raise InputError([Fault(str(file.path), "no row can be used: " + " ".join(notices), fix)])
    return queries, notices


def _row_of(one: QueryProfile, bands: Sequence[str]) -> Row:
    return {
        "language": one.language, "function": one.function or "", "arguments": one.arguments,
        "present": str(one.present), "category": one.category, "keyword_position": one.keyword_position,
        "words": str(one.words), "length": band_of(one.words, bands), "phrasing": one.phrasing, "casing": one.casing,
        "ending": one.ending, "punctuation": "none" if one.ending == "none" else "final",
    }  # fmt: skip


def _build_chain(
    rows: Sequence[Row], bands: Sequence[str], axes: Collection[str], is_labelled: bool, notices: list[str]
) -> Chain:
    """The fullest chain whose joint table has few enough cells."""
    for joins_casing, fewest in _STEPS:
        try:
            chain = Chain(rows, bands, axes, is_labelled, joins_casing, fewest)
        except TooManyCellsError:
            continue
        if not joins_casing and "casing" in axes:
            notices.append(f"Casing is a table of its own: jointly there would be more than {MOST_CELLS:,} cells.")
        if dropped := len(rows) - len(chain.rows):
            notices.append(
                f"{dropped:,} rows ({dropped / len(rows):.1%}) are left out of the joint table, which would be too "
                f"large: their combination of arguments was seen fewer than {fewest} times in its function."
            )
        return chain
    message = f"functions, arguments, categories and lengths make more than {MOST_CELLS:,} cells"
    raise InputError([Fault("the queries", message, "Fit the functions in several packs")])


def _counts(rows: Iterable[Row], axis: str) -> Counter[str]:
    return Counter(row[axis] for row in rows)


def _weights(axis: str, weights: Mapping[str, float]) -> FittedAxis:
    total = sum(weights.values())
    shares = (
        Share((), value, 0, 0, weight / total, weight / total, weight / total) for value, weight in weights.items()
    )
    return FittedAxis(axis, (), tuple(shares))


def _noise(found: MisspellingEstimate, rows: int) -> FittedAxis:
    clean = Share((), "none", 0, rows, 1 - found.share, 1 - found.high, 1 - found.low)
    return FittedAxis("noise", (), (clean, Share((), "typo", 0, rows, found.share, found.low, found.high)))


def _keep_labels(present: Sequence[FittedTable]) -> Iterable[dict[str, Any]]:
    """The present tables summed over all axes but those that labels show, as the file holds them."""
    for table in present:
        at = [i for i, axis in enumerate(table.axes) if axis in LABEL_AXES]
        if not at:
            continue
        axes = [table.axes[i] for i in at]
        shares: dict[str, Any] = {}
        for cell, share in zip(table.cells, table.shares.tolist(), strict=True):
            node = shares
            for i in at[:-1]:
                node = node.setdefault(cell[i], {})
            node[cell[at[-1]]] = node.get(cell[at[-1]], 0.0) + 100 * share
        yield {"axes": axes, "marginals": [{"axes": axes, "shares": shares}]}
