"""States of a run, as its coordinator tells them."""

from __future__ import annotations

from typing import Any

from routenator.engine.llm.states import EndpointState, ReplicaState
from routenator.engine.runs.states import LongSample, RunState, WorkerState


def make_replica(number: int = 0, **more: Any) -> ReplicaState:
    """A replica of ``gpu`` as one worker sees it: up, with a little to do."""
    facts = {"condition": "up", "in_flight": 3, "limit": 8, "ceiling": 16, "answered": 90, "latency_ms": 210.0}
    return ReplicaState(f"http://10.0.0.{number}:8000/v1", **facts | more)  # type: ignore[arg-type]


def make_worker(number: int = 0, replicas: tuple[ReplicaState, ...] = (), **more: Any) -> WorkerState:
    """A worker with one endpoint."""
    endpoint = EndpointState("gpu", "qwen", 2, replicas or (make_replica(0), make_replica(1, queued=4)))
    facts: dict[str, Any] = {
        "in_flight": 4,
        "max_in_flight": 128,
        "oldest": (LongSample(f"{17 + number}.0", "text", "generate_text", 2, 61.5 + number),),
    }
    return WorkerState(number, pid=4000 + number, endpoints=(endpoint,), **facts | more)


def make_state(workers: tuple[WorkerState, ...] = (), **more: Any) -> RunState:
    """A run of 1,500 rows in the middle."""
    facts: dict[str, Any] = {
        "phase": "generate",
        "planned": 1500,
        "targets": {"text": 1000, "vision": 500},
        "delivered": {"text": 990, "vision": 200},
        "rejected": {"text": 30},
        "failed": {"vision": 4},
        "rate_s": 12.34,
        "eta_s": 125.0,
        "max_in_flight": 256,
    }
    return RunState(workers=workers or (make_worker(0), make_worker(1)), **facts | more)
