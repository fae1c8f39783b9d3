"""What a generation node sends, what it keeps for the trace, and what it makes of the answer."""

from __future__ import annotations

import base64
import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from fakes.bench import (
    BAD,
    HEURISTIC,
    TEXT,
    TINY,
    VISION,
    answer_in_turn,
    answer_well,
    dump,
    good_query,
    open_bench,
    words_of,
)
from fakes.endpoint import Reply, sees_image

from routenator.engine.domain.loading import load_pack
from routenator.engine.domain.pack import DomainPack
from routenator.engine.nodes.attempting import fits_stratum
from routenator.engine.sample import ANY

CANARY = "sk-canary-0123456789abcdef"


def load_copy(folder: Path) -> DomainPack:
    """The tiny pack in a folder of its own, loaded: what is changed afterwards was sound when it was checked."""
    shutil.copytree(TINY, folder / "pack")
    return load_pack(folder / "pack")


async def test_reasons_of_the_critique_are_in_the_next_request(cache: Path) -> None:
    async with open_bench(cache, TEXT, answer_in_turn(BAD, answer_well)) as bench:
        record = await bench.run()
    first, second = (words_of(request.body) for request in bench.writer.requests)
    critique = record.attempts[0].critique
    assert critique is not None
    assert critique.findings[0].message.rstrip(".") in second
    assert critique.findings[0].message.rstrip(".") not in first


async def test_few_shot_turns_are_sent_and_the_seed_is_the_attempts(cache: Path) -> None:
    async with open_bench(cache, TEXT) as bench:
        record = await bench.run()
    body = bench.writer.requests[0].body
    assert [message["role"] for message in body["messages"]] == ["system", *["user", "assistant"] * 4, "user"]
    assert body["seed"] == record.attempts[0].seed % 2**31
    assert body["response_format"]["json_schema"]["schema"]["required"] == ["query"]


async def test_trace_holds_what_was_sent_and_what_came(cache: Path) -> None:
    async with open_bench(cache, TEXT) as bench:
        record = await bench.run()
    completion = record.attempts[0].completion
    assert completion is not None
    assert list(completion.messages) == bench.writer.requests[0].body["messages"]
    assert record.candidate is not None
    assert completion.text == f'{{"query": "{record.candidate.query}"}}'
    assert (completion.prompt_tokens, completion.completion_tokens, completion.endpoint) == (11, 7, "writer")
    assert [request["status"] for request in completion.requests] == [200]


@pytest.mark.parametrize("reply", [Reply.text('{"query": "cut', "length"), Reply.text(" \n" * 500), Reply.text("{no")])
async def test_trace_of_an_unusable_answer_holds_its_text(cache: Path, reply: Reply) -> None:
    async with open_bench(cache, TEXT, reply, max_attempts=1, max_regrounds=0) as bench:
        record = await bench.run()
    completion = record.attempts[0].completion
    assert completion is not None
    assert isinstance(reply.body, dict)
    assert completion.text == reply.body["choices"][0]["message"]["content"]
    assert len(completion.requests) == 1


async def test_free_text_is_cut_out_of_the_query(cache: Path) -> None:
    async with open_bench(cache, TEXT) as bench:
        record = await bench.run()
    assert record.candidate is not None
    words = record.candidate.query.split()
    assert record.candidate.arguments == {"content_type": "icon", "prompt": " ".join(words[:-1])}


async def test_argument_that_the_schema_does_not_allow_is_a_parse_error(cache: Path) -> None:
    answer = answer_in_turn(lambda body: Reply.json({"query": good_query(body), "prompt": "cat"}), answer_well)
    async with open_bench(cache, TEXT, answer) as bench:
        record = await bench.run()
    assert [attempt.error_class for attempt in record.attempts] == ["parse", None]


