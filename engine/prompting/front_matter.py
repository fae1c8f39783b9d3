"""Split a prompt file into its YAML front matter and its sections."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from routenator.engine.errors import Fault, PromptError
from routenator.engine.yaml_source import YamlSource, parse_yaml, read_text

ChatRole = Literal["system", "user", "assistant"]
_HEADING = re.compile(r"^## (system|user|assistant)\s*$")


@dataclass(frozen=True, slots=True)
class Section:
    """One chat turn of a prompt file; ``line`` is where its text starts."""

    role: ChatRole
    text: str
    line: int


@dataclass(frozen=True, slots=True)
class PromptFile:
    """A prompt file before its front matter is checked."""

    source: YamlSource
    sections: tuple[Section, ...]


def _is_role(text: str) -> ChatRole:
    return "system" if text == "system" else "user" if text == "user" else "assistant"


def read_prompt_file(path: Path) -> PromptFile:
    """Read ``---`` YAML ``---`` and the ``## system``, ``## user``, ``## assistant`` sections after it.

    Raises:
        PromptError: The file, its YAML or its outline is wrong.
    """
    lines = read_text(path, PromptError).splitlines()
    if not lines or lines[0].strip() != "---":
        raise PromptError(
            [Fault(str(path), "no front matter", "Start the file with a line ---, YAML, and a line ---", 1)]
        )
    end = next((i for i, line in enumerate(lines[1:], start=1) if line.strip() == "---"), None)
    if end is None:
        raise PromptError([Fault(str(path), "the front matter does not end", "Close it with a line ---", 1)])
    source = parse_yaml("\n".join(lines[1:end]), str(path), PromptError, first_line=2)
    sections: list[Section] = []
    heading: tuple[ChatRole, int] | None = None
    body: list[str] = []

    def close_section() -> None:
        if heading is not None:
            sections.append(Section(heading[0], "\n".join(body).strip("\n"), heading[1] + 1))

    for number, line in enumerate(lines[end + 1 :], start=end + 2):
        if match := _HEADING.match(line):
            close_section()
            heading, body = (_is_role(match[1]), number), []
        elif heading is None and line.strip():
            fix = "Put it under `## system`, `## user` or `## assistant`"
            raise PromptError([Fault(str(path), "text before the first section", fix, number)])
        else:
            body.append(line)
    close_section()
    if not sections:
        raise PromptError([Fault(str(path), "no section", "Add at least a line `## user` with text under it", end + 1)])
    return PromptFile(source, tuple(sections))
