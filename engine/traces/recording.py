"""Records the nodes that a sample passes, for a few microseconds each."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any, Self

from routenator.engine.sample import Span


class OpenSpan:
    """A node at work; a context manager that records its `Span` when it is left.

    Attributes:
        output: What the node found; set it before leaving. Small and JSON-able.
    """

    __slots__ = ("_began_ns", "_recorder", "input", "node", "output")

    def __init__(self, recorder: SpanRecorder, node: str, input: dict[str, Any]) -> None:
        self._recorder = recorder
        self.node = node
        self.input = input
        self.output: dict[str, Any] = {}

    def __enter__(self) -> Self:
        self._began_ns = time.monotonic_ns()
        self._recorder.open_span = self
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        ended_ns = time.monotonic_ns()
        self._recorder.open_span = None
        self._recorder.add(
            Span(
                self.node,
                _to_ms(self._began_ns - self._recorder.began_ns),
                _to_ms(ended_ns - self._began_ns),
                self.input,
                self.output,
                None if error is None else f"{type(error).__name__}: {error}",
            )
        )


class SpanRecorder:
    """Collects the spans of one sample. Times are monotonic, so a clock that jumps does not bend them.

    Attributes:
        began_ns: When the sample began, on the monotonic clock.
        open_span: The node at work.
    """

    __slots__ = ("_spans", "began_ns", "open_span")

    def __init__(self) -> None:
        self.open_span: OpenSpan | None = None
        self.began_ns = time.monotonic_ns()
        self._spans: list[Span] = []

    def span(self, node: str, input: dict[str, Any] | None = None) -> OpenSpan:
        """Record what runs inside ``with recorder.span("walk", {...}) as span``; an error is noted and goes on."""
        return OpenSpan(self, node, {} if input is None else input)

    def add(self, span: Span) -> None:
        """Take a finished span."""
        self._spans.append(span)

    @property
    def spans(self) -> tuple[Span, ...]:
        """The finished spans, in the order in which they ended."""
        return tuple(self._spans)

    @property
    def at_work(self) -> tuple[str | None, int]:
        """The node at work, and the attempts that were begun."""
        attempts = [span.input["attempt"] for span in self._spans if "attempt" in span.input]
        if self.open_span is None:
            return None, max(attempts, default=-1) + 1
        attempts.append(self.open_span.input.get("attempt", -1))
        return self.open_span.node, max(attempts) + 1

    def elapsed_ms(self) -> float:
        """Milliseconds since the sample began."""
        return _to_ms(time.monotonic_ns() - self.began_ns)


def _to_ms(duration_ns: int) -> float:
    return round(duration_ns / 1e6, 3)