async def test_image_goes_out_as_data_and_the_trace_names_it(cache: Path) -> None:
    async with open_bench(cache, VISION) as bench:
        record = await bench.run()
    body = bench.writer.requests[0].body
    assert record.grounding is not None and record.grounding.content is not None
    path = record.grounding.content.image
    assert path is not None
    raw = bench.deps.pack.image_path(path).read_bytes()
    part = next(part for part in body["messages"][-1]["content"] if part["type"] == "image_url")
    head, _, data = part["image_url"]["url"].partition(",")
    assert head == "data:image/png;base64"
    assert base64.b64decode(data) == raw
    completion = record.attempts[0].completion
    assert completion is not None
    shown = completion.messages[-1]["content"]
    assert {"type": "image", "path": path, "sha256": hashlib.sha256(raw).hexdigest()} in shown
    stored = dump(record)
    assert data[:60] not in stored
    assert "base64" not in stored
    assert str(bench.deps.pack.root) not in stored


async def test_revision_shows_the_image_again(cache: Path) -> None:
    async with open_bench(cache, VISION, answer_in_turn(BAD, answer_well)) as bench:
        await bench.run()
    assert [sees_image(request.body) for request in bench.writer.requests] == [True, True]


@pytest.mark.parametrize(
    "content", [b"", b"not an image", b"\x89PNG\r\n\x1a\n" + b"\0" * 50, None], ids=["empty", "text", "cut", "gone"]
)
async def test_corrupt_image_ends_that_sample_and_no_other(cache: Path, tmp_path: Path, content: bytes | None) -> None:
    pack = load_copy(tmp_path)
    async with open_bench(cache, VISION, pack=pack) as bench:
        healthy = await bench.run()
        assert healthy.grounding is not None and healthy.grounding.content is not None
        broken = pack.image_path(str(healthy.grounding.content.image))
        if content is None:
            broken.unlink()
        else:
            broken.write_bytes(content)
        records = [await bench.run(slot) for slot in range(12)]
    for record in records:
        assert record.grounding is not None and record.grounding.content is not None
        is_broken = pack.image_path(str(record.grounding.content.image)) == broken
        assert record.verdict == ("failed" if is_broken else "accepted")
        assert record.error_class == ("image" if is_broken else None)
    assert len({record.verdict for record in records}) == 2
    ended = next(record for record in records if record.verdict == "failed")
    assert [attempt.error_class for attempt in ended.attempts] == ["image"]
    assert "generate_vision" in [span.node for span in ended.spans]


async def test_key_is_in_the_request_and_nowhere_in_the_record(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_KEY", CANARY)
    echo = Reply.status(400, f"refused: Bearer {CANARY}")
    for answer in (answer_well, echo):
        async with open_bench(cache, TEXT, answer, api_key_env="BENCH_KEY") as bench:
            record = await bench.run()
        assert bench.writer.requests[0].headers["Authorization"] == f"Bearer {CANARY}"
        assert CANARY not in dump(record)


@pytest.mark.parametrize(
    ("length", "phrasing", "position"),
    [
        ("1-3", "fragment", "start"),
        ("1-3", "fragment", "end"),
        ("1-3", "fragment", "absent"),
        ("4-6", "fragment", "middle"),
        ("4-6", "imperative", "end"),
        ("4-6", "imperative", "absent"),
        ("7-12", "question", "middle"),
    ],
)
async def test_heuristic_writes_what_the_stratum_asks_for(
    cache: Path, length: str, phrasing: str, position: str
) -> None:
    stratum = replace(HEURISTIC, length=length, phrasing=phrasing, keyword_position=position)
    async with open_bench(cache, stratum, max_regrounds=3) as bench:
        records = [await bench.run(slot) for slot in range(6)]
        accepted = [record.candidate for record in records if record.verdict == "accepted"]
        assert len(accepted) >= 4
        for candidate in accepted:
            assert candidate is not None
            assert fits_stratum(bench.deps, stratum, candidate.query)
            named = bool({"icon", "icons", "symbol", "symbols", "pictogram"} & set(candidate.query.strip("?").split()))
            assert named == (position != "absent")


async def test_heuristic_queries_vary_with_the_slot(cache: Path) -> None:
    async with open_bench(cache, replace(HEURISTIC, phrasing=ANY)) as bench:
        records = [await bench.run(slot) for slot in range(20)]
    assert not bench.writer.requests
    assert len({record.candidate.query for record in records if record.candidate}) > 12
