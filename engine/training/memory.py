"""How much memory training takes, before it begins."""

from __future__ import annotations

import os
from dataclasses import dataclass

from routenator.engine.errors import TrainingError
from routenator.engine.training.processes import local_rank
from routenator.engine.training.settings import TrainSettings

_BYTES = {"float32": 4.0, "bfloat16": 2.0}
_NF4_BYTES = 0.5 + 0.127 / 8
"""A weight in 4 bits, and its share of the doubly quantized scales (QLoRA, section 3: 0.127 bits a parameter)."""
_ADAPTER_BYTES = 4 + 4 + 8
"""An adapter's weight and gradient in float32, and the two moments of AdamW."""
_ACTIVATIONS_OF_A_LAYER = 34
"""Bytes for each token and hidden unit in half precision, without attention scores (Korthikanti et al., Reducing
Activation Recomputation in Large Transformer Models, 2022, equation 1)."""
_RUNTIME_GB = 0.8
"""Libraries and allocator, seen on a CPU."""


@dataclass(frozen=True, slots=True)
class ModelShape:
    """What the estimate is made from.

    Attributes:
        parameters: All weights.
        embedding: Weights of input and output embeddings, which are not quantized.
        adapters: Weights of the adapters.
        layers: Transformer blocks.
        hidden: Width of the residual stream.
        vocabulary: Tokens.
    """

    parameters: int
    embedding: int
    adapters: int
    layers: int
    hidden: int
    vocabulary: int


def estimate_gb(shape: ModelShape, settings: TrainSettings, tokens: int, call_tokens: int, processes: int = 1) -> float:
    """Peak memory of one device in GB: an estimate, within about a third.

    Args:
        shape: The model's.
        settings: The recipe.
        tokens: Longest example, in tokens.
        call_tokens: Longest call: logits are made for these only.
        processes: How many share the model under FSDP. Each loads all of it before it keeps its part.
    """
    width = _BYTES[settings.dtype]
    linear = _NF4_BYTES if settings.quantization == "nf4" else width
    weights = (shape.parameters - shape.embedding) * linear + shape.embedding * width
    adapters = shape.adapters * _ADAPTER_BYTES
    batch_tokens = settings.batch_size * tokens
    whole_layers = 1 if settings.gradient_checkpointing else shape.layers
    kept_inputs = shape.layers if settings.gradient_checkpointing else 0
    activations = batch_tokens * shape.hidden * width * (whole_layers * _ACTIVATIONS_OF_A_LAYER / 2 + kept_inputs)
    logits = settings.batch_size * call_tokens * shape.vocabulary * 4 * 3  # logits, softmax and gradient in float32
    parts = processes if settings.fsdp else 1
    training = (weights + adapters) / parts + activations + logits
    return max(weights, training) / 1e9 + _RUNTIME_GB


def available_gb() -> float:
    """Memory that can still be had on this process's GPU, or on the machine where there is none."""
    import torch

    if torch.cuda.is_available():
        free: int = torch.cuda.mem_get_info(local_rank())[0]
        return free / 1e9
    with open("/proc/meminfo", encoding="ascii") as file:  # noqa: PTH123 - no file of ours
        fields = dict(line.split(":", 1) for line in file)
    return int(fields["MemAvailable"].split()[0]) * 1024 / 1e9 if "MemAvailable" in fields else _physical_gb()


def _physical_gb() -> float:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9


def check_memory(needed_gb: float, free_gb: float) -> None:
    """Refuse what cannot fit.

    Raises:
        TrainingError: It takes more than there is.
    """
    if needed_gb > free_gb:
        raise TrainingError(
            f"training needs about {needed_gb:.1f} GB of memory and {free_gb:.1f} GB are free",
            hint="Lower batch_size (raise gradient_accumulation in turn) or max_tokens, "
            "or set gradient_checkpointing: true or quantization: nf4",
        )
