import pytest
from fakes.tiny_training import write_checkpoint

from routenator.engine.training.base_model import load_base
from routenator.engine.training.call_loss import call_loss
from routenator.engine.training.settings import TrainSettings

torch = pytest.importorskip("torch", reason="training needs torch and bitsandbytes: just test-train")

EXAMPLES = [
    ([3, 4, 5, 6, 7, 8], [-100, -100, 5, 6, 7, 8]),
    ([9, 8, 7], [-100, 8, 7]),
    ([6, 5, 4, 3], [-100, -100, -100, 3]),
]


def test_examples_side_by_side_are_learnt_as_each_alone(tmp_path):
    checkpoint = str(write_checkpoint(tmp_path / "tiny", width=64))
    model = load_base(checkpoint, TrainSettings(model=checkpoint, quantization="none", dtype="float32"))
    longest = max(len(ids) for ids, _ in EXAMPLES)
    batch = {
        "input_ids": torch.tensor([ids + [0] * (longest - len(ids)) for ids, _ in EXAMPLES]),
        "attention_mask": torch.tensor([[1] * len(ids) + [0] * (longest - len(ids)) for ids, _ in EXAMPLES]),
        "labels": torch.tensor([labels + [-100] * (longest - len(labels)) for _, labels in EXAMPLES]),
    }
    together, count = call_loss(model, batch)
    one_by_one = sum(
        model(input_ids=torch.tensor([ids]), labels=torch.tensor([labels])).loss
        * sum(label != -100 for label in labels)
        for ids, labels in EXAMPLES
    )
    assert count == 7
    assert torch.allclose(together, one_by_one, atol=1e-5)

    parameters = [weight for weight in model.parameters() if weight.requires_grad]
    for ours, theirs in zip(
        torch.autograd.grad(together, parameters), torch.autograd.grad(one_by_one, parameters), strict=True
    ):
        assert torch.allclose(ours, theirs, atol=1e-5)
