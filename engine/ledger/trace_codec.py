"""A sample's record as bytes and back: shared prompt texts are stored once, the rest is compressed with a dictionary.

A text becomes shared when a second sample holds it, so that the words of one sample never bloat the ``text`` table.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from operator import attrgetter
from typing import Any

import orjson
import zstandard

from routenator.engine.sample import Attempt, Completion, SampleKey, SampleRecord

MIN_SHARED_CHARACTERS = 200
"""Shorter texts stay where they are: the dictionary squeezes them below the cost of a reference."""
DICTIONARY_BYTES = 64 * 1024
COMPRESSION_LEVEL = 3
_REMEMBERED_TEXTS = 4_096
_REFERENCE = "$text"


def dump_json(value: Any) -> bytes:
    """JSON of dataclasses, mappings and sequences; NaN becomes null.

    Lone surrogates, which are not UTF-8, are kept by the ``surrogatepass`` error handler.
    """
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(_plain(value), ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def load_json(data: bytes | str) -> Any:
    """The value that `dump_json` was given."""
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return json.loads(data if isinstance(data, str) else data.decode("utf-8", "surrogatepass"))


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _shallow(kind: type[Any]) -> Callable[[Any], dict[str, Any]]:
    """Field name → value of a dataclass, one level deep; several times as fast as ``dataclasses.replace``."""
    names = tuple(field.name for field in fields(kind))
    values_of = attrgetter(*names)
    return lambda instance: dict(zip(names, values_of(instance)))  # noqa: B905 - strict costs a third more


_RECORD_FIELDS = _shallow(SampleRecord)
_ATTEMPT_FIELDS = _shallow(Attempt)
_COMPLETION_FIELDS = _shallow(Completion)


@dataclass(frozen=True, slots=True)
class SharedText:
    """A text to be stored before the trace that refers to it by ``id``."""

    id: int
    sha256: bytes
    body: bytes


class TraceEncoder:
    """Turns records into blobs. Lives on the writer's thread.

    Args:
        find_text: SHA-256 of a text → the id under which it is stored, or ``None``. Asked once for each text that
            becomes shared: memory does not grow with the texts of a run.
        next_text_id: Id of the next text to be shared.
        dictionary_id: Id of the dictionary in ``dictionary``; ``None`` before one is trained.
        dictionary: Its bytes.
    """

    def __init__(
        self,
        find_text: Callable[[bytes], int | None],
        next_text_id: int,
        dictionary_id: int | None = None,
        dictionary: bytes | None = None,
    ) -> None:
        self._find_text = find_text
        self._next_id = next_text_id
        self._met_in: dict[str, SampleKey] = {}
        self._known: dict[str, int] = {}
        self._new: dict[bytes, SharedText] = {}
        self.use_dictionary(dictionary_id, dictionary)

    def use_dictionary(self, dictionary_id: int | None, dictionary: bytes | None) -> None:
        """Compress with this dictionary from now on; ``None``: with none."""
        self.dictionary_id = dictionary_id
        if dictionary is None:
            self._compressor = zstandard.ZstdCompressor(level=COMPRESSION_LEVEL)
        else:
            data = zstandard.ZstdCompressionDict(dictionary)
            data.precompute_compress(level=COMPRESSION_LEVEL)
            self._compressor = zstandard.ZstdCompressor(level=COMPRESSION_LEVEL, dict_data=data)

    def encode(self, record: SampleRecord) -> bytes:
        """The record as JSON with shared texts replaced by references, not yet compressed.

        The grounding is left out: it stands in the sample's row.
        """
        trace = _RECORD_FIELDS(record)
        trace["grounding"] = None
        trace["attempts"] = [self._share_in_attempt(attempt, record.key) for attempt in record.attempts]
        return dump_json(trace)

    def compress(self, data: bytes) -> bytes:
        """One zstd frame."""
        return self._compressor.compress(data)

    def take_new_texts(self) -> list[SharedText]:
        """Texts that became shared since the last call; they belong into the same transaction as their traces."""
        new, self._new = self._new, {}
        return list(new.values())

    def _share_in_attempt(self, attempt: Attempt, key: SampleKey) -> dict[str, Any]:
        values = _ATTEMPT_FIELDS(attempt)
        if attempt.completion is not None:
            values["completion"] = self._share(attempt.completion, key)
        values["judge_completions"] = [self._share(completion, key) for completion in attempt.judge_completions]
        return values

    def _share(self, completion: Completion, key: SampleKey) -> dict[str, Any]:
        values = _COMPLETION_FIELDS(completion)
        messages = []
        for message in completion.messages:
            content = message.get("content")
            if isinstance(content, str):
                if len(content) >= MIN_SHARED_CHARACTERS:
                    message = {**message, "content": self._refer(content, key)}
            elif isinstance(content, list | tuple):
                message = {**message, "content": [self._share_part(part, key) for part in content]}
            messages.append(message)
        values["messages"] = messages
        return values

    def _share_part(self, part: Any, key: SampleKey) -> Any:
        text = part.get("text") if isinstance(part, dict) else None
        if isinstance(text, str) and len(text) >= MIN_SHARED_CHARACTERS:
            return {**part, "text": self._refer(text, key)}
        return part

    def _refer(self, text: str, key: SampleKey) -> str | dict[str, int]:
        known = self._known.get(text)
        if known is not None:
            return {_REFERENCE: known}
        if self._met_in.setdefault(text, key) == key:
            _forget_oldest(self._met_in)
            return text
        del self._met_in[text]
        body = text.encode("utf-8", "surrogatepass")
        sha256 = hashlib.sha256(body).digest()
        identifier = self._new[sha256].id if sha256 in self._new else self._find_text(sha256)
        if identifier is None:
            identifier = self._next_id
            self._next_id += 1
            self._new[sha256] = SharedText(identifier, sha256, zstandard.compress(body, COMPRESSION_LEVEL))
        self._known[text] = identifier
        _forget_oldest(self._known)
        return {_REFERENCE: identifier}


def _forget_oldest(texts: dict[str, Any]) -> None:
    if len(texts) > _REMEMBERED_TEXTS:
        del texts[next(iter(texts))]


def train_dictionary(records: Sequence[bytes]) -> bytes | None:
    """A zstd dictionary for records like these, or ``None`` when they are too few or too alike to train one."""
    try:
        return zstandard.train_dictionary(DICTIONARY_BYTES, list(records)).as_bytes()
    except zstandard.ZstdError:
        return None


class TraceDecoder:
    """Turns blobs back into dicts.

    Args:
        load_dictionary: Dictionary id → its bytes.
        load_text: Text id → the stored body.
    """

    def __init__(self, load_dictionary: Callable[[int], bytes], load_text: Callable[[int], bytes]) -> None:
        self._load_dictionary = load_dictionary
        self._load_text = load_text
        self._decompressors: dict[int | None, zstandard.ZstdDecompressor] = {None: zstandard.ZstdDecompressor()}
        self._texts: dict[int, str] = {}

    def decode(self, dictionary_id: int | None, blob: bytes) -> dict[str, Any]:
        """The record as a dict, with every prompt in full.

        Raises:
            ValueError: The blob is damaged.
        """
        if dictionary_id not in self._decompressors:
            assert dictionary_id is not None
            data = zstandard.ZstdCompressionDict(self._load_dictionary(dictionary_id))
            self._decompressors[dictionary_id] = zstandard.ZstdDecompressor(dict_data=data)
        try:
            record: dict[str, Any] = load_json(self._decompressors[dictionary_id].decompress(blob))
        except zstandard.ZstdError as exc:
            raise ValueError(str(exc)) from exc
        for attempt in record["attempts"]:
            for completion in (attempt["completion"], *attempt["judge_completions"]):
                for message in completion["messages"] if completion else ():
                    self._fill(message, "content")
                    for part in message["content"] if isinstance(message.get("content"), list) else ():
                        self._fill(part, "text")
        return record

    def _fill(self, holder: Any, key: str) -> None:
        value = holder.get(key) if isinstance(holder, dict) else None
        if isinstance(value, dict) and _REFERENCE in value:
            holder[key] = self._text(value[_REFERENCE])

    def _text(self, identifier: int) -> str:
        if identifier not in self._texts:
            body = zstandard.decompress(self._load_text(identifier))
            self._texts[identifier] = body.decode("utf-8", "surrogatepass")
        return self._texts[identifier]
