"""What the user configures about training: one YAML file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from routenator.engine.config import Strict
from routenator.engine.errors import ConfigError
from routenator.engine.yaml_source import load_yaml, validate_yaml

ToolsInPrompt = Literal["schemas", "signatures", "none"]


class LoraSettings(Strict):
    """Low-rank adapters on all linear layers.

    Source:
        T. Dettmers et al., QLoRA: Efficient Finetuning of Quantized LLMs, 2023.
    """

    rank: Annotated[int, Field(ge=1, le=1024)] = 16
    """Inner dimension r of each adapter."""
    alpha: Annotated[float, Field(gt=0)] = 32.0
    """Scale: the adapters' sum is multiplied by alpha / rank."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.05


class TrainSettings(Strict):
    """A training recipe. Paths are relative to where the command is given."""

    model: str
    """A checkpoint's folder, a hub id, or the name of an embedded model, whose weights come as a package."""
    tools_in_prompt: ToolsInPrompt = "schemas"
    """What the prompt says of the functions: their JSON schemas, one line for each, or nothing. The more it says, the
    longer every example; a model that always serves the same functions can learn them."""
    quantization: Literal["nf4", "none"] = "nf4"
    """``nf4``: 4-bit NormalFloat with double quantization, as in the paper. ``none``: plain LoRA."""
    dtype: Literal["bfloat16", "float32"] = "bfloat16"
    """Computation, and the base weights where they are not quantized."""
    lora: LoraSettings = LoraSettings()
    max_rows: Annotated[int, Field(ge=1)] | None = None
    """Rows to use, validation included, drawn by ``seed``; ``None``: all."""
    epochs: Annotated[float, Field(gt=0, le=100)] = 2.0
    max_steps: Annotated[int, Field(ge=1)] | None = None
    """Optimizer steps; ``None``: as many as ``epochs`` takes."""
    batch_size: Annotated[int, Field(ge=1, le=4096)] = 8
    """Examples of one forward pass on one device."""
    gradient_accumulation: Annotated[int, Field(ge=1, le=4096)] = 1
    """Forward passes of one optimizer step."""
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 2e-4
    warmup_share: Annotated[float, Field(ge=0, lt=1)] = 0.03
    max_tokens: Annotated[int, Field(ge=16, le=1_000_000)] = 1024
    """Longest example, prompt and call together; longer ones are left out, and how many is said."""
    gradient_checkpointing: bool = False
    """Recompute activations in the backward pass: less memory, about a third more time."""
    validation_share: Annotated[float, Field(ge=0, lt=0.9)] = 0.1
    """Share of the rows that is kept out of training to choose the best step by. 0: no validation, no early stop."""
    max_validation_rows: Annotated[int, Field(ge=1)] = 1000
    """About so many rows at most are kept out, whatever their share: each look at them costs a pass."""
    eval_steps: Annotated[int, Field(ge=1)] = 50
    """Optimizer steps between two looks at the validation rows; a checkpoint is kept at each."""
    patience: Annotated[int, Field(ge=1)] = 3
    """Looks without a lower validation loss before training ends early."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    fsdp: bool = False
    """Shard the model over the GPUs of the machine; started by ``accelerate launch``."""

    def held_out_share(self, rows: int) -> float:
        """Share of ``rows`` rows that is kept out of training."""
        return min(self.validation_share, self.max_validation_rows / max(1, rows))


def load_train_settings(path: Path) -> TrainSettings:
    """Read a training recipe; raise `ConfigError` with every fault."""
    return validate_yaml(TrainSettings, load_yaml(path, ConfigError), ConfigError)
