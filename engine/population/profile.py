"""A real query's values on the axes of the targets; its text ends here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from routenator.engine.domain.pack import NO_CATEGORY
from routenator.engine.errors import Fault, InputError
from routenator.engine.population.declared import DeclaredFunction, DeclaredPack
from routenator.engine.population.queries import RealQuery
from routenator.engine.validation.casing import classify_casing
from routenator.engine.validation.features import classify_phrasing, locate_keyword
from routenator.engine.validation.words import count_words

NO_ARGUMENTS = "none"
NOT_NAMED = "(not named)"
"""Category of a query whose category argument no category of the pack is a word for."""
_MOST_NAMES = 20


@dataclass(frozen=True, slots=True)
class QueryProfile:
    """Values by axis, as a stratum holds them, but for ``words``, which becomes a length band.

    Attributes:
        function: ``None`` where the row is not labelled; then the four after it say nothing.
        arguments: Names of those present, sorted, joined by ``+``; `NO_ARGUMENTS` without any, and for a function whose
            arguments are not spoken in a pack where others' are.
        present: Number of arguments.
        category: `NO_CATEGORY` without one, `NOT_NAMED` for a value that the pack has no word for.
        keyword_position: ``absent`` without a category.
        ending: Last punctuation: ``?``, ``.``, ``!`` or ``none``. No axis of the targets.
    """

    language: str
    function: str | None
    arguments: str
    present: int
    category: str
    keyword_position: str
    words: int
    phrasing: str
    casing: str
    ending: str


def profile(query: RealQuery, pack: DeclaredPack) -> QueryProfile:
    """Measure one query. The category of a function that is not the pack's is not known: it counts as none."""
    declared = pack.functions.get(query.function or "")
    category = NO_CATEGORY if declared is None else _category_of(query, declared, pack)
    # Beside functions whose arguments are spoken, one that has none of these is asked for in one way only.
    is_counted = declared is None or declared.is_spoken or not pack.has_spoken
    last = query.query.rstrip(" \t\n\"')")[-1:]
    return QueryProfile(
        language=query.language,
        function=query.function,
        arguments="+".join(query.present) if query.present and is_counted else NO_ARGUMENTS,
        present=len(query.present),
        category=category,
        keyword_position=locate_keyword(query.query, query.language, category, pack.lexicon),
        words=count_words(query.query),
        phrasing=classify_phrasing(query.query, pack.lexicon),
        casing=classify_casing(query.query),
        ending=last if last in "?.!" and last else "none",
    )


def _category_of(query: RealQuery, declared: DeclaredFunction, pack: DeclaredPack) -> str:
    values = (query.arguments or {}).get(declared.category or "", ())
    if not values:
        return NO_CATEGORY
    if not declared.is_spoken:
        return values[0] if values[0] in pack.categories else NOT_NAMED
    mentions = pack.lexicon.mentions(values[0], query.language)
    named = [mention for mention in mentions if mention.category in declared.categories]
    # "movie times" may name movies as well: what covers more of the value is meant.
    return max(named, key=lambda mention: mention.stop - mention.start).category if named else NOT_NAMED


def spelling_texts(queries: Iterable[RealQuery], pack: DeclaredPack) -> list[tuple[str, list[str]]]:
    """Each query with its arguments but the category: names and the like, whose spelling nobody can judge."""
    texts = []
    for query in queries:
        declared = pack.functions.get(query.function or "")
        names = [] if declared is None else [name for name in query.present if name != declared.category]
        texts.append((query.query, [value for name in names for value in (query.arguments or {})[name]]))
    return texts


def check_names(path: Path, queries: Iterable[RealQuery], pack: DeclaredPack) -> None:
    """Every function and argument that the rows name must be the pack's.

    Raises:
        InputError: One fault for each unknown name, with the first line and the number of rows.
    """
    first: dict[tuple[str, str, str], int] = {}
    rows: Counter[tuple[str, str, str]] = Counter()
    for query in queries:
        if query.function is None:
            continue
        declared = pack.functions.get(query.function)
        unknown = [] if declared is None else [name for name in query.present if name not in declared.arguments]
        keys = [("function", query.function, "")] if declared is None else []
        for key in (*keys, *(("argument", name, query.function) for name in unknown)):
            first.setdefault(key, query.line)
            rows[key] += 1
    if first:
        raise InputError([
            Fault(
                str(path),
                f"{kind} {name!r}{f' of {function}' if function else ''} is not the pack's ({rows[key]:,} rows)",
                "Add it to functions.json, or take these rows out",
                line=line,
            )
            for key, line in list(first.items())[:_MOST_NAMES]
            for kind, name, function in [key]
        ])  # fmt: skip
