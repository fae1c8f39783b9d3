"""The loss where there is no GPU: no padding, and logits for the call's tokens only."""

from __future__ import annotations

from typing import Any

_SCALED_LOGITS = ("final_logit_softcapping", "logit_scale", "logits_scaling", "output_multiplier", "lm_head_multiplier")
"""Settings of models whose logits are more than the head's product."""
_ATTENTION = {"full_attention", "sliding_attention", "chunked_attention"}
"""Kinds of layers whose masks keep examples apart."""


def call_loss(model: Any, batch: dict[str, Any]) -> tuple[Any, Any]:
    """Sum of the cross-entropy of the calls' tokens, and their number.

    The examples of a batch stand one behind the other in one row, so that no padding is computed. Positions begin at 0
    in each, by which transformers' masks keep attention inside it.

    Args:
        model: A causal language model of transformers.
        batch: ``input_ids``, ``attention_mask`` and ``labels`` (-100: not learnt), each (examples, longest).

    Returns:
        Nats, float32, and a count; both scalars.
    """
    from torch.nn import functional

    real = batch["attention_mask"].bool()
    positions = (real.cumsum(1) - 1)[real]
    output = model.base_model(input_ids=batch["input_ids"][real][None], position_ids=positions[None], use_cache=False)
    labels = batch["labels"][real][1:]
    learnt = labels != -100
    logits = model.get_output_embeddings()(output.last_hidden_state[0, :-1][learnt]).float()
    return functional.cross_entropy(logits, labels[learnt], reduction="sum"), learnt.sum()


def make_trainer_class(on_cpu: bool) -> type[Any]:
    """TRL's SFT trainer; on a CPU with another way to the same loss.

    TRL leaves out padding only with flash attention, which needs a GPU: with batches of 4 a sixth of a step was
    padding. And it projects the call's positions only where Triton is, all of them elsewhere: the vocabulary makes that
    dear, a quarter of a step of SmolLM2-135M.

    Args:
        on_cpu: No GPU is there.
    """
    from trl import SFTTrainer

    if not on_cpu:
        return SFTTrainer  # type: ignore[no-any-return, unused-ignore]

    class CallTrainer(SFTTrainer):  # type: ignore[misc, unused-ignore]
        """Computes no padding, and projects only positions that have a label."""

        def compute_loss(
            self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
        ) -> Any:
            """Cross-entropy of the call's tokens, in nats, float32; the mean over the whole optimizer step."""
            if return_outputs or not hasattr(model, "get_base_model"):  # several processes wrap it
                return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
            causal = model.get_base_model()
            config = causal.config.get_text_config()
            scaled = any(getattr(config, name, None) for name in _SCALED_LOGITS)
            # Layers with a state (Mamba, convolutions) would carry it from one example into the next.
            stateful = not _ATTENTION.issuperset(getattr(config, "layer_types", None) or ())
            if scaled or stateful or not causal._supports_attention_backend:
                return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
            total, count = call_loss(causal, inputs)
            return total / (count if num_items_in_batch is None else num_items_in_batch)

    return CallTrainer
