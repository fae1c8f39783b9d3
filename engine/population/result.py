"""What `fit` found: shares with their intervals, what depends on what, and where the sample is too small."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from routenator.engine.population.dependence import Dependence
from routenator.engine.population.misspelling import MisspellingEstimate
from routenator.engine.population.shares import Share


@dataclass(frozen=True, slots=True)
class FittedAxis:
    """The shares of one axis as the targets hold them.

    Attributes:
        axis: As a stratum names it.
        given: Axes within whose values the shares are; empty: over all rows.
        shares: In the order of the file.
        lean: Rows that a group's share counts its larger group for; 0 where shares are as counted.
    """

    axis: str
    given: tuple[str, ...]
    shares: tuple[Share, ...]
    lean: float = 0.0


@dataclass(frozen=True, slots=True)
class Unseen:
    """Good-Turing figures for one function's combinations of arguments.

    Attributes:
        function: Name.
        rows: Of the function.
        combinations: That were seen.
        once: That were seen once.
        share: Estimated share of real queries whose combination was not seen.
        high: Upper end of that share's 95 % interval.
    """

    function: str
    rows: int
    combinations: int
    once: int
    share: float
    high: float


@dataclass(frozen=True)
class PopulationFit:
    """The population as it was estimated. Holds no text of a query and no value of an argument.

    Attributes:
        source: File name of the queries, without its folder.
        sha256: Of the file.
        rows: In the file.
        used: Rows that the estimates rest on.
        labelled: Of these, rows with a function.
        axes: Conditional shares as the targets hold them, outermost axis first.
        summary: Axis → shares over all rows, with Jeffreys' intervals; also those without an axis of their own.
        dependences: Every test that was made.
        misspelling: ``None`` where it could not be measured.
        unseen: One for each function.
        zeros: Cells that cannot be, as the targets take them.
        limits: What the sample is too small for, in sentences.
        notices: What was left out or taken from elsewhere, in sentences.
    """

    source: str
    sha256: str
    rows: int
    used: int
    labelled: int
    axes: tuple[FittedAxis, ...]
    summary: Mapping[str, tuple[Share, ...]]
    dependences: tuple[Dependence, ...] = ()
    misspelling: MisspellingEstimate | None = None
    unseen: tuple[Unseen, ...] = ()
    zeros: tuple[Mapping[str, tuple[str, ...]], ...] = ()
    limits: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    kept: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)
    """Tables that were taken over from the pack's present targets, as the file holds them."""

    def to_json(self) -> dict[str, Any]:
        """Everything as JSON values."""
        data = asdict(self)
        data["confidence"] = 0.95
        return data
