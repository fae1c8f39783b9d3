"""An ablation's folder: whose it is, who works in it, and how far each step is."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Self

import orjson

from routenator.engine.ablation.steps import Step
from routenator.engine.datasets.atomic_file import atomic_file
from routenator.engine.errors import Fault, InputError, RunError
from routenator.engine.folders import refuse_foreign
from routenator.engine.lock_file import is_alive, read_holder, try_lock

STATE = "ablation.json"
LOCK = "ablation.lock"
_LOOK_EVERY_S = 0.2

Condition = Literal["done", "begun", "changed", "new"]


@dataclass(frozen=True)
class Record:
    """What is known of a step.

    Attributes:
        inputs: What it was begun with: name → digest.
        size: Its work, in the units of its kind.
        seconds: Spent on it, over all starts that ended by themselves.
        starts: How often it was begun; figures of speed are taken from those that were begun once.
        finished: Whether it is done.
        problem: Why it is not, if it failed.
    """

    inputs: Mapping[str, str]
    size: int
    seconds: float = 0.0
    starts: int = 0
    finished: bool = False
    problem: str | None = None


@dataclass
class AblationFolder:
    """Records of all steps, written after each change.

    Attributes:
        path: The folder.
        identity: What makes it this ablation.
        lock: Descriptor of its lock, which every step inherits: an orphan of a killed start keeps the folder shut.
    """

    path: Path
    identity: Mapping[str, str]
    lock: int
    records: dict[str, Record] = field(default_factory=dict)

    @classmethod
    @contextlib.contextmanager
    def open(cls, path: Path, identity: Mapping[str, str], say: Callable[[str], None]) -> Iterator[Self]:
        """Make the folder, or go on with it.

        A step that outlived the kill of an earlier start is waited for: two of it would write the same files.

        Args:
            path: The folder.
            identity: What makes it this ablation, in words.
            say: Takes messages for the person at the terminal.

        Raises:
            InputError: The folder holds something else, or another ablation.
            RunError: Another process works in it.
        """
        records = _check(path, identity)
        path.mkdir(parents=True, exist_ok=True)
        lock = _take_lock(path / LOCK, say)
        try:
            if (path / STATE).exists():
                records = _check(path, identity)  # what the other process has done while we waited
            folder = cls(path, identity, lock, records)
            folder.save()
            yield folder
        finally:
            os.close(lock)

    @classmethod
    def read(cls, path: Path, identity: Mapping[str, str]) -> Self:
        """The records as they stand, without a lock.

        Raises:
            InputError: The folder holds no ablation, or another.
        """
        if not (path / STATE).is_file():
            fix = "Give the folder of one, or leave out --report-only to begin it"
            raise InputError([Fault(str(path), "holds no ablation", fix)])
        return cls(path, identity, -1, _check(path, identity))

    def condition(self, step: Step) -> tuple[Condition, tuple[str, ...]]:
        """How far ``step`` is; where its inputs have changed, which of them."""
        record = self.records.get(step.name)
        if record is None:
            return "new", ()
        names = sorted({*record.inputs, *step.inputs})
        if changed := tuple(name for name in names if record.inputs.get(name) != step.inputs.get(name)):
            return "changed", changed
        return ("done" if record.finished and step.result.is_file() else "begun"), ()

    def begin(self, step: Step) -> None:
        """Record that ``step`` is being worked on; what an earlier start of it has spent is kept."""
        before = self.records.get(step.name)
        if before is None or before.inputs != step.inputs:
            before = Record(dict(step.inputs), step.size)
        self.records[step.name] = replace(before, starts=before.starts + 1, finished=False, problem=None)
        self.save()

    def end(self, step: Step, seconds: float, *, finished: bool, problem: str | None = None) -> None:
        """Record how ``step`` ended after ``seconds``."""
        before = self.records[step.name]
        self.records[step.name] = replace(before, seconds=before.seconds + seconds, finished=finished, problem=problem)
        self.save()

    def save(self) -> None:
        """Write the records."""
        content = {
            "identity": dict(self.identity),
            "steps": {name: asdict(record) for name, record in sorted(self.records.items())},
        }
        with atomic_file(self.path / STATE) as file:
            file.write(orjson.dumps(content, option=orjson.OPT_INDENT_2))


def _check(path: Path, identity: Mapping[str, str]) -> dict[str, Record]:
    """The records in ``path``, if it is empty or holds this ablation."""
    fix = "Give another --out"
    try:
        content: dict[str, Any] = orjson.loads((path / STATE).read_bytes())
        stored = content["identity"]
        records = {name: Record(**record) for name, record in content["steps"].items()}
    except (FileNotFoundError, NotADirectoryError):
        if not path.is_dir() or [item.name for item in path.iterdir()] != [LOCK]:
            refuse_foreign(path, STATE, "an ablation")
        return {}
    except OSError as exc:
        raise InputError([Fault(str(path / STATE), f"cannot be read ({exc.strerror})", fix)]) from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InputError([Fault(str(path / STATE), "is not the state of an ablation", fix)]) from None
    if stored != identity:
        told = ", ".join(f"{name} {value}" for name, value in stored.items() if value != identity.get(name))
        raise InputError([Fault(str(path), f"holds another ablation ({told})", fix)])
    return records


def _take_lock(file: Path, say: Callable[[str], None]) -> int:
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        waiting = False
        while not try_lock(descriptor):
            holder = read_holder(descriptor)
            if holder is not None and is_alive(holder):
                raise RunError(
                    f"process {holder} works on the ablation in {file.parent}",
                    hint="Wait for it, or stop it with Ctrl-C and give the same command again",
                )
            if not waiting:
                say("A step of an earlier start still runs, though that start was killed: waiting for its end …")
                waiting = True
            time.sleep(_LOOK_EVERY_S)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
