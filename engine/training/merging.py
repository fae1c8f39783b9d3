"""Fold an adapter into its base: a full checkpoint, and a GGUF file of it for llama.cpp."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from routenator.engine.errors import Fault, InputError, TrainingError
from routenator.engine.llm.embedded_models import EMBEDDED_MODELS, prepare_model
from routenator.engine.training.base_model import load_tokenizer, load_trained_base
from routenator.engine.training.settings import TrainSettings

_TEMPLATE = "tokenizer.chat_template"
_GGUF_OF_HF = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
}


def merge_adapter(checkpoint: str, settings: TrainSettings, adapter: Path, folder: Path) -> None:
    """Write the base in float32 with the adapter folded in, and its tokenizer, as a transformers checkpoint.

    The base is the one that the training saw (`load_trained_base`); the sum is not rounded to 4 bits again, which would
    lose part of what was learnt.
    """
    from peft import PeftModel

    base = load_trained_base(checkpoint, settings, "float32", "cpu")
    merged = PeftModel.from_pretrained(base, str(adapter)).merge_and_unload()
    merged.save_pretrained(folder)
    load_tokenizer(str(adapter)).save_pretrained(folder)  # with the chat template of the training


def check_gguf_base(model: str) -> None:
    """Whether `write_gguf` will be able to follow the model's own GGUF file, before anything is trained.

    Raises:
        InputError: The model is no embedded one.
        TrainingError: It is not of the Llama family.
    """
    from gguf import GGUFReader

    if model not in EMBEDDED_MODELS:
        known = ", ".join(EMBEDDED_MODELS)
        fix = "Leave it out, and convert merged/ (--merge) with llama.cpp's convert_hf_to_gguf.py"
        raise InputError([Fault("--gguf", f"is for embedded base models ({known}), and this is {model}", fix)])
    _check_family(GGUFReader(prepare_model(model)))


def _check_family(reader: Any) -> str:
    architecture = str(reader.fields["general.architecture"].contents())
    if architecture != "llama":
        raise TrainingError(
            f"GGUF is written for models of the Llama family, and this one is {architecture}",
            hint="Leave out --gguf, and convert merged/ (--merge) with llama.cpp's convert_hf_to_gguf.py",
        )
    return architecture


def write_gguf(merged: Path, like: Path, file: Path) -> None:
    """Write a merged checkpoint as F16 GGUF, with the metadata and the tensor names of ``like``, and its chat template.

    Not quantized: the base's weights lie on a quantizer's grid, and rounding to it again takes away what was learnt
    (seen with Q8_0: the model called nothing any more).

    For models of the Llama family whose base is there as GGUF: everything but the weights is taken from it.

    Args:
        merged: Folder of the merged checkpoint.
        like: The base model's GGUF file.
        file: Where the new one goes.

    Raises:
        TrainingError: The base is of another family, or has tensors that the checkpoint has not.
    """
    from gguf import GGUFReader, GGUFValueType, GGUFWriter, LlamaFileType

    reader = GGUFReader(like)
    architecture = _check_family(reader)
    weights = _Weights(merged, reader, architecture)
    partial = file.with_suffix(".tmp")
    writer = GGUFWriter(partial, architecture)
    for key, field in reader.fields.items():
        if key.startswith("GGUF.") or key in {
            "general.architecture",
            "general.file_type",
            "general.quantization_version",
            _TEMPLATE,
        }:
            continue
        kind = field.types[0]
        writer.add_key_value(
            key, field.contents(), kind, sub_type=field.types[-1] if kind == GGUFValueType.ARRAY else None
        )
    writer.add_chat_template(load_tokenizer(str(merged)).chat_template)
    writer.add_file_type(LlamaFileType.MOSTLY_F16)
    for tensor in reader.tensors:
        array = weights.of(tensor.name)
        if array.ndim == 1:
            writer.add_tensor(tensor.name, array)
        else:
            writer.add_tensor(tensor.name, array.astype(np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    partial.replace(file)


class _Weights:
    """A checkpoint's weights under GGUF's names; float32."""

    def __init__(self, folder: Path, reader: Any, architecture: str) -> None:
        from safetensors.numpy import load_file

        self._tensors: dict[str, Any] = {}
        for part in sorted(folder.glob("*.safetensors")):
            self._tensors |= load_file(part)
        self._heads = int(reader.fields[f"{architecture}.attention.head_count"].contents())
        self._kv_heads = int(reader.fields[f"{architecture}.attention.head_count_kv"].contents())

    def of(self, name: str) -> NDArray[np.float32]:
        if name == "token_embd.weight":
            return self._take("model.embed_tokens.weight")
        if name == "output_norm.weight":
            return self._take("model.norm.weight")
        if name == "output.weight":
            return self._take("lm_head.weight" if "lm_head.weight" in self._tensors else "model.embed_tokens.weight")
        parts = name.split(".")
        if len(parts) != 4 or parts[2] not in _GGUF_OF_HF:
            raise TrainingError(f"the base model's GGUF has a tensor that is not known: {name}")
        array = self._take(f"model.layers.{parts[1]}.{_GGUF_OF_HF[parts[2]]}.{parts[3]}")
        if parts[2] in ("attn_q", "attn_k"):
            return _interleave(array, self._heads if parts[2] == "attn_q" else self._kv_heads)
        return array

    def _take(self, name: str) -> NDArray[np.float32]:
        if name not in self._tensors:
            raise TrainingError(f"the merged checkpoint has no tensor {name}")
        return np.ascontiguousarray(self._tensors[name], dtype=np.float32)


def _interleave(array: NDArray[np.float32], heads: int) -> NDArray[np.float32]:
    """Rows of a rotary projection in llama.cpp's order: pairs side by side, where transformers keeps halves apart."""
    shape = (heads, 2, array.shape[0] // heads // 2, *array.shape[1:])
    return np.ascontiguousarray(array.reshape(shape).swapaxes(1, 2).reshape(array.shape))
