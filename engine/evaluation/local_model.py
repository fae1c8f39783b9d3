"""A checkpoint or an adapter on this machine, asked by greedy decoding in batches."""

from __future__ import annotations

import asyncio
import hashlib
import importlib.util
import json
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from pydantic import ValidationError

from routenator.engine.errors import Fault, InputError, RunError
from routenator.engine.evaluation.golden import GoldenRow
from routenator.engine.evaluation.predictions import MAX_NEW_TOKENS, Prediction
from routenator.engine.training.base_model import (
    cannot_load,
    load_tokenizer,
    load_trained_base,
    prepare_libraries,
    resolve_checkpoint,
)
from routenator.engine.training.prompts import CallPrompter
from routenator.engine.training.settings import ToolsInPrompt, TrainSettings
from routenator.engine.training.trainer import ADAPTER, STATE_FILE


class LocalModel:
    """A model in this process; see `routenator.engine.evaluation.predictions.Predictor`."""

    def __init__(
        self, name: str, model: Any, tokenizer: Any, prompter: CallPrompter, identity: dict[str, Any], batch_size: int
    ) -> None:
        self.name = name
        self.identity = identity
        self.stopping = False
        """Set it to end after the batch that is being answered."""
        self._model = model
        self._tokenizer = tokenizer
        self._prompter = prompter
        self._batch_size = batch_size

    @classmethod
    def load(
        cls, path: str, tools: Sequence[Mapping[str, Any]], tools_in_prompt: ToolsInPrompt | None, batch_size: int
    ) -> Self:
        """Load a checkpoint, or an adapter with its base.

        Args:
            path: Folder of an adapter or of a checkpoint, a hub id, or the name of an embedded model.
            tools: What it may call.
            tools_in_prompt: How the prompt speaks of them; ``None``: as the adapter was trained, else by schemas.
            batch_size: Rows that are answered together.

        Raises:
            InputError: Nothing there can be loaded.
            RunError: A package is missing.
        """
        _require_packages()
        prepare_libraries()
        import torch
        from transformers import AutoModelForCausalLM

        device = "cuda" if torch.cuda.is_available() else "cpu"
        dtype = "bfloat16" if device == "cuda" else "float32"
        adapter = Path(path) if is_adapter(path) else None
        settings = _read_recipe(adapter) if adapter is not None else None
        checkpoint = resolve_checkpoint(settings.model if settings is not None else path)
        if adapter is None or settings is None:
            try:
                model = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=dtype, device_map={"": device})
            except (OSError, ValueError) as exc:
                raise cannot_load(checkpoint, exc) from None
        else:
            from peft import PeftModel

            base = load_trained_base(checkpoint, settings, dtype, device)
            model = PeftModel.from_pretrained(base, str(adapter)).merge_and_unload()
        model.eval()
        tokenizer = load_tokenizer(str(adapter or checkpoint))  # an adapter has the template that it was trained with
        tokenizer.padding_side = "left"
        style: ToolsInPrompt = tools_in_prompt or (settings.tools_in_prompt if settings is not None else "schemas")
        identity = {
            "model": path,
            "tools_in_prompt": style,
            "weights": _fingerprint(adapter or Path(checkpoint)),
        }
        return cls(name_of(path), model, tokenizer, CallPrompter(tokenizer, tools, style), identity, batch_size)

    async def predict(self, rows: Sequence[GoldenRow]) -> AsyncIterator[Prediction]:
        """Answer every row, until `stopping`; those of like length together, so that little is padded."""
        ordered = sorted(rows, key=lambda row: len(row.query))
        for start in range(0, len(ordered), self._batch_size):
            if self.stopping:
                return
            for prediction in await asyncio.to_thread(self._answer, ordered[start : start + self._batch_size]):
                yield prediction

    def _answer(self, rows: Sequence[GoldenRow]) -> list[Prediction]:
        import torch

        prompts = [self._prompter.prompt(row.query) for row in rows]
        inputs = self._tokenizer(prompts, add_special_tokens=False, padding=True, return_tensors="pt")
        began = time.monotonic()
        with torch.inference_mode():
            whole = self._model.generate(
                **inputs.to(self._model.device),
                max_new_tokens=MAX_NEW_TOKENS,
                do_sample=False,
                temperature=None,
                top_p=None,
                top_k=None,
                pad_token_id=self._tokenizer.pad_token_id,
            )
        seconds = (time.monotonic() - began) / len(rows)
        answers = whole[:, inputs["input_ids"].shape[1] :]
        stops = self._model.generation_config.eos_token_id  # one, or several as Llama 3.1 has
        ends = {self._tokenizer.eos_token_id, self._tokenizer.pad_token_id}
        ends.update(stops if isinstance(stops, list) else [stops])
        found = []
        for row, answer in zip(rows, answers.tolist(), strict=True):
            length = next((place for place, token in enumerate(answer) if token in ends), len(answer))
            text = self._tokenizer.decode(answer[:length], skip_special_tokens=False)
            found.append(Prediction(row.id, text, None, length, seconds))
        return found


def is_adapter(path: str) -> bool:
    """Whether the folder holds an adapter, which needs its base."""
    return (Path(path) / "adapter_config.json").is_file()


def find_adapter(path: str) -> str:
    """The adapter in a training's folder; any other ``path`` as it stands."""
    folder = Path(path)
    return str(folder / ADAPTER) if (folder / STATE_FILE).is_file() and is_adapter(str(folder / ADAPTER)) else path


def name_of(path: str) -> str:
    """What a model is called in results: ``models/demo/adapter`` is ``demo``."""
    folder = Path(path).resolve()
    return folder.parent.name if folder.name in ("adapter", "merged") else Path(path).name


def _require_packages() -> None:
    missing = [name for name in ("torch", "transformers", "peft") if importlib.util.find_spec(name) is None]
    if missing:
        raise RunError(
            f"evaluating a model on this machine needs {', '.join(missing)}",
            hint="Install it with: pip install 'routenator[train]', in a checkout '.[train]'; "
            "or serve the model and give --endpoints",
        )


def _fingerprint(folder: Path) -> dict[str, str]:
    """Digests of an adapter's weights, sizes and times of a checkpoint's: new weights in an old folder are seen."""
    found = {}
    for file in sorted(folder.glob("*.safetensors")):
        if file.name.startswith("adapter"):
            found[file.name] = hashlib.sha256(file.read_bytes()).hexdigest()
        else:
            about = file.stat()
            found[file.name] = f"{about.st_size} bytes, {about.st_mtime_ns} ns"
    return found


def _read_recipe(adapter: Path) -> TrainSettings:
    try:
        return TrainSettings.model_validate(read_training(adapter).get("settings"))
    except ValidationError:
        what = f"the {STATE_FILE} beside it holds no recipe that this version knows"
        fix = "Give an adapter that this version trained, or merge it into its base and give that checkpoint"
        raise InputError([Fault(str(adapter), what, fix)]) from None


def read_training(adapter: Path) -> dict[str, Any]:
    """What `train` has written beside the adapter.

    Raises:
        InputError: There is no such file.
    """
    file = adapter.parent / STATE_FILE
    try:
        state: dict[str, Any] = json.loads(file.read_bytes())
    except (OSError, ValueError):
        fix = "Give an adapter that `routenator train` wrote, or merge it into its base and give that checkpoint"
        raise InputError([Fault(str(adapter), f"has no {STATE_FILE} beside it", fix)]) from None
    return state
