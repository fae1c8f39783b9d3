"""Where packaged models are found, and that what they hold is compared before it is used."""

import hashlib
import importlib.util
import sys
from pathlib import Path

import pytest

from routenator.engine.errors import ConfigError, RunError
from routenator.engine.llm.embedded_models import CACHE_VARIABLE, EmbeddedModel, find_model, prepare_model, verify_file

# Looked for, not imported: loading llama.cpp beside pyarrow aborts the process.
pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("xllamacpp") is None,
    reason="the llama.cpp server is not installed: pip install 'routenator[local]'",
)

PARTS = (b"GGUF first ", b"second " * 1000, b"third")
WHOLE = hashlib.sha256(b"".join(PARTS)).hexdigest()
REAL = "qwen2.5-coder-0.5b-instruct"


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three packages with a part each, on the path; importing one is an error."""
    folder = tmp_path / "site"
    for number, part in enumerate(PARTS):
        package = folder / f"fake_model_part{number}"
        (package / "data").mkdir(parents=True)
        (package / "__init__.py").write_text("raise RuntimeError('a model is located, never imported')\n")
        (package / "data" / "part.bin").write_bytes(part)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    importlib.invalidate_caches()
    return folder


def models_of(sha256: str = WHOLE, parts: int = len(PARTS)) -> dict[str, EmbeddedModel]:
    places = tuple((f"fake_model_part{number}", "data/part.bin") for number in range(parts))
    return {"fake": EmbeddedModel(places, sha256, sha256, "pip install fake-model", 1)}


def test_a_model_in_parts_is_joined_in_order_and_verified(packages: Path) -> None:
    served = prepare_model("fake", models_of())
    assert served.read_bytes() == b"".join(PARTS)
    assert verify_file(served, WHOLE)
    assert [path.name for path in served.parent.iterdir()] == [f"fake-{WHOLE[:12]}.gguf"]
    assert not any(name.startswith("fake_model") for name in sys.modules)


def test_a_prepared_model_is_used_again_and_a_damaged_one_is_written_anew(packages: Path) -> None:
    served = prepare_model("fake", models_of())
    before = served.stat().st_mtime_ns
    assert prepare_model("fake", models_of()).stat().st_mtime_ns == before
    served.write_bytes(b"damaged")
    assert prepare_model("fake", models_of()).read_bytes() == b"".join(PARTS)


@pytest.mark.parametrize("change", ["content", "order"])
def test_parts_that_are_not_the_known_ones_are_one_error_that_says_how_to_mend_it(packages: Path, change: str) -> None:
    first, second = (packages / f"fake_model_part{number}" / "data" / "part.bin" for number in (0, 1))
    if change == "content":
        second.write_bytes(b"something else")
    else:
        first.write_bytes(PARTS[1])
        second.write_bytes(PARTS[0])
    with pytest.raises(RunError, match=f"is not the file that this version knows .SHA-256 {WHOLE[:12]}") as caught:
        prepare_model("fake", models_of())
    assert caught.value.hint == "Install it anew: pip install fake-model --force-reinstall"
    assert not list((packages.parent / "cache").rglob("*.gguf"))


def test_a_missing_part_is_said_with_the_command_that_installs_it(packages: Path) -> None:
    with pytest.raises(RunError, match="The embedded model fake is not installed") as caught:
        find_model("fake", models_of(parts=4))
    assert caught.value.hint == "Install it with: pip install fake-model"
    with pytest.raises(ConfigError, match="no embedded model is called 'other'"):
        find_model("other", models_of())


@pytest.mark.model
def test_the_real_model_in_parts_is_prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    try:
        model, parts = find_model(REAL)
    except RunError as error:
        pytest.skip(f"{error} {error.hint}")
    served = prepare_model(REAL)
    assert served.stat().st_size == sum(part.stat().st_size for part in parts)
    assert len(parts) == len(model.parts) == 6
    with served.open("rb") as file:
        assert file.read(4) == b"GGUF"
