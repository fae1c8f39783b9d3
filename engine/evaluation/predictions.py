"""What a model answered to each golden row, kept in a file so that a killed evaluation goes on."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import orjson

from routenator.engine.errors import Fault, InputError
from routenator.engine.evaluation.calls import ParsedReply, parse_reply, read_tool_calls
from routenator.engine.evaluation.golden import GoldenRow

_WORDS = {"golden_sha256": "golden set", "tools_sha256": "functions", "tools_in_prompt": "--tools-in-prompt"}
"""Parts of an identity as people know them; the others are called by their keys."""

MAX_NEW_TOKENS = 256
"""Longest answer that a model is let write."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """One answer.

    Attributes:
        id: Of the golden row.
        text: What the model wrote.
        tool_calls: Calls that the server has read out of it; ``None``: they stand in the text.
        completion_tokens: Tokens of the answer.
        seconds: The answer's share of the time that was spent asking: of a batch on this machine, of the wall clock
            where several are asked at once. Their sum is the time of the evaluation.
        error: Why there is no answer; the row counts as unreadable, and is asked again when the evaluation goes on.
    """

    id: str
    text: str = ""
    tool_calls: list[dict[str, Any]] | None = None
    completion_tokens: int = 0
    seconds: float = 0.0
    error: str | None = None

    def parse(self) -> ParsedReply:
        """The calls of the answer."""
        if self.error is not None:
            return ParsedReply((), False, self.error)
        if self.tool_calls:
            return read_tool_calls({"tool_calls": self.tool_calls})
        return parse_reply(self.text)


class Predictor(Protocol):
    """A model that can be asked.

    Attributes:
        name: For results.
        identity: What the answers depend on; JSON-able. Answers of another identity are not reused.
    """

    name: str
    identity: dict[str, Any]

    def predict(self, rows: Sequence[GoldenRow]) -> AsyncIterator[Prediction]:
        """Answer every row, in any order, as answers come."""
        ...


class PredictionFile:
    """Answers as JSON lines, one header line first.

    Args:
        path: Created when absent.
        identity: Of the model and the golden set; JSON-able. Answers of another identity are refused.

    Raises:
        InputError: The file holds answers of something else, or no answers.
    """

    def __init__(self, path: Path, identity: dict[str, Any]) -> None:
        self.path = path
        self.identity = identity
        self.answers: dict[str, Prediction] = {}
        if path.exists():
            self._read()
        else:
            self._begin()

    def _read(self) -> None:
        identity, answers = read_predictions(self.path)
        self.answers = {name: answer for name, answer in answers.items() if answer.error is None}
        theirs, ours = _essence(identity), _essence(orjson.loads(orjson.dumps(self.identity)))
        if theirs != ours and not self.answers:  # nothing is lost
            self._begin()
            return
        if changed := sorted(key for key in theirs.keys() | ours.keys() if theirs.get(key) != ours.get(key)):
            what = f"holds answers with other {' and '.join(_WORDS.get(key, key) for key in changed)}"
            raise InputError([Fault(str(self.path), what, "Give another --out, or remove it")])
        content = self.path.read_bytes()
        if not content.endswith(b"\n"):  # the last line was cut off by a kill
            os.truncate(self.path, content.rfind(b"\n") + 1)

    def _begin(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_bytes(orjson.dumps({"identity": self.identity}) + b"\n")

    def append(self, predictions: Iterable[Prediction]) -> None:
        """Keep more answers."""
        with self.path.open("ab") as file:
            for prediction in predictions:
                self.answers[prediction.id] = prediction
                file.write(orjson.dumps(asdict(prediction)) + b"\n")


def _essence(identity: dict[str, Any]) -> dict[str, Any]:
    """Where weights have a fingerprint, the model's path says nothing more: the folder may have been moved."""
    return {key: value for key, value in identity.items() if key != "model" or not identity.get("weights")}


def read_predictions(path: Path) -> tuple[Any, dict[str, Prediction]]:
    """Identity and answers by row id; the last answer to a row counts, and a line that a kill has cut off does not.

    Raises:
        InputError: The file cannot be read, or holds no answers.
    """
    fix = "Give the folder of an evaluation, or another --out"
    try:
        content = path.read_bytes()
        header, *lines = content[: content.rfind(b"\n") + 1].splitlines()
        identity = orjson.loads(header)["identity"]
        answers = [Prediction(**orjson.loads(line)) for line in lines]
    except OSError as exc:
        raise InputError([Fault(str(path), f"cannot be read ({exc.strerror})", fix)]) from None
    except (ValueError, TypeError, KeyError):
        raise InputError([Fault(str(path), "is no file of answers", fix)]) from None
    return identity, {answer.id: answer for answer in answers}
