import pytest
from fakes.tiny_training import write_checkpoint

from routenator.engine.errors import InputError
from routenator.engine.training.base_model import load_base, resolve_checkpoint
from routenator.engine.training.settings import TrainSettings


def test_a_folder_that_holds_no_model_is_refused(tmp_path):
    with pytest.raises(InputError, match="is no checkpoint"):
        resolve_checkpoint(str(tmp_path))


def test_gradients_flow_through_the_base_as_before_after_a_look_at_validation_rows(tmp_path):
    reason = "training needs torch and bitsandbytes: just test-train"
    torch = pytest.importorskip("torch", reason=reason)
    pytest.importorskip("bitsandbytes", reason=reason)
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
