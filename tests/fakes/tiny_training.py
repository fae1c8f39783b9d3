"""A checkpoint of a few thousand weights with a tokenizer of letters, and rows to train it on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

WORDS = ["[UNK]", "<s>", "</s>", *"abcdefghijklmnopqrstuvwxyz0123456789{}:,.\"<>?'()_ \n"]
FUNCTIONS = [{"name": "search", "parameters": {"properties": {"text": {"type": "string"}}}}]
RECIPE = {
    "tools_in_prompt": "none", "quantization": "none", "dtype": "float32", "batch_size": 4, "max_tokens": 160,
    "max_steps": 3, "eval_steps": 2, "learning_rate": 0.01,
}  # fmt: skip


def write_checkpoint(folder: Path, width: int = 16) -> Path:
    """One layer of ``width`` hidden units, random weights."""
    import tokenizers
    import torch
    import transformers

    torch.manual_seed(0)
    model = tokenizers.models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]")
    inner = tokenizers.Tokenizer(model)
    inner.pre_tokenizer = tokenizers.pre_tokenizers.Split("", "isolated")
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=inner, bos_token="<s>", eos_token="</s>")
    tokenizer.save_pretrained(folder)
    config = transformers.LlamaConfig(
        vocab_size=len(WORDS), hidden_size=width, intermediate_size=2 * width, num_hidden_layers=1,
        num_attention_heads=2, max_position_embeddings=1024, bos_token_id=1, eos_token_id=2,
    )  # fmt: skip
    transformers.LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def write_files(folder: Path, rows: int = 40, **recipe: Any) -> list[str]:
    """Write recipe, rows and functions; returns the arguments of ``routenator``."""
    lines = [
        json.dumps({"query": f"a cat {number}", "function": "search", "arguments": {"text": f"cat {number}"}})
        for number in range(rows)
    ]
    (folder / "rows.jsonl").write_text("\n".join(lines))
    (folder / "functions.json").write_text(json.dumps(FUNCTIONS))
    (folder / "recipe.yaml").write_text(json.dumps({"model": str(folder / "tiny")} | RECIPE | recipe))
    return [
        "train", str(folder / "recipe.yaml"), "--data", str(folder / "rows.jsonl"), "--out", str(folder / "out"),
        "--functions", str(folder / "functions.json"),
    ]  # fmt: skip


def start(arguments: list[str], launcher: tuple[str, ...] = (sys.executable,), **environment: str) -> Any:
    """The command in a process of its own; standard error as a pipe of text."""
    return subprocess.Popen(
        [*launcher, "-m", "routenator", *arguments],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "COLUMNS": "200"} | environment,
    )


def run(arguments: list[str], **environment: str) -> tuple[int, str, str]:
    """Exit code, standard output, standard error."""
    child = start(arguments, **environment)
    out, err = child.communicate()
    return child.returncode, out, err
