import asyncio
import json

import pytest

from routenator.engine.errors import InputError
from routenator.engine.evaluation.golden import GoldenRow
from routenator.engine.evaluation.local_model import LocalModel, find_adapter, is_adapter, name_of, read_training

TOOLS = [{"type": "function", "function": {"name": "search", "parameters": {"properties": {"text": {}}}}}]
WORDS = ["[UNK]", "<s>", "</s>", *"abcdefghijklmnopqrstuvwxyz{}:,.\"<>?'()_ "]


@pytest.mark.parametrize(
    ("path", "name"),
    [("models/demo/adapter", "demo"), ("models/demo/merged/", "demo"), ("models/other", "other"), ("org/name", "name")],
)
def test_a_model_is_called_by_the_folder_that_tells_it_apart(path, name):
    assert name_of(path) == name


def test_an_adapter_is_told_by_its_config_and_read_with_what_it_was_trained_by(tmp_path):
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    assert not is_adapter(str(adapter))
    (adapter / "adapter_config.json").write_text("{}")
    assert is_adapter(str(adapter))
    with pytest.raises(InputError, match=r"has no training\.json beside it"):
        read_training(adapter)
    (tmp_path / "training.json").write_text(json.dumps({"tools": TOOLS}))
    assert read_training(adapter)["tools"] == TOOLS


@pytest.fixture
def checkpoint(tmp_path):
    """A tiny model with random weights: what it says is noise, how it is asked is real."""
    torch = pytest.importorskip("torch", reason="a model on this machine needs torch: pip install 'routenator[train]'")
    transformers = pytest.importorskip("transformers")
    tokenizers = pytest.importorskip("tokenizers")
    torch.manual_seed(0)
    model = tokenizers.models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]")
    inner = tokenizers.Tokenizer(model)
    inner.pre_tokenizer = tokenizers.pre_tokenizers.Split("", "isolated")
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=inner, bos_token="<s>", eos_token="</s>")
    tokenizer.save_pretrained(tmp_path / "tiny")
    config = transformers.LlamaConfig(
        vocab_size=len(WORDS), hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        max_position_embeddings=1024, bos_token_id=1, eos_token_id=2,
    )  # fmt: skip
    transformers.LlamaForCausalLM(config).save_pretrained(tmp_path / "tiny")
    return tmp_path / "tiny"


def answers_of(checkpoint, rows, batch_size):
    model = LocalModel.load(str(checkpoint), TOOLS, "none", batch_size)

    async def ask():
        return {answer.id: answer.text async for answer in model.predict(rows)}

    return model, asyncio.run(ask())


def test_a_checkpoint_answers_every_row_the_same_in_batches_and_alone(checkpoint):
    rows = [GoldenRow(str(n), "a cat " * (n + 1), None) for n in range(3)]
    model, together = answers_of(checkpoint, rows, 3)
    _, alone = answers_of(checkpoint, rows, 1)
    assert model.name == "tiny"
    assert together == alone
    assert together.keys() == {"0", "1", "2"}


def test_other_weights_in_the_same_folder_are_another_model(checkpoint):
    before, _ = answers_of(checkpoint, [], 1)
    weights = checkpoint / "model.safetensors"
    weights.touch()
    after, _ = answers_of(checkpoint, [], 1)
    assert before.identity != after.identity


def test_a_trainings_folder_stands_for_its_adapter(tmp_path):
    (tmp_path / "adapter").mkdir()
    assert find_adapter(str(tmp_path)) == str(tmp_path)
    (tmp_path / "adapter" / "adapter_config.json").write_text("{}")
    (tmp_path / "training.json").write_text("{}")
    assert find_adapter(str(tmp_path)) == str(tmp_path / "adapter")
    assert find_adapter("smollm2-135m-instruct") == "smollm2-135m-instruct"
