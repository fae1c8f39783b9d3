"""What a report says of a run, as data: the terminal, the JSON and the page are cut from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from routenator.engine.config import count_enough
from routenator.engine.datasets.row import DatasetRow
from routenator.engine.datasets.run_meta import RunMeta
from routenator.engine.datasets.strict_json import clean


@dataclass(frozen=True, slots=True)
class Cell:
    """One value of an axis, or one combination of values of a joint table.

    Attributes:
        values: In the order of the comparison's axes.
        target_share: Share that the targets ask for; 0 for a value that they do not name.
        planned: Rows that the plan gives to the cell.
        delivered: Accepted rows whose slot belongs to the cell.
        measured: Accepted rows whose query measures as the cell; ``None`` where nothing can be measured on a query.
    """

    values: tuple[str, ...]
    target_share: float
    planned: int
    delivered: int
    measured: int | None = None


@dataclass(frozen=True, slots=True)
class Fit:
    """How well counts fit the target shares.

    Attributes:
        chi_square: Pearson's statistic; ``None`` when there are no rows, or when rows lie where the target is zero.
        degrees_of_freedom: Cells with a share above zero, minus one.
        p_value: Probability of a statistic at least as large if the rows were drawn from the target; a quota-exact
            dataset is nearer to it than a draw, so 1 is what to expect.
        js_distance: Jensen-Shannon distance, base 2: 0 equal, 1 disjoint; ``None`` when there are no rows.
        small_cells: Cells with fewer than 5 expected rows; where there are many, the p-value is a rough guide.
    """

    chi_square: float | None
    degrees_of_freedom: int
    p_value: float | None
    js_distance: float | None
    small_cells: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """Target against delivered along one axis, or over a declared joint table.

    Attributes:
        axes: One for an axis, several for a joint table.
        cells: In the order of the targets; values that were only measured come last.
        delivered_fit: Delivered rows by their slot's stratum.
        measured_fit: The same rows by what their queries measure; ``None`` where nothing is measured.
        agreement: Share of rows that measure as their stratum says; ``None`` where nothing is measured.
    """

    axes: tuple[str, ...]
    cells: tuple[Cell, ...]
    delivered_fit: Fit
    measured_fit: Fit | None = None
    agreement: float | None = None

    @property
    def missing(self) -> int:
        """Rows short of the plan, over the cells that are short."""
        return sum(max(0, cell.planned - cell.delivered) for cell in self.cells)


@dataclass(frozen=True, slots=True)
class Deficit:
    """A cell that is short of rows, and what its rejected samples were rejected for, most frequent first."""

    axes: tuple[str, ...]
    values: tuple[str, ...]
    missing: int
    reasons: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class LengthSummary:
    """Words in the queries of one function: quartiles by linear interpolation, and rows by number of words."""

    function: str
    rows: int
    shortest: int
    first_quartile: float
    median: float
    third_quartile: float
    longest: int
    rows_by_words: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Diversity:
    """Variety of the queries.

    Attributes:
        rows: Accepted rows.
        unique_share: Share of rows whose folded query no other row has.
        distinct: n → distinct word n-grams as a share of all, for n = 1, 2, 3 (Li et al. 2016, arXiv:1510.03055).
            Falls as rows grow; compare datasets of the same size only.
        ngram_rows: Rows that ``distinct`` was counted over: those of the first 50,000 slots.
    """

    rows: int
    unique_share: float | None
    distinct: Mapping[int, float | None]
    ngram_rows: int


@dataclass(frozen=True, slots=True)
class Funnel:
    """What became of the samples of one route or template.

    Attributes:
        name: Route or template.
        accepted: Rows of the dataset.
        duplicates: Rejected because another row has the same query.
        rejected: Rejected by the critique; without duplicates.
        failed: Ended by an error.
        attempts: Passes generate → critique over all samples.
        reasons: ``source:code`` of every attempt's findings and errors, most frequent first.
    """

    name: str
    accepted: int
    duplicates: int
    rejected: int
    failed: int
    attempts: int
    reasons: tuple[tuple[str, int], ...]

    @property
    def samples(self) -> int:
        """All samples of the route or template."""
        return self.accepted + self.duplicates + self.rejected + self.failed

    @property
    def acceptance(self) -> float | None:
        """Accepted as a share of all samples."""
        return self.accepted / self.samples if self.samples else None


@dataclass(frozen=True, slots=True)
class Latency:
    """Time that samples spent in one node; percentiles over samples that visited it, right to half a per cent."""

    node: str
    samples: int
    p50_ms: float
    p95_ms: float
    total_s: float


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens over all samples, accepted or not, as the servers counted them."""

    prompt: int
    completion: int
    judge_prompt: int
    judge_completion: int


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What is known of the run beside its samples.

    Attributes:
        run: Name of the run's directory.
        pack: Name of the domain pack.
        seed: The run's seed.
        planned: Rows to deliver.
        enough: Rows that are enough: the recipe's ``min_delivered`` of them.
        created_at: When the run was started, ISO 8601.
        version: Version of routenator that started it.
        notices: What was said aloud when it started, such as a share that moved to other routes.
        calibrations: How rules, consistency and judge did on known pairs before the run, each the fields of a
            `routenator.engine.validation.calibration.Calibration`.
    """

    run: str
    pack: str
    seed: int
    planned: int
    enough: int
    created_at: str = ""
    version: str = ""
    notices: tuple[str, ...] = ()
    calibrations: tuple[Mapping[str, Any], ...] = ()

    @classmethod
    def from_meta(cls, run: str, meta: RunMeta) -> Self:
        """The facts of the run in the directory named ``run``."""
        return cls(
            run=run,
            pack=meta.pack_name,
            seed=meta.plan.seed,
            planned=meta.plan.rows,
            enough=count_enough(meta.plan.rows, meta.min_delivered),
            created_at=meta.created_at,
            version=meta.version,
            notices=meta.notices,
            calibrations=meta.calibrations,
        )


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that is said of a run, finished or not. ``damaged`` rows are in no other figure."""

    facts: RunFacts
    delivered: int
    axes: tuple[Comparison, ...]
    joints: tuple[Comparison, ...]
    deficits: tuple[Deficit, ...]
    lengths: tuple[LengthSummary, ...]
    phrasings: Mapping[str, int]
    keyword_positions: Mapping[str, int]
    diversity: Diversity
    routes: tuple[Funnel, ...]
    templates: tuple[Funnel, ...]
    samples_by_attempts: Mapping[int, int]
    tokens: Tokens
    models: Mapping[str, int]
    latencies: tuple[Latency, ...]
    examples: tuple[DatasetRow, ...]
    damaged: int = 0

    @property
    def missing(self) -> int:
        """Rows that the plan asks for and that are not delivered."""
        return max(0, self.facts.planned - self.delivered)

    @property
    def is_short(self) -> bool:
        """Whether there are fewer rows than enough."""
        return self.delivered < self.facts.enough

    def to_json(self) -> dict[str, Any]:
        """The report as JSON values; derived figures are included, no number is NaN."""
        data: dict[str, Any] = clean(asdict(self))
        data["missing"] = self.missing
        for name in ("routes", "templates"):
            for funnel, entry in zip(getattr(self, name), data[name], strict=True):
                entry |= {"samples": funnel.samples, "acceptance": funnel.acceptance}
        for row, entry in zip(self.examples, data["examples"], strict=True):
            del entry["key"]
            entry["id"] = row.id
        return data
