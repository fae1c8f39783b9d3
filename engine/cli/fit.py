"""``routenator fit``: estimate targets from real queries."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from routenator.engine.cli.console import out, print_json, say

if TYPE_CHECKING:
    from routenator.engine.population.result import PopulationFit
    from routenator.engine.population.shares import Share
    from routenator.engine.routing.fitting import FittedTable

_NEEDED_AXES = ("route", "function", "category", "language", "length", "phrasing")
_WIDTH = 80
_MOST_VALUES = 12
_MOST_COMBINATIONS = 3


def fit(
    queries: Annotated[Path, typer.Argument(help="JSON lines: golden rows, dataset rows, or queries alone.")],
    pack: Annotated[str, typer.Option("--pack", help="A shipped pack's name, or a pack folder.")],
    targets: Annotated[
        Path | None,
        typer.Option("--out", help="Write the targets here, and their intervals beside it.", dir_okay=False),
    ] = None,
    route: Annotated[
        list[str] | None,
        typer.Option("--route", help="Weight of a route, such as text=40; once for each. Default: the pack's own."),
    ] = None,
    leave_out: Annotated[
        list[str] | None,
        typer.Option(help="An axis that the targets shall be silent on, such as keyword_position; once for each."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write every figure as one JSON object.")] = False,
) -> None:
    """Estimate targets from real queries: their shares with intervals, and what the sample is too small for.

    No text of a query and no value of an argument is kept.

    Example: routenator fit queries.jsonl --pack my-pack --out my-pack/targets.yaml
    """
    from routenator.engine.domain.loading import load_pack
    from routenator.engine.population.declared import DeclaredPack
    from routenator.engine.population.fitting import fit_population
    from routenator.engine.population.queries import read_queries
    from routenator.engine.routing.fitting import fit_targets

    file = read_queries(queries)
    loaded = load_pack(pack)
    present = fit_targets(loaded.targets)
    routes = _read_routes(route or [], present)
    found = fit_population(
        file,
        DeclaredPack.from_pack(loaded),
        routes,
        present,
        load_dictionary(loaded.spec.languages),
        _read_axes(leave_out or [], bool(loaded.spec.spoken_arguments)),
    )
    if targets is not None:
        _write(found, targets)
    if as_json:
        print_json(found.to_json())
    else:
        print_fit(found)


def _read_axes(left_out: Sequence[str], with_arguments: bool) -> frozenset[str]:
    """The axes that the targets shall speak of.

    Args:
        left_out: By the user.
        with_arguments: The pack's arguments are spoken: its targets cannot do without them, and those of other packs
            do not know them.

    Raises:
        ConfigError: No such axis, or one that targets cannot do without.
    """
    from routenator.engine.errors import ConfigError, Fault
    from routenator.engine.sample import AXES

    optional = [axis for axis in AXES if axis not in (*_NEEDED_AXES, "arguments")]
    for axis in left_out:
        if axis not in optional:
            raise ConfigError(
                [Fault("--leave-out", f"{axis!r} cannot be left out", f"Name one of {', '.join(optional)}")]
            )
    return frozenset(AXES) - frozenset(left_out) - frozenset(() if with_arguments else ("arguments",))


def _read_routes(given: Sequence[str], present: Sequence[FittedTable]) -> dict[str, float]:
    """The weights of ``--route``, or those of the pack's targets of now.

    Raises:
        ConfigError: Not of the form route=weight, or no such route.
    """
    from routenator.engine.errors import ConfigError, Fault
    from routenator.engine.sample import MODALITIES

    if not given:
        return next(table.marginal("route") for table in present if "route" in table.axes)
    routes: dict[str, float] = {}
    for text in given:
        name, _, weight = text.partition("=")
        if name not in MODALITIES or not re.fullmatch(r"[0-9]+(\.[0-9]+)?", weight) or float(weight) <= 0:
            fix = f"Write {', '.join(MODALITIES)} with a weight above 0, such as text=40"
            raise ConfigError([Fault("--route", f"{text!r} is no route with a weight", fix)])
        routes[name] = float(weight)
    return routes


def load_dictionary(languages: Sequence[str]) -> frozenset[str] | None:
    """Common English words; ``None`` where the sentence model is not installed, or for other languages."""
    from routenator.engine.embedding.sentences import SentenceModel
    from routenator.engine.errors import RunError

    if list(languages) != ["en"]:
        return None
    try:
        return SentenceModel.load().vocabulary
    except RunError:
        return None


def _write(found: PopulationFit, path: Path) -> None:
    """The targets, once they are known to be readable, and the figures beside them."""
    import orjson

    from routenator.engine.datasets.atomic_file import atomic_file
    from routenator.engine.errors import DomainError
    from routenator.engine.population.targets_file import write_targets
    from routenator.engine.routing.fitting import fit_targets
    from routenator.engine.routing.targets import Targets
    from routenator.engine.yaml_source import parse_yaml, validate_yaml

    text = write_targets(found, datetime.now(UTC).date().isoformat())
    fit_targets(validate_yaml(Targets, parse_yaml(text, str(path), DomainError), DomainError))
    figures = path.with_suffix(".fit.json")
    with atomic_file(path) as file:
        file.write(text.encode())
    with atomic_file(figures) as file:
        file.write(orjson.dumps(found.to_json(), option=orjson.OPT_INDENT_2) + b"\n")
    say(f"wrote {path} and {figures}")


def print_fit(found: PopulationFit) -> None:
    """The shares by axis with their intervals, then what the sample is too small for."""
    from rich.text import Text

    from routenator.engine.display import show_line

    width = min(out.width, _WIDTH)
    out.print(Text(f"{show_line(found.source)}: {found.used:,} of {found.rows:,} rows used", style="bold"), width=width)
    for axis, shares in found.summary.items():
        if axis == "arguments":
            for function in dict.fromkeys(
                share.given for one in found.axes if one.axis == axis for share in one.shares
            ):
                _print_combinations(found, function[0], width)
        elif len(shares) > 1:
            _print_axis(axis, shares, width)
    if found.misspelling is not None:
        at = found.misspelling
        line = f"queries with a misspelt word: {at.share:.1%} ({at.low:.1%} to {at.high:.1%})"
        out.print(Text(f"\n{line}", style="bold"), width=width)
        words = f"found {at.found:.0%} of misspelt words in a test; takes {at.mistaken:.0%} of rare words for misspelt"
        out.print(Text(f"  {words}; both are allowed for", style="dim"), width=width)
    out.print(Text("\nwhat the sample is too small for", style="bold"), width=width)
    for line in (*found.limits, *found.notices):
        out.print(Text(f"- {show_line(line)}"), width=width)


def _print_axis(axis: str, shares: Sequence[Share], width: int) -> None:
    from rich.text import Text

    ordered = sorted(shares, key=lambda share: int(share.value.split("-")[0])) if axis == "length" else shares
    out.print(Text(f"\n{_title(axis)}", style="bold"), width=width)
    for share in ordered[:_MOST_VALUES]:
        out.print(_line(share.value, share), width=width)
    if len(ordered) > _MOST_VALUES:
        rest = ordered[_MOST_VALUES:]
        out.print(Text(f"  and {len(rest)} more, together {sum(s.share for s in rest):.1%}", style="dim"), width=width)


def _print_combinations(found: PopulationFit, function: str, width: int) -> None:
    from rich.text import Text

    shares = next(one.shares for one in found.axes if one.axis == "arguments")
    own = [share for share in shares if share.given == (function,)]
    out.print(Text(f"\narguments of {function}", style="bold"), width=width)
    for share in own[:_MOST_COMBINATIONS]:
        out.print(_line(share.value, share), width=width)
    rest = own[_MOST_COMBINATIONS:]
    if rest:
        text = f"  and {len(rest)} more combinations, together {sum(s.share for s in rest):.1%}"
        out.print(Text(text, style="dim"), width=width)


def _line(name: str, share: Share) -> str:
    from rich.markup import escape

    from routenator.engine.display import show_line

    interval = f"({share.low:.1%}-{share.high:.1%})"
    bar = "█" * round(10 * share.share)
    return escape(f"  {show_line(name, 36):<36} {share.rows:>6,} {share.share:>6.1%} {interval:<15} {bar}")


def _title(axis: str) -> str:
    return {"length": "words in a query", "ending": "last punctuation"}.get(axis, axis.replace("_", " "))
