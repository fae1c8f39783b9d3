"""``content.jsonl``: the items that a walk may be grounded in."""

from __future__ import annotations

import json
import re
from pathlib import Path

from pydantic import Field, ValidationError

from routenator.engine.config import Strict
from routenator.engine.display import show
from routenator.engine.domain.images import check_image
from routenator.engine.domain.json_source import refuse_constant, refuse_duplicate_keys
from routenator.engine.domain.pack import ContentItem, DomainSpec
from routenator.engine.domain.pack_paths import check_pack_path
from routenator.engine.domain.text_rules import NODE_ID, find_text_problem
from routenator.engine.errors import DomainError, Fault, ImageError
from routenator.engine.yaml_source import YamlSource, collect_faults, read_text

MAX_JSONL_BYTES = 500_000_000

_LOCALE = re.compile(r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$")


class ContentLine(Strict):
    """One line as the pack writes it."""

    id: str
    title: str
    keywords: tuple[str, ...]
    type: str
    image: str | None = None
    locale: str = Field(default="en-US", pattern=_LOCALE.pattern)
    is_animated: bool = False
    is_ai_generated: bool = False


def read_content(path: Path, root: Path, spec: DomainSpec | None, faults: list[Fault]) -> tuple[ContentItem, ...]:
    """Read the items and check their images; every fault goes to ``faults``.

    Args:
        path: Of ``content.jsonl``.
        root: The pack's folder, which images must not leave.
        spec: For the categories; ``None`` when ``domain.yaml`` is faulty: types are not checked.
        faults: Receives what is wrong.
    """
    file = str(path)
    try:
        text = read_text(path, DomainError, MAX_JSONL_BYTES)
    except DomainError as exc:
        faults.extend(exc.faults)
        return ()
    items: list[ContentItem] = []
    first_lines: dict[str, int] = {}
    checked_images: dict[str, str | None] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        item = _parse_line(file, number, line, faults)
        if item is None:
            continue
        if item.id in first_lines:
            message = f"item {show(item.id)!r} is given twice (first on line {first_lines[item.id]})"
            faults.append(Fault(file, message, "Rename or remove one of them", number, "id"))
        first_lines.setdefault(item.id, number)
        if spec is not None and item.type not in spec.categories:
            fix = f"Use one of {', '.join(spec.categories)}"
            faults.append(Fault(file, f"{show(item.type)!r} is not a category of domain.yaml", fix, number, "type"))
        if item.image is not None:
            if item.image not in checked_images:
                checked_images[item.image] = _find_image_problem(root, item.image)
            if problem := checked_images[item.image]:
                fix = "Give the path of a PNG, JPEG, WebP or GIF file inside the pack, or leave image out"
                faults.append(Fault(file, f"{show(item.image)!r}: {problem}", fix, number, "image"))
        items.append(item)
    return tuple(items)


def _parse_line(file: str, number: int, text: str, faults: list[Fault]) -> ContentItem | None:
    try:
        data = json.loads(text, object_pairs_hook=refuse_duplicate_keys, parse_constant=refuse_constant)
    except (ValueError, RecursionError) as exc:
        reason = exc.msg if isinstance(exc, json.JSONDecodeError) else str(exc)
        faults.append(Fault(file, f"not valid JSON: {reason}", "Write one JSON object on each line", number))
        return None
    source = YamlSource(file, data, {(): number})
    if not isinstance(data, dict):
        faults.append(source.fault((), "the line is not a JSON object", "Write one JSON object on each line"))
        return None
    try:
        line = ContentLine.model_validate(data)
    except ValidationError as exc:
        faults.extend(collect_faults(source, exc))
        return None
    if not NODE_ID.match(line.id):
        fix = "Use letters, digits, _ . : / and -, at most 128, starting with a letter, a digit or _"
        faults.append(source.fault(("id",), f"{show(line.id)!r} is not an item id", fix))
    if problem := find_text_problem(line.title):
        faults.append(source.fault(("title",), f"the title {problem}", "Write a short title"))
    for i, keyword in enumerate(line.keywords):
        if problem := find_text_problem(keyword):
            faults.append(source.fault(("keywords", i), f"the keyword {problem}", "Correct it, or remove it"))
    return ContentItem(
        line.id, line.title, line.keywords, line.type, line.image, line.locale, line.is_animated, line.is_ai_generated
    )


def _find_image_problem(root: Path, image: str) -> str | None:
    try:
        check_image(check_pack_path(root, image))
    except ValueError as exc:
        return str(exc)
    except ImageError as exc:
        return exc.what
    return None
