"""What a trained adapter is, for whoever finds its folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from routenator.engine.training.settings import TrainSettings


@dataclass(frozen=True, slots=True)
class CardFacts:
    """What the card says.

    Attributes:
        base: The base model as the recipe names it.
        data: Where the rows came from.
        rows_sha256: Digest of the training rows.
        train_rows: Rows that were learnt.
        validation_rows: Rows that chose the step.
        functions: Names of the functions.
        steps: Optimizer steps.
        stopped_early: The validation loss had not fallen for the recipe's patience.
        processes: How many trained together, each on a batch of its own.
        train_seconds: Wall time, over all starts that ended by themselves or were stopped.
        validation_loss: Of the adapter, nats for each token of the call; ``None`` without validation rows.
        versions: Library → version.
    """

    base: str
    data: str
    rows_sha256: str
    train_rows: int
    validation_rows: int
    functions: Sequence[str]
    steps: int
    stopped_early: bool
    processes: int
    train_seconds: float
    validation_loss: float | None
    versions: Mapping[str, str]


def write_card(facts: CardFacts, settings: TrainSettings) -> str:
    """The card in Markdown, with the metadata that model hubs read."""
    loss = "not measured" if facts.validation_loss is None else f"{facts.validation_loss:.4f}"
    base = "" if facts.base.startswith((".", "/", "~")) else f"base_model: {facts.base}\n"
    quantization = "4-bit NF4 with double quantization" if settings.quantization == "nf4" else "none"
    rows: list[tuple[str, Any]] = [
        ("base model", facts.base),
        ("data", facts.data),
        ("SHA-256 of the rows", facts.rows_sha256),
        ("training rows", f"{facts.train_rows:,}"),
        ("validation rows", f"{facts.validation_rows:,}"),
        ("optimizer steps", f"{facts.steps:,}" + (", until the validation loss no longer fell" * facts.stopped_early)),
        ("validation loss", loss),
        ("time", f"{facts.train_seconds / 60:.0f} min"),
        ("quantization", quantization),
        ("LoRA", f"r={settings.lora.rank}, alpha={settings.lora.alpha:g}, dropout={settings.lora.dropout:g}"),
        ("learning rate", f"{settings.learning_rate:g}, cosine"),
        ("examples a step", settings.batch_size * settings.gradient_accumulation * facts.processes),
        ("functions in the prompt", settings.tools_in_prompt),
        ("seed", settings.seed),
        ("versions", ", ".join(f"{name} {version}" for name, version in facts.versions.items())),
    ]
    table = "\n".join(f"| {name} | {value} |" for name, value in rows)
    return (
        f"---\nlibrary_name: peft\n{base}tags: [function-calling, lora, routenator]\n---\n\n"
        f"# A LoRA adapter that calls {len(facts.functions)} functions\n\n"
        f"It turns a query into one call of: {', '.join(facts.functions)}. The loss was taken on the call only.\n\n"
        f"| | |\n|---|---|\n{table}\n\n"
        "The rows are synthetic. What the adapter does on real queries is for `routenator evaluate` to say.\n"
    )
