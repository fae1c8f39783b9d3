"""Which of several processes this is, as ``accelerate launch`` and ``torchrun`` say it in the environment."""

from __future__ import annotations

import os


def process_count() -> int:
    """How many processes train together; 1 where none was launched."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def local_rank() -> int:
    """Number of this process on its machine, which is the number of its GPU."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def is_first_process() -> bool:
    """Whether this process speaks and writes for all."""
    return int(os.environ.get("RANK", "0")) == 0
