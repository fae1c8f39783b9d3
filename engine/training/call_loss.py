"""The loss where there is no GPU: logits for the call's tokens only."""

from __future__ import annotations

from typing import Any

_SCALED_LOGITS = ("final_logit_softcapping", "logit_scale", "logits_scaling", "output_multiplier", "lm_head_multiplier")
"""Settings of models whose logits are more than the head's product."""


def make_trainer_class(on_cpu: bool) -> type[Any]:
    """TRL's SFT trainer; on a CPU with another way to the same loss.

    TRL projects the call's positions only where Triton is, and all of them, prompt and padding, elsewhere. Three
    quarters of the positions are of no use, and the vocabulary makes the projection dear: it was a quarter of a step
    of SmolLM2-135M.

    Args:
        on_cpu: No GPU is there.
    """
    from trl import SFTTrainer

    if not on_cpu:
        return SFTTrainer  # type: ignore[no-any-return, unused-ignore]

    class CallTrainer(SFTTrainer):  # type: ignore[misc, unused-ignore]
        """Projects only positions that have a label."""

        def compute_loss(
            self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
        ) -> Any:
            """Cross-entropy of the call's tokens, in nats, float32; the mean over the whole optimizer step."""
            from torch.nn import functional

            config = model.config.get_text_config() if hasattr(model, "config") else None  # several processes wrap it
            if return_outputs or config is None or any(getattr(config, name, None) for name in _SCALED_LOGITS):
                return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
            causal = model.get_base_model()
            rest = {key: value for key, value in inputs.items() if key != "labels"}
            hidden = causal.base_model(**rest, use_cache=False).last_hidden_state[:, :-1]
            labels = inputs["labels"][:, 1:]
            learnt = labels != -100
            logits = causal.get_output_embeddings()(hidden[learnt]).float()
            total = functional.cross_entropy(logits, labels[learnt], reduction="sum")
            return total / (learnt.sum() if num_items_in_batch is None else num_items_in_batch)

    return CallTrainer
