"""QLoRA by TRL's SFT trainer: adapters on all linear layers of a 4-bit base, loss on the call only.

Source:
    RouteNator (arXiv:2505.10495), the fine-tuning of section 4; T. Dettmers et al., QLoRA, 2023.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from routenator.engine.datasets.atomic_file import atomic_file
from routenator.engine.errors import TrainingError
from routenator.engine.training.base_model import load_base
from routenator.engine.training.call_loss import make_trainer_class
from routenator.engine.training.examples import TokenizedRows
from routenator.engine.training.processes import is_first_process, process_count
from routenator.engine.training.settings import TrainSettings

ADAPTER = "adapter"
CHECKPOINTS = "checkpoints"
STATE_FILE = "training.json"
_LOG_EVERY_STEPS = 10
_LEAST_LOG_LINES = 20
_TRAINER_STATE = "trainer_state.json"

Say = Callable[[str], None]


@dataclass(frozen=True)
class TrainResult:
    """How training ended.

    Attributes:
        adapter: Folder of the best adapter.
        steps: Optimizer steps that were made.
        train_seconds: Wall time of this process.
        best_validation_loss: Of the adapter that was kept; ``None`` without validation rows.
        stopped_early: The validation loss had not fallen for ``patience`` looks.
        interrupted: The user stopped it; the same command goes on from the last checkpoint.
        history: Trainer's log: ``{"step", "loss" | "eval_loss", …}``.
    """

    adapter: Path
    steps: int
    train_seconds: float
    best_validation_loss: float | None
    stopped_early: bool
    interrupted: bool
    history: tuple[dict[str, Any], ...]


def count_steps(examples: int, settings: TrainSettings, devices: int = 1) -> int:
    """Optimizer steps that the recipe asks for."""
    if settings.max_steps is not None:
        return settings.max_steps
    a_step = settings.batch_size * settings.gradient_accumulation * devices
    return max(1, math.ceil(math.ceil(examples / a_step) * settings.epochs))


def train_adapter(
    checkpoint: str,
    tokenizer: Any,
    train: TokenizedRows,
    validation: TokenizedRows,
    settings: TrainSettings,
    out: Path,
    say: Say,
) -> TrainResult:
    """Train an adapter into ``out``, going on from the last whole checkpoint that is there.

    Args:
        checkpoint: The base model's folder or hub id.
        tokenizer: Its tokenizer.
        train: What is learnt.
        validation: What chooses the step; may be empty.
        settings: The recipe.
        out: Folder of checkpoints and result.
        say: Takes progress for the person at the terminal.

    Raises:
        TrainingError: Memory or a library failed.
    """
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import EarlyStoppingCallback, PrinterCallback, TrainerState

    has_validation = bool(validation.input_ids)
    steps = count_steps(len(train.input_ids), settings, process_count())
    on_cpu = not torch.cuda.is_available()
    arguments = _arguments(settings, out, steps, has_validation, on_cpu)
    progress = _make_progress(say, steps)
    callbacks = [progress]
    if has_validation:
        callbacks.append(EarlyStoppingCallback(early_stopping_patience=settings.patience))
    lora = LoraConfig(
        r=settings.lora.rank,
        lora_alpha=settings.lora.alpha,
        lora_dropout=settings.lora.dropout,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )

    def to_dataset(rows: TokenizedRows) -> Any:
        return Dataset.from_dict({"input_ids": rows.input_ids, "labels": rows.labels})

    trainer = make_trainer_class(on_cpu)(
        model=load_base(checkpoint, settings),
        args=arguments,
        train_dataset=to_dataset(train),
        eval_dataset=to_dataset(validation) if has_validation else None,
        processing_class=tokenizer,
        peft_config=lora,
        callbacks=callbacks,
    )
    trainer.remove_callback(PrinterCallback)  # `progress` says it for people
    last = _last_checkpoint(out / CHECKPOINTS)
    state = TrainerState.load_from_json(str(last / _TRAINER_STATE)) if last is not None else None
    began = time.monotonic()
    try:
        if state is not None and state.global_step >= steps:
            # All steps were made, and the end came before the adapter was saved: one more would be one too many.
            best = Path(state.best_model_checkpoint or str(last)).name
            trainer.model.load_adapter(str(out / CHECKPOINTS / best), "default")
        else:
            if last is not None:
                say(f"Going on from {last.name}.")
            with _interruptible(progress, say):
                trainer.train(resume_from_checkpoint=str(last) if last is not None else None)
            state = trainer.state
    except torch.OutOfMemoryError as exc:
        raise TrainingError(
            "the GPU has no memory left",
            hint="Lower batch_size (raise gradient_accumulation in turn) or max_tokens, "
            "or set gradient_checkpointing: true",
        ) from exc
    interrupted = bool(progress.interrupted) and state.global_step < steps
    if not interrupted:
        trainer.save_model(str(out / ADAPTER))  # all processes: sharded weights are gathered
        if is_first_process():
            tokenizer.save_pretrained(out / ADAPTER)
    return TrainResult(
        adapter=out / ADAPTER,
        steps=state.global_step,
        train_seconds=time.monotonic() - began,
        best_validation_loss=state.best_metric,
        stopped_early=not interrupted and state.global_step < steps,
        interrupted=interrupted,
        history=tuple(state.log_history),
    )


def _arguments(settings: TrainSettings, out: Path, steps: int, has_validation: bool, on_cpu: bool) -> Any:
    from trl import SFTConfig

    options: dict[str, Any] = {"gradient_checkpointing": settings.gradient_checkpointing}
    if settings.fsdp:
        # FSDP recomputes for itself: the model's own way would gather every layer a second time. Weights in 4 bits
        # are not handed out by the first process, so that every process reads the checkpoint (see load_base).
        options["gradient_checkpointing"] = False
        options["fsdp"] = True
        options["fsdp_config"] = {
            "version": 2,
            "activation_checkpointing": settings.gradient_checkpointing,
            "cpu_ram_efficient_loading": False,
        }
    return SFTConfig(
        output_dir=str(out / CHECKPOINTS),
        max_steps=steps,
        per_device_train_batch_size=settings.batch_size,
        per_device_eval_batch_size=settings.batch_size,
        gradient_accumulation_steps=settings.gradient_accumulation,
        learning_rate=settings.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=round(steps * settings.warmup_share),
        max_length=None,  # longer examples were left out before
        bf16=settings.dtype == "bfloat16" and not on_cpu,
        use_cpu=on_cpu,
        seed=settings.seed,
        data_seed=settings.seed,
        eval_strategy="steps" if has_validation else "no",
        eval_steps=settings.eval_steps,
        save_strategy="steps",
        save_steps=settings.eval_steps,
        save_total_limit=2,
        load_best_model_at_end=has_validation,
        restore_callback_states_from_checkpoint=True,  # looks without progress count on after a kill
        metric_for_best_model="eval_loss",
        greater_is_better=False,
        logging_steps=max(1, min(_LOG_EVERY_STEPS, steps // _LEAST_LOG_LINES)),
        report_to=[],
        disable_tqdm=True,
        dataloader_pin_memory=not on_cpu,
        ddp_find_unused_parameters=False,
        **options,
    )


def _last_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint that was written to its end: the trainer's state comes last."""
    whole = []
    for file in folder.glob(f"checkpoint-*/{_TRAINER_STATE}"):
        with contextlib.suppress(ValueError):
            whole.append((int(json.loads(file.read_bytes())["global_step"]), file.parent))
    return max(whole)[1] if whole else None


