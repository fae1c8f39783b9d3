"""``routenator domain``: make, fill and describe domain packs."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from routenator.engine.cli.console import EXIT_INCOMPLETE, EXIT_INTERRUPTED, err, out, print_json, say

if TYPE_CHECKING:
    from routenator.engine.domain.importing import ImportProgress, ImportReport
    from routenator.engine.domain.statistics import PackStatistics

domain_app = typer.Typer(help="Make, fill and describe domain packs.", no_args_is_help=True)
import_app = typer.Typer(help="Import content into a pack.", no_args_is_help=True)
domain_app.add_typer(import_app, name="import")

_SHOWN_ERRORS = 20
_PLAIN_LINE_EVERY = 500

JsonOption = Annotated[bool, typer.Option("--json", help="Write one JSON object to standard output.")]


@domain_app.command("init")
def init(
    folder: Annotated[Path, typer.Argument(help="Folder of the new pack; must not exist, or be empty.")],
    as_json: JsonOption = False,
) -> None:
    """Write a small, commented pack that validates as it stands.

    Example: routenator domain init my-pack
    """
    from routenator.engine.domain.starter_pack import create_starter_pack

    create_starter_pack(folder)
    if as_json:
        print_json({"pack": str(folder)})
    else:
        say(f"A starter pack stands in {folder}. Edit it, then run: routenator validate {folder}")


@domain_app.command("stats")
def stats(
    pack: Annotated[str, typer.Argument(help="A shipped pack's name, or a pack folder.")],
    as_json: JsonOption = False,
) -> None:
    """Count what a pack holds: nodes, edges, content, images, targets.

    Example: routenator domain stats design
    """
    from routenator.engine.domain.loading import load_pack
    from routenator.engine.domain.statistics import describe_pack

    statistics = describe_pack(load_pack(pack))
    if as_json:
        print_json(statistics)
    else:
        _print_statistics(statistics)


@import_app.command("images")
def import_images_command(
    folder: Annotated[Path, typer.Argument(help="Folder of SVG, PNG, JPEG and WebP files, searched through.")],
    out_folder: Annotated[Path, typer.Option("--out", help="Pack to add to; a new one is made where there is none.")],
    category: Annotated[
        str, typer.Option("--type", help="Category of items for which the sidecar has none.")
    ] = "image",
    metadata: Annotated[
        Path | None,
        typer.Option(help="CSV or JSONL with file, title, keywords, type. Default: metadata.csv or .jsonl in DIR."),
    ] = None,
    max_side: Annotated[int, typer.Option(min=16, max=4096, help="Longest side of a rendered SVG in pixels.")] = 512,
    as_json: JsonOption = False,
) -> None:
    """Import images with their titles and keywords: from the SVGs' own metadata, or from a sidecar file.

    Bad files are skipped and listed; interrupt it and run it again to go on.

    Example: routenator domain import images /usr/share/openclipart/svg --out my-pack
    """
    from routenator.engine.domain.importing import import_images

    show_progress = _ProgressLines() if as_json or not err.is_terminal else _ProgressBar()
    with show_progress:
        report = import_images(
            folder,
            out_folder,
            category=category,
            metadata=metadata,
            max_side=max_side,
            on_progress=show_progress.update,
        )
    if as_json:
        print_json({**asdict(report), "pack": str(report.pack)})
    else:
        _print_report(report)
    if report.interrupted:
        raise typer.Exit(EXIT_INTERRUPTED)
    if report.errors:
        raise typer.Exit(EXIT_INCOMPLETE)


class _ProgressBar:
    """A bar for a terminal."""

    def __init__(self) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._progress = Progress(
            TextColumn("importing"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[failed]} skipped"),
            TimeRemainingColumn(),
            console=err,
        )
        self._task = self._progress.add_task("importing", total=None, failed=0)

    def __enter__(self) -> None:
        self._progress.start()

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def update(self, progress: ImportProgress) -> None:
        self._progress.update(self._task, completed=progress.done, total=progress.total, failed=progress.failed)


class _ProgressLines:
    """Now and then a line, where there is no terminal."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass

    def update(self, progress: ImportProgress) -> None:
        if progress.done % _PLAIN_LINE_EVERY == 0:
            say(f"{progress.done} of {progress.total} files, {progress.failed} skipped")


def _print_report(report: ImportReport) -> None:
    for file, reason in report.errors[:_SHOWN_ERRORS]:
        say(f"  skipped {file}: {reason}")
    if len(report.errors) > _SHOWN_ERRORS:
        say(f"  and {len(report.errors) - _SHOWN_ERRORS} more")
    if report.errors:
        from routenator.engine.domain.importing import ERRORS_FILE

        say(f"All skipped files are listed in {report.pack / ERRORS_FILE}")
    say(f"{report.files} files: {report.added} added, {report.known} in the pack before, {len(report.errors)} skipped")
    if report.interrupted:
        say("Interrupted; what was done is kept. Run the same command to go on.", style="bold")


def _print_statistics(statistics: PackStatistics) -> None:
    from rich.markup import escape
    from rich.table import Table

    from routenator.engine.display import show

    facts = Table(show_header=False, box=None)
    for name, value in (
        ("pack", f"{statistics.name} {statistics.version}"),
        ("languages", ", ".join(statistics.languages)),
        ("functions", ", ".join(statistics.functions)),
        ("images", f"{statistics.images} ({statistics.image_megabytes:.1f} MB)"),
        ("digest", statistics.digest),
    ):
        facts.add_row(name, escape(show(value)))
    out.print(facts)
    for title, counts in (
        ("nodes by type", statistics.nodes),
        ("edges by type", statistics.edges),
        ("content by category", statistics.content),
    ):
        _print_counts(title, {key: f"{count:,}" for key, count in counts.items()})
    for axis, shares in statistics.targets.items():
        _print_counts(f"target: {axis}", {value: f"{share:.1%}" for value, share in shares.items()})


def _print_counts(title: str, counts: dict[str, str]) -> None:
    from rich.markup import escape
    from rich.table import Table

    from routenator.engine.display import show

    table = Table(title=title, title_justify="left", show_header=False, box=None)
    table.add_column(min_width=20)
    table.add_column(justify="right")
    for name, count in counts.items():
        table.add_row(escape(show(name)), count)
    out.print(table)
