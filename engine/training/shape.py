"""A model's size, read from its configuration without loading its weights."""

from __future__ import annotations

from typing import Any

from routenator.engine.errors import TrainingError
from routenator.engine.training.memory import ModelShape
from routenator.engine.training.settings import TrainSettings


def read_shape(checkpoint: str, settings: TrainSettings) -> ModelShape:
    """Build the model on torch's meta device, which has shapes and no memory, and count.

    Raises:
        TrainingError: The checkpoint's configuration cannot be read, or is of no causal language model.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    try:
        config: Any = AutoConfig.from_pretrained(checkpoint)
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(config)
    except (OSError, ValueError, KeyError) as exc:
        first = str(exc).splitlines()[0] if str(exc) else type(exc).__name__
        raise TrainingError(
            f"{checkpoint} is no causal language model that can be loaded: {first}",
            hint="Give a folder with a transformers checkpoint, or a hub id that this machine can reach",
        ) from None
    parameters = sum(weight.numel() for weight in model.parameters())
    embedding = sum(
        weight.numel() for name, weight in model.named_parameters() if "embed" in name or name.startswith("lm_head")
    )
    linear = [
        module
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and not name.endswith("lm_head")
    ]
    adapters = sum(settings.lora.rank * (module.in_features + module.out_features) for module in linear)
    text = getattr(config, "text_config", config)
    return ModelShape(parameters, embedding, adapters, text.num_hidden_layers, text.hidden_size, int(text.vocab_size))
