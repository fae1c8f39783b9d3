"""Build a report from a run's ledger, finished or not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from routenator.engine.datasets.row import DatasetRow
from routenator.engine.datasets.run_meta import RunMeta
from routenator.engine.domain.loading import load_pack
from routenator.engine.domain.pack import DomainPack
from routenator.engine.errors import DomainError
from routenator.engine.ledger.reader import LedgerReader
from routenator.engine.ledger.schema import STRATUM_COLUMNS
from routenator.engine.reports.distribution import PlannedTable, Values, compare
from routenator.engine.reports.report import Comparison, Deficit, Funnel, Latency, Report, RunFacts, Tokens
from routenator.engine.reports.tally import (
    MEASURED_AXES,
    DiversityTally,
    ExampleTally,
    LengthBands,
    LengthTally,
    TableTally,
)
from routenator.engine.routing.plan import Plan
from routenator.engine.sample import SampleKey
from routenator.engine.validation.features import measure
from routenator.engine.validation.lexicon import Lexicon
from routenator.engine.validation.words import count_words

_REASONS_OF_A_DEFICIT = 3
_DUPLICATES = ("duplicate", "near_duplicate")
_ROW_COLUMNS = ("slot", "round", "query", "model")
_LENGTH, _LANGUAGE, _CATEGORY, _FUNCTION = map(STRATUM_COLUMNS.index, ("length", "language", "category", "function"))


def report_on(run: Path) -> tuple[Report, str | None]:
    """The report on the run in directory ``run``, and what has to be said of it beforehand.

    Raises:
        RunError: There is no run.
    """
    with LedgerReader(run) as reader:
        meta = RunMeta.from_meta(reader.meta())
        pack, notice = None, None
        try:
            pack = load_pack(Path(meta.pack_root))
        except DomainError as exc:
            notice = (
                f"{meta.pack_root} has been moved or has {len(exc.faults)} faults now: "
                "phrasing and keyword position are not measured on the queries"
            )
        if pack is not None and pack.digest != meta.pack_digest:
            notice = f"{meta.pack_root} has changed since the run: its words of now measure the queries"
        return build_report(reader, pack, meta.plan, RunFacts.from_meta(run.resolve().name, meta)), notice


def build_report(reader: LedgerReader, pack: DomainPack | None, plan: Plan, facts: RunFacts) -> Report:
    """Read the run once and put it beside its plan.

    Args:
        reader: The run; it may still be going on.
        pack: Its pack: keywords and verbs, by which queries are measured; ``None``: only lengths are measured.
        plan: Its plan: the shares and quotas that were aimed at.
        facts: What is known of the run beside its samples.
    """
    tables = [
        PlannedTable(table.axes, table.share_by_cell, counts)
        for table, counts in zip(plan.tables, plan.counts(), strict=True)
    ]
    measurable = MEASURED_AXES if pack is not None else ("length",)
    axes = [TableTally(table.marginal(axis), measurable) for table in tables for axis in table.axes]
    joints = [TableTally(table, measurable) for table in tables if len(table.axes) > 1]
    lexicon, bands = Lexicon.from_pack(pack) if pack is not None else None, LengthBands(tables)
    lengths, diversity, examples = LengthTally(), DiversityTally(), ExampleTally()
    # Far fewer kinds of row than rows: the tables count kinds.
    kinds: Counter[tuple[tuple[str, ...], tuple[str, ...]]] = Counter()
    models: Counter[str] = Counter()
    for slot, round, query, model, *cells in reader.accepted_columns(*_ROW_COLUMNS, *STRATUM_COLUMNS):
        stratum = tuple(cells)
        measured: tuple[str, ...] = ()
        if lexicon is None:
            words = count_words(query)
        else:
            features = measure(query, stratum[_LANGUAGE], stratum[_CATEGORY], lexicon)
            words, measured = features.words, (features.phrasing, features.keyword_position)
        measured = (bands.band_of(words, stratum[_LENGTH]), *measured)
        kinds[stratum, measured] += 1
        lengths.add(stratum[_FUNCTION], words)
        diversity.add(query)
        examples.add(SampleKey(slot, round))
        models[model or "grammar, no model"] += 1
    phrasings: Counter[str] = Counter()
    keyword_positions: Counter[str] = Counter()
    for (stratum, values), count in kinds.items():
        strata = dict(zip(STRATUM_COLUMNS, stratum, strict=True))
        by_axis = dict(zip(measurable, values, strict=True))
        for tally in (*axes, *joints):
            tally.add(strata, by_axis, count)
        if lexicon is not None:
            phrasings[by_axis["phrasing"]] += count
            keyword_positions[by_axis["keyword_position"]] += count
    comparisons = [_comparison(tally) for tally in axes]
    joint_comparisons = [_comparison(tally) for tally in joints]
    # A joint table's own axes, and an axis with one value, would only repeat what is missing.
    single = [c for c in comparisons if not _is_part(c, joint_comparisons) and len(c.cells) > 1]
    whole_tables = joint_comparisons + single
    result = diversity.result()
    return Report(
        facts=facts,
        delivered=result.rows,
        axes=tuple(comparisons),
        joints=tuple(joint_comparisons),
        deficits=tuple(deficit for comparison in whole_tables for deficit in _deficits(reader, comparison)),
        lengths=lengths.summaries(),
        phrasings=dict(phrasings.most_common()),
        keyword_positions=dict(keyword_positions.most_common()),
        diversity=result,
        routes=_funnels(reader, "route"),
        templates=_funnels(reader, "template"),
        samples_by_attempts={group["attempts"]: group["samples"] for group in reader.tally("attempts")},
        tokens=_tokens(reader),
        models=dict(models.most_common()),
        latencies=_latencies(reader),
        examples=tuple(_read_rows(reader, examples.keys())),
    )


def _read_rows(reader: LedgerReader, keys: Iterable[SampleKey]) -> Iterator[DatasetRow]:
    for key in keys:
        row = reader.sample(key)
        if row is not None:
            yield DatasetRow.from_ledger(row)


def _comparison(tally: TableTally) -> Comparison:
    if not tally.is_measured:
        return compare(tally.table, tally.delivered)
    return compare(tally.table, tally.delivered, tally.measured, tally.agreeing)


def _is_part(comparison: Comparison, joints: list[Comparison]) -> bool:
    return any(comparison.axes[0] in joint.axes for joint in joints)


def _deficits(reader: LedgerReader, comparison: Comparison) -> list[Deficit]:
    """Cells that are short of rows, the largest gap first."""
    short = [cell for cell in comparison.cells if cell.planned > cell.delivered]
    if not short:
        return []
    ends: dict[Values, Counter[str]] = {}
    for group in reader.tally(*comparison.axes, "error_class"):
        if group["error_class"] is not None:
            cell_ends = ends.setdefault(tuple(group[axis] for axis in comparison.axes), Counter())
            cell_ends[group["error_class"]] += group["samples"]
    short.sort(key=lambda cell: cell.delivered - cell.planned)
    return [
        Deficit(
            comparison.axes,
            cell.values,
            cell.planned - cell.delivered,
            tuple(ends.get(cell.values, Counter()).most_common(_REASONS_OF_A_DEFICIT)),
        )
        for cell in short
    ]


def _funnels(reader: LedgerReader, column: str) -> tuple[Funnel, ...]:
    """One for each route or template, the most samples first."""
    ends: dict[str, Counter[str]] = {}
    for group in reader.tally(column, "verdict", "error_class"):
        end = "duplicate" if group["error_class"] in _DUPLICATES else group["verdict"]
        ends.setdefault(_name(group[column]), Counter())[end] += group["samples"]
    reasons: dict[str, list[tuple[str, int]]] = {}
    for found in reader.rejection_reasons(column):
        reasons.setdefault(_name(found[column]), []).append((found["reason"], found["findings"]))
    attempts = {_name(group[column]): group["attempts"] for group in reader.usage(column)}
    return tuple(
        Funnel(
            name=name,
            accepted=count["accepted"],
            duplicates=count["duplicate"],
            rejected=count["rejected"],
            failed=count["failed"],
            attempts=attempts[name],
            reasons=tuple(reasons.get(name, ())),
        )
        for name, count in sorted(ends.items(), key=lambda item: (-item[1].total(), item[0]))
    )


def _name(value: Any) -> str:
    return "(none)" if value is None else str(value)


def _tokens(reader: LedgerReader) -> Tokens:
    usage = reader.usage("verdict")
    return Tokens(
        *(
            sum(group[name] for group in usage)
            for name in ("prompt_tokens", "completion_tokens", "judge_prompt_tokens", "judge_completion_tokens")
        )
    )


def _latencies(reader: LedgerReader) -> tuple[Latency, ...]:
    return tuple(
        Latency(
            node=node,
            samples=int(figures["samples"]),
            p50_ms=figures["p50_ms"],
            p95_ms=figures["p95_ms"],
            total_s=figures["mean_ms"] * figures["samples"] / 1000,
        )
        for node, figures in reader.node_latency().items()
    )
