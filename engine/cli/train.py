"""``routenator train``: a LoRA adapter from a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from routenator.engine.cli.console import EXIT_INTERRUPTED, print_json
from routenator.engine.cli.console import say as say_here

if TYPE_CHECKING:
    from routenator.engine.training.settings import TrainSettings


def train(
    recipe: Annotated[str, typer.Argument(help="A training recipe, or the name of a shipped one such as smollm2-cpu.")],
    data: Annotated[Path, typer.Option("--data", help="A run's directory, or a file of JSON lines.")],
    out: Annotated[Path, typer.Option("--out", help="Folder of the result. One that exists goes on.")],
    functions: Annotated[
        Path | None, typer.Option(help="The tools as a JSON list, or a pack's folder. Default: those of the run.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Base model, in place of the recipe's.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, max=2**31 - 1, help="Seed, in place of the recipe's.")] = None,
    max_steps: Annotated[int | None, typer.Option(min=1, help="Optimizer steps, in place of the recipe's.")] = None,
    merge: Annotated[bool, typer.Option("--merge", help="Write a full checkpoint as well, in merged/.")] = False,
    gguf: Annotated[
        bool, typer.Option("--gguf", help="Write model.gguf for llama.cpp as well (embedded base models).")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The outcome as one line of JSON.")] = False,
) -> None:
    """Train a LoRA adapter (QLoRA) on the rows of a run; the loss is taken on the call only.

    Ctrl-C saves a checkpoint; the same command goes on from it, also after a kill.

    Example: routenator train smollm2-cpu --data runs/demo --out models/demo
    """
    from routenator.engine.folders import refuse_foreign
    from routenator.engine.training.base_model import TRAIN_PACKAGES, prepare_libraries, require_packages
    from routenator.engine.training.merging import check_gguf_base
    from routenator.engine.training.processes import is_first_process
    from routenator.engine.training.trainer import STATE_FILE

    settings = load_settings(recipe, {"model": model, "seed": seed, "max_steps": max_steps})
    require_packages(*TRAIN_PACKAGES, *(["bitsandbytes"] if settings.quantization == "nf4" else []))
    if gguf:
        require_packages("gguf")
        check_gguf_base(settings.model)
    _refuse_lone_shard(settings)
    refuse_foreign(out, STATE_FILE, "a training")
    prepare_libraries()
    result = _train(settings, data, out, functions)
    if not is_first_process():
        return
    if result["interrupted"]:
        say(f"Stopped at step {result['steps']}. Give the same command again to go on.")
        raise typer.Exit(EXIT_INTERRUPTED)
    if merge or gguf:
        _merge(settings, out, gguf)
    if as_json:
        print_json({key: value for key, value in result.items() if key != "history"})
    else:
        say(f"\nAdapter: {out}/adapter\nLoss:    {out}/loss.png\nCard:    {out}/README.md")
        say(f"Measure it: routenator evaluate {out}/adapter --golden GOLDEN.jsonl --pack PACK")


def say(message: str) -> None:
    """One line for the person at the terminal, from the first of several processes."""
    from routenator.engine.training.processes import is_first_process

    if is_first_process():
        say_here(message)


def load_settings(recipe: str, overrides: dict[str, Any]) -> TrainSettings:
    """A training recipe by its path or its shipped name, with what the command line says in place of it.

    Raises:
        ConfigError: There is none, or it has faults.
    """
    from routenator.engine.cli.shipped import find_train_recipe
    from routenator.engine.training.settings import TrainSettings, load_train_settings

    path = find_train_recipe(recipe)
    given = {key: value for key, value in overrides.items() if value is not None}
    return TrainSettings.model_validate(load_train_settings(path).model_dump() | given)


def _train(settings: TrainSettings, data: Path, out: Path, functions: Path | None) -> dict[str, Any]:
    """Check everything, train, and write what is known beside the adapter."""
    from routenator.engine.cli.strangers import warn_of_strangers
    from routenator.engine.training.base_model import load_tokenizer, resolve_checkpoint
    from routenator.engine.training.examples import draw_rows, load_rows, split_rows, tokenize_rows
    from routenator.engine.training.loss_plot import write_loss_plot
    from routenator.engine.training.memory import available_gb, check_memory, estimate_gb
    from routenator.engine.training.processes import is_first_process, process_count
    from routenator.engine.training.prompts import CallPrompter, adopt_template
    from routenator.engine.training.shape import read_shape
    from routenator.engine.training.trainer import count_steps, to_state, train_adapter, write_state

    rows = load_rows(data)
    if settings.max_rows is not None:
        rows = draw_rows(rows, settings.max_rows, settings.seed)
    tools = _tools_of(data, functions)
    identity = {
        "settings": settings.model_dump(mode="json"),
        "rows_sha256": _digest(rows),
        "base": settings.model,
        "tools": list(tools),
    }
    if is_first_process():
        warn_of_strangers({row.function for row in rows}, tools, "the rows")
    before = _read_state(out, identity)
    if before.get("finished"):
        say(f"{out} holds this training already, finished after {before['steps']} steps.")
        return before
    checkpoint = resolve_checkpoint(settings.model)
    tokenizer = load_tokenizer(checkpoint)
    adopt_template(tokenizer)
    prompter = CallPrompter(tokenizer, tools, settings.tools_in_prompt)
    train_rows, validation_rows = split_rows(rows, settings.held_out_share(len(rows)), settings.seed)
    learnt = tokenize_rows(train_rows, prompter, tokenizer, settings.max_tokens)
    held_out = tokenize_rows(validation_rows, prompter, tokenizer, settings.max_tokens)
    _refuse_empty(learnt.input_ids, settings)
    longest = max(map(len, learnt.input_ids))
    processes = process_count()
    needed_gb = estimate_gb(read_shape(checkpoint, settings), settings, longest, learnt.longest_call, processes)
    free_gb = available_gb()
    check_memory(needed_gb, free_gb)
    if learnt.too_long + held_out.too_long:
        say(f"{learnt.too_long + held_out.too_long:,} rows have more than {settings.max_tokens:,} tokens: left out.")
    steps = count_steps(len(learnt.input_ids), settings, processes)
    say(
        f"{len(learnt.input_ids):,} rows to learn, {len(held_out.input_ids):,} to validate on, at most {longest} "
        f"tokens each; {steps:,} steps; about {needed_gb:.1f} of {free_gb:.1f} GB."
    )
    out.mkdir(parents=True, exist_ok=True)
    earlier_s = float(before.get("train_seconds", 0.0))
    if is_first_process():
        write_state(out, {**identity, "train_seconds": earlier_s})
    result = train_adapter(checkpoint, tokenizer, learnt, held_out, settings, out, say)
    state = {**identity, "data": str(data), "rows": len(learnt.input_ids) + len(held_out.input_ids), **to_state(result)}
    state["train_seconds"] += earlier_s
    state["processes"] = processes
    state["finished"] = not result.interrupted
    if result.stopped_early:
        say(f"Ended early: the validation loss no longer fell in {settings.patience} looks.")
    if not is_first_process():
        return state
    write_state(out, state)
    write_loss_plot(result.history, out / "loss.png")
    if result.interrupted:
        return state
    card = _card(settings, state, len(learnt.input_ids), len(held_out.input_ids))
    for folder in (out, result.adapter):  # peft has left an empty form in the adapter's
        (folder / "README.md").write_text(card, "utf-8")
    return state


def _tools_of(data: Path, functions: Path | None) -> tuple[dict[str, Any], ...]:
    from routenator.engine.datasets.run_meta import RunMeta
    from routenator.engine.errors import Fault, InputError
    from routenator.engine.ledger.reader import LedgerReader
    from routenator.engine.training.tools import load_tools

    if functions is not None:
        return load_tools(functions)
    if not data.is_dir():
        fix = "Give a pack's folder or a functions.json: a file of rows does not say its functions"
        raise InputError([Fault("--functions", "is missing", fix)])
    with LedgerReader(data) as reader:
        return tuple(dict(tool) for tool in RunMeta.from_meta(reader.meta()).tools)


def _refuse_lone_shard(settings: TrainSettings) -> None:
    from routenator.engine.errors import Fault, InputError
    from routenator.engine.training.processes import process_count

    if settings.fsdp and process_count() == 1:
        fix = "Start it by: torchrun --nproc-per-node GPUS -m routenator train …, or set fsdp: false"
        raise InputError([Fault("fsdp", "shares a model among several processes, and this is one alone", fix)])


def _refuse_empty(examples: list[list[int]], settings: TrainSettings) -> None:
    from routenator.engine.errors import Fault, InputError

    if not examples:
        fix = "Give more rows, or raise max_tokens"
        raise InputError([Fault("--data", f"no row is left to learn within {settings.max_tokens} tokens", fix)])


def _digest(rows: tuple[Any, ...]) -> str:
    import hashlib

    import orjson

    digest = hashlib.sha256()
    for row in rows:
        digest.update(orjson.dumps([row.query, row.function, dict(row.arguments)], option=orjson.OPT_SORT_KEYS))
    return digest.hexdigest()


def _read_state(out: Path, identity: dict[str, Any]) -> dict[str, Any]:
    """What an earlier start has left in ``out``; refused if it was another training."""
    import json

    from routenator.engine.errors import Fault, InputError
    from routenator.engine.training.trainer import STATE_FILE

    try:
        before: dict[str, Any] = json.loads((out / STATE_FILE).read_bytes())
    except FileNotFoundError:
        return {}
    except ValueError:
        what = "is cut short: which training the folder holds is not known"
        raise InputError([Fault(str(out / STATE_FILE), what, "Give another --out, or remove the folder")]) from None
    changed = [key for key, value in identity.items() if before.get(key) != value]
    if changed:
        what = f"holds a training with other {' and '.join(changed)}"
        raise InputError([Fault(str(out), what, "Give another --out, or put them back to go on")])
    return before


def _card(settings: TrainSettings, state: dict[str, Any], train_rows: int, validation_rows: int) -> str:
    from importlib.metadata import version

    from routenator.engine.training.model_card import CardFacts, write_card

    facts = CardFacts(
        base=settings.model,
        data=str(state["data"]),
        rows_sha256=str(state["rows_sha256"]),
        train_rows=train_rows,
        validation_rows=validation_rows,
        functions=[tool["function"]["name"] for tool in state["tools"]],
        steps=int(state["steps"]),
        stopped_early=bool(state["stopped_early"]),
        processes=int(state["processes"]),
        train_seconds=float(state["train_seconds"]),
        validation_loss=state["best_validation_loss"],
        versions={name: version(name) for name in ("routenator", "torch", "transformers", "peft", "trl")},
    )
    return write_card(facts, settings)


def _merge(settings: TrainSettings, out: Path, gguf: bool) -> None:
    from routenator.engine.llm.embedded_models import prepare_model
    from routenator.engine.training.base_model import resolve_checkpoint
    from routenator.engine.training.merging import merge_adapter, write_gguf

    say("Folding the adapter into its base …")
    merge_adapter(resolve_checkpoint(settings.model), settings, out / "adapter", out / "merged")
    if gguf:
        write_gguf(out / "merged", prepare_model(settings.model), out / "model.gguf")
        say(f"GGUF:    {out}/model.gguf")
