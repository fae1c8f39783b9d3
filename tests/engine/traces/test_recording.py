import asyncio

import orjson
import pytest

from routenator.engine.traces.recording import SpanRecorder


def test_a_span_keeps_what_went_in_and_what_came_out():
    recorder = SpanRecorder()
    with recorder.span("walk", {"seed": 3}) as span:
        span.output = {"nodes": ["a"]}
    (walked,) = recorder.spans
    assert (walked.node, walked.input, walked.output, walked.error) == ("walk", {"seed": 3}, {"nodes": ["a"]}, None)


async def test_times_count_from_the_samples_beginning_across_awaits():
    recorder = SpanRecorder()
    with recorder.span("route"):
        pass
    await asyncio.sleep(0.02)
    with recorder.span("generate_text"):
        await asyncio.sleep(0.03)
    first, second = recorder.spans
    assert first.start_ms >= 0
    assert second.start_ms >= first.start_ms + first.duration_ms + 19
    assert 29 <= second.duration_ms <= recorder.elapsed_ms() - second.start_ms


def test_an_error_is_noted_and_goes_on():
    recorder = SpanRecorder()
    with pytest.raises(ValueError, match="no path"), recorder.span("walk"):
        raise ValueError("no path")
    assert recorder.spans[0].error == "ValueError: no path"


async def test_a_cancelled_node_is_recorded_as_such():
    recorder = SpanRecorder()

    async def node():
        with recorder.span("generate_text"):
            await asyncio.sleep(60)

    task = asyncio.create_task(node())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert recorder.spans[0].error.startswith("CancelledError")


def test_spans_of_two_samples_do_not_mix():
    one, other = SpanRecorder(), SpanRecorder()
    with one.span("a") as span, other.span("b"):
        span.output["x"] = 1
    assert [span.node for span in one.spans] == ["a"]
    assert [span.output for span in other.spans] == [{}]


def test_spans_are_json():
    recorder = SpanRecorder()
    with recorder.span("route", {"slot": 1}):
        pass
    assert orjson.loads(orjson.dumps(recorder.spans))[0]["input"] == {"slot": 1}