def _make_progress(say: Say, steps: int) -> Any:
    """A callback of the trainer that says how far it is, and stops it at a step's end when it is asked to."""
    from transformers import TrainerCallback

    class Progress(TrainerCallback):  # type: ignore[misc, unused-ignore]
        """Says loss, speed and time left."""

        def __init__(self) -> None:
            self.interrupted = False
            self._began = (time.monotonic(), 0)

        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            """Time from here; a resumed run has made steps before."""
            self._began = (time.monotonic(), state.global_step)

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            """Stop between two steps, with a checkpoint."""
            if self.interrupted:
                control.should_training_stop = True
                control.should_save = True

        def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any], **_: Any) -> None:
            """One line for each entry of the log."""
            began_s, first = self._began
            done = state.global_step - first
            pace_s = (time.monotonic() - began_s) / done if done else 0.0
            left_s = pace_s * (steps - state.global_step)
            if "eval_loss" in logs:
                say(f"step {state.global_step}/{steps}: validation loss {logs['eval_loss']:.4f}")
            elif "loss" in logs:
                say(
                    f"step {state.global_step}/{steps}: loss {float(logs['loss']):.4f}, {pace_s:.1f} s a step, "
                    f"{left_s / 60:.0f} min left"
                )

    return Progress()


@contextlib.contextmanager
def _interruptible(progress: Any, say: Say) -> Iterator[None]:
    """First Ctrl-C or SIGTERM: save a checkpoint at the end of the step. Second: leave at once."""

    def ask(number: int, frame: Any) -> None:
        if progress.interrupted:
            os._exit(130)
        progress.interrupted = True
        say("Stopping at the end of this step, with a checkpoint. Once more to leave at once.")

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def write_state(out: Path, values: dict[str, Any]) -> None:
    """Keep what is known of a training in ``training.json``."""
    with atomic_file(out / STATE_FILE) as file:
        file.write(json.dumps(values, indent=2, default=str).encode())


def to_state(result: TrainResult) -> dict[str, Any]:
    """The result as JSON-able values."""
    return {**asdict(result), "adapter": str(result.adapter)}
