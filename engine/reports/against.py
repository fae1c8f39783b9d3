"""A run's rows beside real queries: distances, leakage, and whether a model can tell the two apart."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from scipy.special import chdtrc

from routenator.engine.datasets.run_meta import RunMeta
from routenator.engine.datasets.strict_json import clean
from routenator.engine.domain.loading import load_pack
from routenator.engine.ledger.reader import LedgerReader
from routenator.engine.population.bands import band_of, choose_bands
from routenator.engine.population.declared import DeclaredPack
from routenator.engine.population.misspelling import MisspellingEstimate, estimate_misspelling
from routenator.engine.population.profile import QueryProfile, profile, spelling_texts
from routenator.engine.population.queries import QueryFile, RealQuery
from routenator.engine.reports.against_classifier import TwoSampleTest, tell_apart
from routenator.engine.reports.against_leakage import LeakCheck, RealSpans, check_leakage
from routenator.engine.reports.against_order import OrderShare, compare_order
from routenator.engine.reports.against_values import ValueShape, compare_values
from routenator.engine.reports.distribution import js_distance
from routenator.engine.validation.words import FUNCTION_WORDS, fold_words

_LABEL_AXES = ("function", "category", "arguments", "keyword_position")
_WORDING_AXES = ("length", "phrasing", "casing", "ending")
_COLUMNS = ("slot", "round", "query", "function", "language", "arguments")
_EXAMPLES = "examples.jsonl"


@dataclass(frozen=True, slots=True)
class AxisDistance:
    """One axis on both sides.

    Attributes:
        axis: As a stratum names it; ``ending`` is the last punctuation.
        cells: (value, synthetic rows, real rows), the most frequent among the real ones first.
        chi_square: Pearson's statistic of the two-row table.
        degrees_of_freedom: Of it.
        p_value: Of it; a rough guide where cells are small.
        js_distance: Jensen-Shannon distance, base 2: 0 equal, 1 disjoint.
        js_by_chance: What two samples of these sizes from one population would show on average, about.
    """

    axis: str
    cells: tuple[tuple[str, int, int], ...]
    chi_square: float
    degrees_of_freedom: int
    p_value: float
    js_distance: float
    js_by_chance: float


@dataclass(frozen=True, slots=True)
class LengthQuartiles:
    """Words in a query: quartiles of the synthetic rows and of the real ones; ``None`` on a side without rows."""

    function: str
    synthetic: tuple[float, float, float] | None
    real: tuple[float, float, float] | None


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Words on both sides, function words left out.

    Attributes:
        synthetic: Different words.
        real: Different words.
        shared: On both sides.
        real_covered: Share of the real queries' words, each as often as it occurs, that the synthetic rows have too.
        synthetic_covered: The same the other way round.
    """

    synthetic: int
    real: int
    shared: int
    real_covered: float
    synthetic_covered: float


@dataclass(frozen=True, slots=True)
class Against:
    """Everything that is said of a run beside real queries. Holds no text of a real query."""

    source: str
    sha256: str
    synthetic_rows: int
    real_rows: int
    axes: tuple[AxisDistance, ...]
    misspelling: tuple[MisspellingEstimate | None, MisspellingEstimate | None]
    lengths: tuple[LengthQuartiles, ...]
    values: tuple[ValueShape, ...]
    order: tuple[OrderShare, ...]
    vocabulary: Vocabulary
    leaks: tuple[LeakCheck, ...]
    tests: tuple[TwoSampleTest, ...]

    @property
    def is_leak(self) -> bool:
        """Whether real queries stand in the rows, the examples or the prompts."""
        return any(check.is_leak for check in self.leaks)

    def to_json(self) -> dict[str, Any]:
        """Everything as JSON values."""
        data: dict[str, Any] = clean(asdict(self))
        data["is_leak"] = self.is_leak
        for check, entry in zip(self.leaks, data["leaks"], strict=True):
            entry["is_leak"] = check.is_leak
        return data


def report_against(run: Path, file: QueryFile, dictionary: Collection[str] | None) -> Against:
    """Put the run in directory ``run`` beside the real queries of ``file``.

    Args:
        run: Finished or not.
        file: Real queries, labelled or not.
        dictionary: Common words, folded; ``None``: misspellings are not compared.

    Raises:
        RunError: There is no run.
        DomainError: The run's pack, by whose words the queries are measured, is gone or faulty.
    """
    with LedgerReader(run) as reader:
        pack = load_pack(Path(RunMeta.from_meta(reader.meta()).pack_root))
        rows = dict(_read_rows(reader))
    examples, prompts = _read_prompts(pack.root / "prompts")
    labels = [text for node in pack.nodes for text in (node.label, *node.aliases)]
    texts = {"few-shot examples": examples, "prompts": prompts}
    return compare_queries(rows, file, DeclaredPack.from_pack(pack), texts, labels, dictionary)


