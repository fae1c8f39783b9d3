"""Sends samples to an OpenTelemetry backend: a trace for each, a span for each node, below it one for each model call.

Needs the extra ``otel``. The ledger is read, never written, and no run knows of it: a dead backend harms nobody.

Source:
    OpenTelemetry semantic conventions for generative AI, spans of inference.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from routenator.engine.errors import RouteNatorError, RunError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import SpanContext

_EXPORTER_LOG = "opentelemetry.exporter.otlp.proto.http.trace_exporter"


class BackendError(RouteNatorError):
    """The backend takes no traces, although it was asked several times."""


def _identify(*words: object, size: int) -> int:
    """A number of ``size`` bytes that is the same for the same words."""
    text = "\0".join(map(str, words)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=size).digest(), "big") or 1


def trace_number(run_id: str, trace_id: str) -> int:
    """The 128-bit trace id of a sample: sent twice, it is the same trace."""
    return _identify(run_id, trace_id, size=16)


class SpanMaker:
    """Makes the finished spans of samples of one run.

    Raises:
        RunError: The packages of the extra ``otel`` are missing.
    """

    def __init__(self, run_id: str) -> None:
        try:
            from opentelemetry.sdk.resources import Resource
        except ImportError:
            raise RunError(
                "sending traces needs OpenTelemetry", hint="Install it: pip install 'routenator[otel]'"
            ) from None
        self.run_id = run_id
        self._resource = Resource({"service.name": "routenator", "routenator.run_id": run_id})

    def make(self, record: Mapping[str, Any]) -> list[ReadableSpan]:
        """The spans of one sample, the root first.

        Args:
            record: A trace as `routenator.engine.ledger.reader.LedgerReader.trace` gives it.
        """
        began_ns = round(datetime.fromisoformat(record["started_at"]).timestamp() * 1e9)
        facts = {f"routenator.{axis}": str(value) for axis, value in record["stratum"].items() if value is not None}
        facts |= {"routenator.trace_id": record["trace_id"], "routenator.verdict": record["verdict"]}
        error = record["error_class"] if record["verdict"] == "failed" else None
        root = self._span(record, "sample", None, began_ns, record["duration_ms"], facts, error)
        nodes = [
            self._span(
                record, f"node {number}", root.context, began_ns + round(span["start_ms"] * 1e6), span["duration_ms"],
                {"routenator.node": span["node"]}, span.get("error"), name=span["node"],
            )
            for number, span in enumerate(record["spans"])
        ]  # fmt: skip
        return [root, *nodes, *self._calls(record, root, nodes)]

    def _calls(
        self, record: Mapping[str, Any], root: ReadableSpan, nodes: Sequence[ReadableSpan]
    ) -> Iterator[ReadableSpan]:
        """Model calls, each below the node that made it; a trace knows their length, and not when they began."""
        writers = iter([node for node in nodes if node.name.startswith("generate")])
        for attempt in record["attempts"]:
            writer = next(writers, root)
            judge = next(
                (node for node in nodes if node.name == "critique" and (node.start_time or 0) >= _end(writer)), root
            )
            made = [(writer, attempt["completion"])] if attempt.get("completion") else []
            made += [(judge, completion) for completion in attempt.get("judge_completions") or ()]
            starts: dict[int, int] = {}
            for number, (parent, call) in enumerate(made):
                start_ns = starts.get(id(parent), parent.start_time or 0)
                span = self._span(
                    record, f"call {attempt['number']} {number}", parent.context, start_ns, call["latency_ms"],
                    {
                        "gen_ai.operation.name": "chat",
                        "gen_ai.provider.name": call["endpoint"],
                        "gen_ai.request.model": call["model"],
                        "gen_ai.response.model": call["model"],
                        "gen_ai.response.finish_reasons": (call["finish_reason"],),
                        "gen_ai.usage.input_tokens": call["prompt_tokens"],
                        "gen_ai.usage.output_tokens": call["completion_tokens"],
                    },
                    attempt.get("error_class") if parent is writer else None, name=f"chat {call['model']}",
                )  # fmt: skip
                starts[id(parent)] = _end(span)
                yield span

    def _span(
        self,
        record: Mapping[str, Any],
        place: str,
        parent: SpanContext | None,
        start_ns: int,
        duration_ms: float,
        attributes: Mapping[str, Any],
        error: str | None,
        name: str | None = None,
    ) -> ReadableSpan:
        from opentelemetry.sdk.trace import ReadableSpan
        from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

        trace_id = record["trace_id"]
        context = SpanContext(
            trace_number(self.run_id, trace_id),
            _identify(self.run_id, trace_id, place, size=8),
            is_remote=False,
            trace_flags=TraceFlags(TraceFlags.SAMPLED),
        )
        return ReadableSpan(
            name or place,
            context=context,
            parent=parent,
            resource=self._resource,
            attributes=dict(attributes),
            kind=SpanKind.CLIENT if "gen_ai.operation.name" in attributes else SpanKind.INTERNAL,
            status=Status(StatusCode.ERROR, error) if error else Status(),
            start_time=start_ns,
            end_time=start_ns + round(duration_ms * 1e6),
        )


def _end(span: ReadableSpan) -> int:
    return span.end_time or 0


class _LastWords(logging.Handler):
    """Keeps what the exporter says of a failure, which it logs and does not return."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())


class TraceSender:
    """Sends spans to ``url`` by OTLP over HTTP; a batch that is refused is tried again until ``timeout_s`` is over.

    Args:
        url: The backend's address; ``/v1/traces`` is added unless it is there.
        timeout_s: Patience with one batch, all its tries together.
    """

    def __init__(self, url: str, timeout_s: float) -> None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        path = url.rstrip("/")
        self.url = path if path.endswith("/v1/traces") else f"{path}/v1/traces"
        self._exporter = OTLPSpanExporter(self.url, timeout=timeout_s)
        self._words = _LastWords()
        log = logging.getLogger(_EXPORTER_LOG)
        log.addHandler(self._words)
        log.propagate = False

    def send(self, spans: Sequence[ReadableSpan]) -> None:
        """Send one batch.

        Raises:
            BackendError: It was not taken.
        """
        from opentelemetry.sdk.trace.export import SpanExportResult

        self._words.said.clear()
        if self._exporter.export(spans) is not SpanExportResult.SUCCESS:
            raise BackendError(f"{self.url} takes no traces: {' '.join(self._words.said[-2:])}")

    def close(self) -> None:
        """Close the connection."""
        self._exporter.shutdown()  # type: ignore[no-untyped-call]  # the SDK has no type here
        logging.getLogger(_EXPORTER_LOG).removeHandler(self._words)
