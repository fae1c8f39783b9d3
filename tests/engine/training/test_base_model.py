import pytest
from fakes.tiny_training import write_checkpoint

from routenator.engine.errors import InputError
from routenator.engine.training.base_model import load_base, load_trained_base, resolve_checkpoint
from routenator.engine.training.settings import TrainSettings

NEEDS = "training needs torch and bitsandbytes: just test-train"


def test_a_folder_that_holds_no_model_is_refused(tmp_path):
    with pytest.raises(InputError, match="is no checkpoint"):
        resolve_checkpoint(str(tmp_path))


def test_a_mistyped_path_is_not_looked_for_at_the_hub(tmp_path, monkeypatch):
    (tmp_path / "models").mkdir()
    monkeypatch.chdir(tmp_path)
    assert resolve_checkpoint("org/name") == "org/name"
    with pytest.raises(InputError, match="models/missing is no checkpoint"):
        resolve_checkpoint("models/missing")


def test_an_adapter_is_used_on_the_rounded_weights_that_it_was_learnt_on(tmp_path):
    torch = pytest.importorskip("torch", reason=NEEDS)
    pytest.importorskip("bitsandbytes", reason=NEEDS)
    checkpoint = str(write_checkpoint(tmp_path / "tiny", width=64))
    ids = torch.tensor([[3, 4, 5, 6]])
    logits = {}
    for quantization in ("nf4", "none"):
        settings = TrainSettings(model=checkpoint, quantization=quantization, dtype="float32")
        with torch.no_grad():
            logits[quantization] = load_base(checkpoint, settings).eval()(input_ids=ids).logits
            used = load_trained_base(checkpoint, settings, "float32", "cpu").eval()
        assert {parameter.dtype for parameter in used.parameters()} == {torch.float32}
        with torch.no_grad():
            assert torch.allclose(used(input_ids=ids).logits, logits[quantization], atol=1e-5)
    assert not torch.allclose(logits["nf4"], logits["none"], atol=1e-3)


def test_gradients_flow_through_the_base_as_before_after_a_look_at_validation_rows(tmp_path):
    torch = pytest.importorskip("torch", reason=NEEDS)
    pytest.importorskip("bitsandbytes", reason=NEEDS)
    checkpoint = write_checkpoint(tmp_path / "tiny", width=64)
    model = load_base(str(checkpoint), TrainSettings(model=str(checkpoint), quantization="nf4"))
    ids = torch.tensor([[3, 4, 5, 6]])

    def gradient():
        embedded = model.get_input_embeddings()(ids).detach().requires_grad_()
        model.train()
        model(inputs_embeds=embedded).logits.float().pow(2).sum().backward()
        return embedded.grad

    before = gradient()
    model.eval()
    with torch.no_grad():
        model(input_ids=ids)
    assert torch.equal(gradient(), before)
