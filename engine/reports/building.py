"""Build a report from a run's ledger, finished or not."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from routenator.engine.datasets.row import DatasetRow
from routenator.engine.datasets.run_meta import RunMeta
from routenator.engine.domain.loading import load_pack
from routenator.engine.domain.pack import DomainPack
from routenator.engine.errors import DomainError
from routenator.engine.ledger.reader import LedgerReader
from routenator.engine.reports.distribution import PlannedTable, Values, compare
from routenator.engine.reports.report import Comparison, Deficit, Funnel, Latency, Report, RunFacts
from routenator.engine.reports.scan import Scan, Yardstick
from routenator.engine.reports.scanning import scan_run
from routenator.engine.reports.tally import MEASURED_AXES, LengthBands, TableTally
from routenator.engine.routing.plan import Plan
from routenator.engine.sample import AXES, SampleKey
from routenator.engine.validation.lexicon import Lexicon

_REASONS_OF_A_DEFICIT = 3
_DUPLICATES = ("duplicate", "near_duplicate")
_ROUTE, _TEMPLATE = 0, 1


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
        report = build_report(reader, pack, meta.plan, RunFacts.from_meta(run.resolve().name, meta))
    if report.damaged:
        rows = "row is" if report.damaged == 1 else "rows are"
        loss = f"{report.damaged:,} {rows} damaged and not counted; `routenator repair {run}` keeps what is whole"
        notice = loss if notice is None else f"{notice}\n{loss}"
    return report, notice


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
    lexicon = Lexicon.from_pack(pack) if pack is not None else None
    scan = scan_run(reader, Yardstick(LengthBands(tables), lexicon))
    phrasings: Counter[str] = Counter()
    keyword_positions: Counter[str] = Counter()
    for (stratum, values), count in scan.kinds.items():
        strata = dict(zip(AXES, stratum, strict=True))
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
    diversity = scan.diversity.result()
    return Report(
        facts=facts,
        delivered=diversity.rows,
        axes=tuple(comparisons),
        joints=tuple(joint_comparisons),
        deficits=tuple(deficit for comparison in whole_tables for deficit in _deficits(scan, comparison)),
        lengths=scan.lengths.summaries(),
        phrasings=dict(phrasings.most_common()),
        keyword_positions=dict(keyword_positions.most_common()),
        diversity=diversity,
        routes=_funnels(scan, _ROUTE),
        templates=_funnels(scan, _TEMPLATE),
        samples_by_attempts=dict(sorted(scan.attempts.items())),
        tokens=scan.token_sums(),
        models=dict(scan.models.most_common()),
        latencies=_latencies(scan),
        examples=tuple(_read_rows(reader, scan.examples.keys())),
        damaged=scan.damaged["rows"],
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


def _deficits(scan: Scan, comparison: Comparison) -> list[Deficit]:
    """Cells that are short of rows, the largest gap first."""
    short = [cell for cell in comparison.cells if cell.planned > cell.delivered]
    if not short:
        return []
    places = [AXES.index(axis) for axis in comparison.axes]
    ends: dict[Values, Counter[str]] = {}
    for (stratum, error_class), samples in scan.errors.items():
        ends.setdefault(tuple(stratum[place] for place in places), Counter())[error_class] += samples
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


def _funnels(scan: Scan, place: int) -> tuple[Funnel, ...]:
    """One for each route or template, the most samples first; ``place`` is where the keys of the scan have it."""
    ends: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for key, samples in scan.ends.items():
        _, _, verdict, error_class = key
        ends[_name(key[place])]["duplicate" if error_class in _DUPLICATES else verdict] += samples
    reasons: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for found, findings in scan.reasons.items():
        reasons[_name(found[place])][found[2]] += findings
    attempts: Counter[str] = Counter()
    for route_and_template, passes in scan.passes.items():
        attempts[_name(route_and_template[place])] += passes
    return tuple(
        Funnel(
            name=name,
            accepted=count["accepted"],
            duplicates=count["duplicate"],
            rejected=count["rejected"],
            failed=count["failed"],
            attempts=attempts[name],
            reasons=tuple(sorted(reasons[name].items(), key=lambda item: (-item[1], item[0]))),
        )
        for name, count in sorted(ends.items(), key=lambda item: (-item[1].total(), item[0]))
    )


def _name(value: Any) -> str:
    return "(none)" if value is None else str(value)


def _latencies(scan: Scan) -> tuple[Latency, ...]:
    return tuple(
        Latency(
            node, histogram.count, histogram.quantile_ms(0.5), histogram.quantile_ms(0.95), histogram.total_ms / 1000
        )
        for node, histogram in sorted(scan.latencies.items())
    )
