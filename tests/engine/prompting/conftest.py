"""Prompt files written into a folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from routenator.engine.sample import Stratum

TEXT = """\
---
modality: text
{front}
schema:
  type: object
  properties: {{query: {{type: string}}}}
  required: [query]
---
## user
{{{{ function }}}}
"""


@pytest.fixture
def write_prompt(tmp_path: Path) -> Callable[..., Path]:
    """Write a file below the folder of the test; without ``content``, a sound text template with ``front`` matter."""

    def write(name: str, content: str | None = None, front: str = "description: A test.") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(TEXT.format(front=front) if content is None else content)
        return path

    return write


@pytest.fixture
def stratum() -> Stratum:
    return Stratum("text", "search", "icon", length="4-6", phrasing="fragment", keyword_position="end")