def compare_queries(
    rows: Mapping[str, RealQuery],
    file: QueryFile,
    pack: DeclaredPack,
    texts: Mapping[str, Mapping[str, str]],
    labels: Iterable[str],
    dictionary: Collection[str] | None,
) -> Against:
    """Put synthetic rows beside real queries.

    Args:
        rows: Id → row.
        file: Real queries.
        pack: By whose words both are measured.
        texts: Further texts that must not hold real queries: source → name → text.
        labels: Names that the pack knows from elsewhere.
        dictionary: Common words, folded, or ``None``.
    """
    sides = (list(rows.values()), list(file.queries))
    profiles = ([profile(query, pack) for query in sides[0]], [profile(query, pack) for query in sides[1]])
    bands = choose_bands([one.words for one in profiles[1]])
    is_labelled = any(one.function for one in profiles[1])
    axes = (*(_LABEL_AXES if is_labelled else ()), *_WORDING_AXES)
    real = RealSpans([(query.line, query.query) for query in file.queries], labels)
    leaks = [check_leakage("rows", {name: row.query for name, row in rows.items()}, real, is_strict=False)]
    leaks += [check_leakage(name, some, real, is_strict=True) for name, some in texts.items() if some]
    return Against(
        source=file.path.name,
        sha256=file.sha256,
        synthetic_rows=len(sides[0]),
        real_rows=len(sides[1]),
        axes=tuple(_compare_axis(axis, profiles, bands) for axis in axes) if rows else (),
        misspelling=(_misspelling(sides[0], pack, dictionary), _misspelling(sides[1], pack, dictionary)),
        lengths=tuple(_compare_lengths(profiles)),
        values=compare_values(*sides),
        order=compare_order(*sides),
        vocabulary=_compare_vocabulary(sides),
        leaks=tuple(leaks),
        tests=tell_apart([query.query for query in sides[0]], [query.query for query in sides[1]]),
    )


def _read_rows(reader: LedgerReader) -> Iterable[tuple[str, RealQuery]]:
    for slot, round_number, query, function, language, arguments in reader.accepted_columns(*_COLUMNS):
        given = orjson.loads(arguments) if isinstance(arguments, str) else arguments
        present = {name: (str(value),) for name, value in (given or {}).items()}
        yield f"{slot}.{round_number}", RealQuery(0, query, language, function, True, present)


def _read_prompts(folder: Path) -> tuple[dict[str, str], dict[str, str]]:
    """The queries of the pack's few-shot examples, and the lines of its prompts, by file and line."""
    examples: dict[str, str] = {}
    prompts: dict[str, str] = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        for number, line in enumerate(path.read_text("utf-8", "replace").splitlines(), 1):
            name = f"{path.relative_to(folder).as_posix()}:{number}"
            if path.name == _EXAMPLES:
                examples[name] = str(orjson.loads(line)["query"]) if line.strip() else ""
            elif line.strip():
                prompts[name] = line
    return {name: text for name, text in examples.items() if text}, prompts


def _compare_axis(axis: str, profiles: tuple[Sequence[QueryProfile], ...], bands: Sequence[str]) -> AxisDistance:
    def value(one: QueryProfile) -> str:
        return band_of(one.words, bands) if axis == "length" else str(getattr(one, axis) or "(none)")

    synthetic, real = (Counter(map(value, side)) for side in profiles)
    names = sorted({*synthetic, *real}, key=lambda name: (-real[name], -synthetic[name], name))
    if axis == "length":
        names.sort(key=lambda name: int(name.partition("-")[0]))
    table = np.array([[synthetic[name] for name in names], [real[name] for name in names]], dtype=np.float64)
    rows = table.sum(axis=1)
    expected = np.outer(rows, table.sum(axis=0)) / table.sum()
    statistic = float((np.square(table - expected) / expected).sum())
    freedom = len(names) - 1
    # The mean of the divergence's quadratic approximation, (cells - 1) (1/m + 1/n) / 8 in nats.
    by_chance = float(np.sqrt(freedom * (1 / rows).sum() / (8 * np.log(2))))
    return AxisDistance(
        axis=axis,
        cells=tuple((name, synthetic[name], real[name]) for name in names),
        chi_square=statistic,
        degrees_of_freedom=freedom,
        p_value=float(chdtrc(freedom, statistic)) if freedom else 1.0,
        js_distance=js_distance(table[0] / rows[0], table[1] / rows[1]),
        js_by_chance=min(1.0, by_chance),
    )


def _compare_lengths(profiles: tuple[Sequence[QueryProfile], ...]) -> Iterable[LengthQuartiles]:
    """All rows first, then each function that both sides have."""
    words: tuple[dict[str, list[int]], dict[str, list[int]]] = (defaultdict(list), defaultdict(list))
    for side, found in zip(profiles, words, strict=True):
        for one in side:
            found["all"].append(one.words)
            if one.function:
                found[one.function].append(one.words)
    for function in ("all", *sorted(set(words[0]) & set(words[1]) - {"all"})):
        yield LengthQuartiles(function, *(_quartiles(found.get(function, ())) for found in words))


def _quartiles(words: Sequence[int]) -> tuple[float, float, float] | None:
    if not words:
        return None
    first, median, third = np.quantile(words, [0.25, 0.5, 0.75]).tolist()
    return first, median, third


def _compare_vocabulary(sides: tuple[Sequence[RealQuery], ...]) -> Vocabulary:
    synthetic, real = (
        Counter(word for query in side for word in fold_words(query.query) if word not in FUNCTION_WORDS)
        for side in sides
    )
    shared = synthetic.keys() & real.keys()
    return Vocabulary(
        len(synthetic),
        len(real),
        len(shared),
        sum(real[word] for word in shared) / max(1, real.total()),
        sum(synthetic[word] for word in shared) / max(1, synthetic.total()),
    )


def _misspelling(
    queries: Sequence[RealQuery], pack: DeclaredPack, dictionary: Collection[str] | None
) -> MisspellingEstimate | None:
    if dictionary is None or not queries:
        return None
    return estimate_misspelling(spelling_texts(queries, pack), dictionary, pack.words)
