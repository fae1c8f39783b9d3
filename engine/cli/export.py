"""``routenator export``: the accepted rows, written as a training or evaluation tool takes them."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from routenator.engine.cli.console import print_json, say


class FormatName(StrEnum):
    """Formats by name; a test keeps them equal to `routenator.engine.datasets.formats.FORMATS`."""

    OPENAI_CHAT = "openai-chat"
    SHAREGPT = "sharegpt"
    TRL = "trl"
    BFCL = "bfcl"


def export(
    run: Annotated[Path, typer.Argument(help="Directory of a run, finished or not.")],
    export_format: Annotated[
        FormatName,
        typer.Option(
            "--format",
            help="openai-chat: messages and tools, for OpenAI fine-tuning and tools that take its files. "
            "sharegpt: conversations, for LLaMA-Factory. "
            "trl: prompt and completion with tool calls, for TRL's SFTTrainer. "
            "bfcl: questions, and answers in possible_answer/, for Gorilla's Berkeley Function Calling Leaderboard.",
        ),
    ],
    file: Annotated[
        Path | None,
        typer.Option("--out", help="File to write. Default: export/ in the run's directory.", dir_okay=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write rows and files as one JSON object.")] = False,
) -> None:
    """Write the accepted rows of a run in the format of another tool.

    Example: routenator export runs/demo --format trl --out train.jsonl
    """
    from routenator.engine.datasets.formats import FORMATS, export_dataset
    from routenator.engine.datasets.row import DatasetRow
    from routenator.engine.datasets.run_meta import RunMeta
    from routenator.engine.ledger.reader import LedgerReader

    chosen = FORMATS[export_format.value]
    with LedgerReader(run) as reader:
        meta = RunMeta.from_meta(reader.meta())
        rows = map(DatasetRow.from_ledger, reader.accepted_rows())
        count, files = export_dataset(rows, meta.tools, chosen, file or run / "export" / chosen.file_name)
    if as_json:
        print_json({"format": chosen.name, "rows": count, "files": [str(path) for path in files]})
    else:
        for path in files:
            say(f"wrote {count:,} rows to {path}")
