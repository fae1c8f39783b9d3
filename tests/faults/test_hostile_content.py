"""Replies and images that are made to harm whoever reads them."""

import json
import struct
import zlib
from itertools import cycle

import pytest
from fakes.endpoint import FakeEndpoint, Reply, serve_in_thread
from fakes.writer import Writer, facts_of

from routenator.engine.display import has_unsafe_characters
from routenator.engine.ledger.reader import LedgerReader
from routenator.engine.sample import SampleKey

WRITER = Writer()
HOSTILE = "cat\x00 \x1b[2K\x1b]52;c;ZXZpbA==\x07 \u202epng.exe\u2066 <img src=x onerror=alert(1)> picture"
ONE_TRY = {"max_attempts": 1, "max_regrounds": 0}
TEXT_ONLY = {"route": {"text": 1.0}}


def assert_harmless(text):
    """No control character but the end of a line, no bidirectional control: neither ESC nor what it begins."""
    assert not has_unsafe_characters(text.replace("\n", " ")), [c for c in text if has_unsafe_characters(c)][:5]


def assert_shown_harmlessly(files, *ended):
    commands = [("traces", "list"), ("report",), ("status",)]
    commands += [("traces", "show", str(slot)) for slot in range(files.recipe["rows"])]
    for result in (*ended, *(files.run(*command) for command in commands)):
        assert_harmless(result.out)
        assert_harmless(result.err)
    html = (files.run_dir / "report.html").read_text("utf-8")
    assert "<img src=x" not in html
    assert_harmless(html.replace("\t", " "))
    for result in (files.run("traces", "show", "0", "--json"), files.run("report", "--json")):
        assert "\x1b" not in result.out
        json.loads(result.out)


@pytest.mark.fault(24)
def test_control_characters_of_a_reply_are_kept_and_shown_escaped(run_files):
    def answer(body):
        return Reply.json({"query": HOSTILE}) if facts_of(body) else WRITER.answer(body)

    with serve_in_thread(FakeEndpoint(answer=answer, vision=True)) as fake:
        files = run_files(fake.base_url, recipe={"rows": 3, "max_rounds": 0, "critique": ONE_TRY}, targets=TEXT_ONLY)
        ended = files.run()
        assert ended.code == 1
        preview = files.run("preview", "-n", "1")
    with LedgerReader(files.run_dir) as reader:
        trace = reader.trace(SampleKey(0))
    assert trace["attempts"][0]["candidate"]["query"] == HOSTILE
    assert files.query("SELECT DISTINCT verdict FROM sample") == [("rejected",)]
    assert_shown_harmlessly(files, ended, preview)


@pytest.mark.fault(24)
def test_half_a_surrogate_pair_in_a_reply_is_a_parse_error_and_harms_nothing(run_files):
    def answer(body):
        if facts_of(body) is None:
            return WRITER.answer(body)
        return Reply.text('{"query": "cat \\ud83d picture"}') if body["seed"] % 2 else Reply.text("\ud83d")

    with serve_in_thread(FakeEndpoint(answer=answer, vision=True)) as fake:
        endpoint = {"structured_output": "json_schema"}
        recipe = {"rows": 4, "max_rounds": 0, "critique": ONE_TRY}
        files = run_files(fake.base_url, endpoint, recipe=recipe, targets=TEXT_ONLY)
        ended = files.run()
    assert ended.code == 1
    assert files.query("SELECT DISTINCT error_class FROM sample") == [("parse",)]
    assert_shown_harmlessly(files, ended)


@pytest.mark.fault(24)
def test_a_servers_hostile_words_are_shown_escaped(run_files):
    def answer(body):
        return Reply.status(400, HOSTILE) if facts_of(body) else WRITER.answer(body)

    with serve_in_thread(FakeEndpoint(answer=answer, vision=True)) as fake:
        files = run_files(fake.base_url, recipe={"rows": 30, "max_rounds": 0}, targets=TEXT_ONLY)
        ended = files.run()
        assert ended.code == 3
        files.recipe["rows"] = 2
        listed = files.run("traces", "list"), files.run("traces", "show", "0"), files.run("report")
    for result in (ended, *listed):
        assert_harmless(result.out + result.err)


TURNED = "\u202epng.exe\u2066 <img src=x onerror=alert(1)>"


@pytest.mark.fault(24)
@pytest.mark.parametrize("words", ["\x1b]52;c;ZXZpbA==\x07", TURNED], ids=["control", "bidi"])
@pytest.mark.parametrize("place", ["title", "label"])
def test_what_a_pack_wrote_is_refused_if_it_controls_a_terminal_and_escaped_if_it_turns_text_round(
    run_files, place, words
):
    with serve_in_thread(FakeEndpoint(answer=WRITER.answer, vision=True)) as fake:
        files = run_files(fake.base_url, recipe={"rows": 6, "max_rounds": 0})
        if place == "title":
            path = files.pack / "content.jsonl"
            items = [json.loads(line) | {"title": f"Cat {words}"} for line in path.read_text("utf-8").splitlines()]
            path.write_text("".join(f"{json.dumps(item)}\n" for item in items), "utf-8")
        else:
            path = files.pack / "graph" / "nodes.csv"
            path.write_text(path.read_text("utf-8").replace("UserIntent,", f"UserIntent,{words}"), "utf-8")
        ended, preview = files.run(), files.run("preview", "-n", "3")
    assert_harmless(ended.out + ended.err + preview.out + preview.err)
    if words != TURNED:
        assert ended.code == 2
        assert f"{path.name}:" in ended.err and "control character" in ended.err
        return
    assert ended.code in (0, 1), ended.err
    assert_shown_harmlessly(files, ended, preview)
    shown = "".join(files.run("traces", "show", str(slot)).out for slot in range(6))
    assert "\\u202epng.exe" in shown


def make_bomb():
    """A PNG of 60,000 × 60,000 pixels in a few kilobytes."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 1, 0, 0, 0, 0)
    pixels = zlib.compress(bytes(1_000_000), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


@pytest.mark.fault(25)
def test_images_that_break_after_validation_fail_their_rows_and_nothing_else(run_files):
    noise = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
    faults = {"bomb": make_bomb(), "zero": b"", "noise": noise, "gone": None, "text": b"not an image"}
    broken = []

    def break_images():
        for image, content in zip(sorted((files.pack / "images").iterdir()), cycle(faults.values()), strict=False):
            image.unlink()
            if content is not None:
                image.write_bytes(content)
            broken.append(image.name)

    def answer(body):
        if not broken and facts_of(body):
            break_images()
        return WRITER.answer(body)

    with serve_in_thread(FakeEndpoint(answer=answer, vision=True)) as fake:
        # One at a time: at most one image is read before all are broken.
        recipe = {"rows": 40, "max_rounds": 0, "max_in_flight": 1}
        files = run_files(fake.base_url, recipe=recipe, targets={"route": {"text": 0.3, "vision": 0.7}})
        ended = files.run()
    assert ended.code == 1, ended.err
    assert len(broken) == 8
    found = dict(files.query("SELECT error_class, count(*) FROM sample WHERE route = 'vision' GROUP BY 1"))
    assert found["image"] >= 27
    assert files.query("SELECT count(*) FROM sample WHERE route = 'text' AND verdict = 'accepted'") == [(12,)]
    words = {error for (error,) in files.query("SELECT DISTINCT error FROM sample WHERE error_class = 'image'")}
    for reason in ("too many pixels", "empty", "cannot be decoded"):
        assert any(reason in each for each in words), words
    assert "missing" in ended.out
