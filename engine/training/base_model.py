"""The model that training begins from: where its checkpoint is, and how it is loaded."""

from __future__ import annotations

import fcntl
import importlib.util
import logging
import os
import shutil
import warnings
from pathlib import Path
from typing import Any

from routenator.engine.errors import Fault, InputError, TrainingError
from routenator.engine.llm.embedded_models import EMBEDDED_MODELS, cache_folder, prepare_model
from routenator.engine.training.processes import local_rank
from routenator.engine.training.settings import TrainSettings

_LOG_LEVEL = "error"
TRAIN_PACKAGES = ("torch", "transformers", "peft", "trl", "accelerate", "datasets")


def require_packages(*names: str) -> None:
    """Say which packages are missing, before anything is loaded.

    Raises:
        TrainingError: With the command that installs them.
    """
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    if missing:
        raise TrainingError(
            f"training needs {', '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not installed",
            hint="Install it with: pip install 'routenator[train]', in a checkout '.[train]' "
            "(on a CPU see docs/training.md)",
        )


def prepare_libraries() -> None:
    """Settings that must stand before the libraries are first imported.

    No progress bars and warnings of theirs: what matters is said by us. Threads sleep while they wait for each other:
    beside other work on the same cores two that spin are slower than one, and two that sleep 1.4 times as fast.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", _LOG_LEVEL)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    warnings.filterwarnings("ignore", module=r"(torch|transformers|trl|peft|bitsandbytes)\b")
    for name in ("torch", "bitsandbytes", "huggingface_hub"):
        logging.getLogger(name).setLevel(logging.ERROR)
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()


def resolve_checkpoint(model: str) -> str:
    """A folder with a transformers checkpoint, or a hub id.

    The name of an embedded model is turned into a checkpoint in the cache, once (about half a minute).

    Raises:
        InputError: A path that is no checkpoint.
        RunError: The embedded model's package is not installed.
    """
    if model in EMBEDDED_MODELS:
        return str(_convert_embedded(model))
    path = Path(model).expanduser()
    if (path / "config.json").is_file():
        return str(path)
    # A hub id looks like a path; where its first part is a folder here, a path was meant.
    if model.startswith((".", "/", "~")) or model.count("/") != 1 or path.exists() or path.parent.exists():
        known = ", ".join(EMBEDDED_MODELS)
        fix = f"Give a folder with a config.json, a hub id such as org/name, or one of: {known}"
        raise InputError([Fault("model", f"{model} is no checkpoint", fix)])
    return model


def _convert_embedded(name: str) -> Path:
    folder = cache_folder() / "checkpoints" / name
    folder.parent.mkdir(exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        # Two first trainings at once, or the processes of one, would write into each other's files.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "config.json").is_file():
            _write_checkpoint(name, folder)
    return folder


def _write_checkpoint(name: str, folder: Path) -> None:
    require_packages("torch", "transformers", "gguf")
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    source = prepare_model(name)
    partial = folder.with_suffix(".tmp")
    shutil.rmtree(partial, ignore_errors=True)  # of one that was killed
    options = {"gguf_file": source.name}
    tokenizer = AutoTokenizer.from_pretrained(source.parent, **options)
    # Without dequantize the model refuses to be saved.
    loaded = AutoModelForCausalLM.from_pretrained(
        source.parent, dtype="float32", quantization_config=GgufConfig(dequantize=True), **options
    )
    loaded.save_pretrained(partial)
    tokenizer.save_pretrained(partial)
    partial.replace(folder)


def load_tokenizer(checkpoint: str) -> Any:
    """The checkpoint's tokenizer, with a padding token.

    Raises:
        TrainingError: It cannot be loaded.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    except (OSError, ValueError) as exc:
        raise cannot_load(checkpoint, exc) from None
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_base(checkpoint: str, settings: TrainSettings) -> Any:
    """The base model, quantized as the settings say, ready for adapters.

    Raises:
        TrainingError: It cannot be loaded.
    """
    import torch
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    dtype = getattr(torch, settings.dtype)
    options: dict[str, Any] = {"dtype": dtype}
    if settings.quantization == "nf4":
        options["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=dtype,
            bnb_4bit_quant_storage=dtype,  # FSDP shards tensors of one type only
        )
    # Each process quantizes on a GPU of its own, also where FSDP takes its share of the weights afterwards.
    options["device_map"] = {"": local_rank() if torch.cuda.is_available() else "cpu"}
    try:
        model = AutoModelForCausalLM.from_pretrained(checkpoint, **options)
    except (OSError, ValueError) as exc:
        raise cannot_load(checkpoint, exc) from None
    model.config.use_cache = False
    _keep_trainable(model)
    return model


def load_trained_base(checkpoint: str, settings: TrainSettings, dtype: str, device: str) -> Any:
    """The base as an adapter's training saw it, in plain weights: what 4 bits made of it is kept, and not its size.

    The adapter was learnt on the rounded weights and makes up for their rounding; on the unrounded ones it answers
    worse. Plain weights are the faster where memory is no matter.

    Args:
        checkpoint: The base model's folder or hub id.
        settings: The adapter's training recipe.
        dtype: Of the weights, such as ``float32``.
        device: Where they go.

    Raises:
        TrainingError: It cannot be loaded.
    """
    import torch

    model = load_base(checkpoint, settings)
    if settings.quantization == "nf4":
        model = model.dequantize(dtype=getattr(torch, dtype))
    model.config.use_cache = True
    return model.to(device=device, dtype=getattr(torch, dtype))


def _keep_trainable(model: Any) -> None:
    """Keep bitsandbytes from repacking 4-bit weights at the first look at validation rows.

    It does so on CPUs with AVX512-BF16, for good, and the kernel that reads the packed form has no backward pass:
    from there on no gradient would go through the base's linear layers, without a word.
    """
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False


def cannot_load(checkpoint: str, exc: Exception) -> TrainingError:
    """What a library's complaint about a checkpoint is to the user: its first line."""
    first = str(exc).splitlines()[0] if str(exc) else type(exc).__name__
    return TrainingError(
        f"{checkpoint} cannot be loaded: {first}",
        hint="Give a folder with a transformers checkpoint, or a hub id that this machine can reach",
    )
