"""Which prompt serves a slot: overriding, serving, and the weighted draw."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from scipy.stats import chisquare

from routenator.engine.errors import PromptError
from routenator.engine.prompting.library import PromptLibrary, shipped_prompts
from routenator.engine.sample import Stratum, derive_seed

WritePrompt = Callable[..., Path]
NODE_TYPES = ("UserIntent", "DesignType", "SceneObject", "Action")


def load(*folders: Path) -> PromptLibrary:
    return PromptLibrary.load(folders, NODE_TYPES)


def test_later_folder_replaces_a_prompt_of_the_same_name_and_adds_others(
    tmp_path: Path, write_prompt: WritePrompt
) -> None:
    write_prompt("base/text/plain.md", front="description: Shipped.")
    write_prompt("base/text/other.md")
    write_prompt("pack/text/plain.md", front="description: The pack's.")
    library = load(tmp_path / "base", tmp_path / "pack", tmp_path / "none")
    assert sorted(library.prompts) == ["text/other", "text/plain"]
    assert library.template("text/plain").meta.description == "The pack's."


def test_weight_0_switches_a_prompt_off(tmp_path: Path, write_prompt: WritePrompt, stratum: Stratum) -> None:
    write_prompt("text/on.md")
    write_prompt("text/off.md", front="weight: 0")
    library = load(tmp_path)
    assert [prompt.name for prompt in library.serving(stratum)] == ["text/on"]
    assert {library.choose(stratum, seed).name for seed in range(50)} == {"text/on"}  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("front", "other"),
    [
        ("functions: [search]", {"function": "generate"}),
        ("categories: [icon, font]", {"category": "image"}),
        ("languages: [en]", {"language": "de"}),
        ("phrasings: [fragment]", {"phrasing": "question"}),
        ("lengths: [4-6]", {"length": "1-3"}),
        ("weight: 1", {"route": "vision"}),
    ],
)
def test_prompt_serves_only_what_its_front_matter_names(
    tmp_path: Path, write_prompt: WritePrompt, stratum: Stratum, front: str, other: dict[str, str]
) -> None:
    write_prompt("text/a.md", front=front)
    library = load(tmp_path)
    assert [prompt.name for prompt in library.serving(stratum)] == ["text/a"]
    assert library.serving(replace(stratum, **other)) == []
    assert library.choose(replace(stratum, **other), 1) is None


def test_draw_follows_the_weights_and_the_seed(tmp_path: Path, write_prompt: WritePrompt, stratum: Stratum) -> None:
    weights = {"text/a": 1.0, "text/b": 0.25, "text/c": 3.0}
    for name, weight in weights.items():
        write_prompt(f"{name}.md", front=f"weight: {weight}")
    library = load(tmp_path)
    seeds = [derive_seed(2026, slot, 0, "route") for slot in range(8_000)]
    names = [library.choose(stratum, seed).name for seed in seeds]  # type: ignore[union-attr]
    again = load(tmp_path)
    assert names == [again.choose(stratum, seed).name for seed in seeds]  # type: ignore[union-attr]
    counts = Counter(names)
    expected = [len(seeds) * weight / sum(weights.values()) for weight in weights.values()]
    assert chisquare([counts[name] for name in weights], expected).pvalue > 0.001


def test_extreme_seeds_draw_a_prompt(tmp_path: Path, write_prompt: WritePrompt, stratum: Stratum) -> None:
    write_prompt("text/a.md")
    write_prompt("text/b.md", front="weight: 0.1")
    library = load(tmp_path)
    assert library.choose(stratum, 0).name == "text/a"  # type: ignore[union-attr]
    assert library.choose(stratum, 2**63 - 1).name == "text/b"  # type: ignore[union-attr]


def test_faults_of_all_files_are_found_at_once(tmp_path: Path, write_prompt: WritePrompt) -> None:
    write_prompt("text/a.md", front="weigth: 2")
    write_prompt("vision/b.md")  # modality text
    write_prompt("judge/c.md", content="no front matter")
    write_prompt("heuristic/d.yaml", content="rules: {}")
    with pytest.raises(PromptError) as caught:
        load(tmp_path)
    files = {Path(fault.file).relative_to(tmp_path).as_posix() for fault in caught.value.faults}
    assert files == {"text/a.md", "vision/b.md", "judge/c.md", "heuristic/d.yaml"}


def test_template_that_is_not_there_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(PromptError, match="judge/rubric"):
        load(tmp_path).template("judge/rubric")


def test_shipped_prompts_serve_every_route_of_an_english_pack(stratum: Stratum) -> None:
    library = load(shipped_prompts())
    for route in ("heuristic", "text", "vision"):
        for phrasing in ("fragment", "imperative", "question"):
            assert library.serving(replace(stratum, route=route, phrasing=phrasing)), (route, phrasing)
    assert library.template("judge/rubric").meta.temperature == 0
    assert library.template("judge/relabel").meta.temperature == 0
