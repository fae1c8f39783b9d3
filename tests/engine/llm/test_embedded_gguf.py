from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routenator.engine.llm.embedded_gguf import Q4_1_BLOCK, requantize_blocks, rewrite_as_q8_0


@settings(max_examples=50)
@given(st.integers(0, 2**32 - 1), st.integers(-14, 2), st.integers(-14, 2))
def test_requantized_weights_are_within_half_a_level(seed: int, scale_exponent: int, minimum_exponent: int) -> None:
    nibbles = np.random.default_rng(seed).integers(0, 256, (3, 16), dtype=np.uint8)
    scale, minimum = 1.5 * 2.0**scale_exponent, -1.25 * 2.0**minimum_exponent
    blocks = np.empty(3, Q4_1_BLOCK)
    blocks["scale"], blocks["minimum"], blocks["nibbles"] = scale, minimum, nibbles
    # Written out from the format's definition: weight i is in the low half of byte i, weight i + 16 in the high half.
    before = [[(row[i % 16] >> (4 * (i // 16)) & 15) * scale + minimum for i in range(32)] for row in nibbles.tolist()]
    rewritten = requantize_blocks(blocks)
    after = rewritten["weights"].astype(np.float64) * rewritten["scale"].astype(np.float64)[:, None]
    largest = np.abs(before).max(axis=1, keepdims=True)
    # Half a level, and the rounding of the scale itself to 11 bits (or to its smallest step).
    assert (np.abs(after - before) <= largest * (0.5 / 127 + 2**-11) + 127 * 2**-25 + 1e-9).all()


def test_a_file_of_another_format_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    source = tmp_path / "model.gguf"
    source.write_bytes(b"GGUF" + (2).to_bytes(4, "little") + bytes(64))
    with pytest.raises(ValueError, match="version 3"):
        rewrite_as_q8_0(source, tmp_path / "out.gguf")
    assert not (tmp_path / "out.gguf").exists()
