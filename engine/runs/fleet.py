"""The endpoints of a run as all its workers see them together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from routenator.engine.llm.states import SERIOUSNESS, EndpointState, ReplicaState
from routenator.engine.runs.states import LongSample, WorkerState


def merge_endpoints(workers: Iterable[WorkerState]) -> tuple[EndpointState, ...]:
    """The workers' endpoints by name: requests, limits and errors are sums, and the worst condition counts."""
    seen: dict[str, list[EndpointState]] = {}
    for worker in workers:
        for endpoint in worker.endpoints:
            seen.setdefault(endpoint.name, []).append(endpoint)
    return tuple(_merge_endpoint(views) for views in seen.values())


def oldest_samples(workers: Iterable[WorkerState], at_most: int) -> list[LongSample]:
    """The samples of all workers that have been in flight for longest, oldest first."""
    samples = [sample for worker in workers for sample in worker.oldest]
    return sorted(samples, key=lambda sample: -sample.age_s)[:at_most]


def _merge_endpoint(views: Sequence[EndpointState]) -> EndpointState:
    replicas: dict[str, list[ReplicaState]] = {}
    for view in views:
        for replica in view.replicas:
            replicas.setdefault(replica.name, []).append(replica)
    return replace(
        views[0],
        waiting=sum(view.waiting for view in views),
        replicas=tuple(_merge_replica(found) for found in replicas.values()),
    )


def _merge_replica(views: Sequence[ReplicaState]) -> ReplicaState:
    worst = max(views, key=lambda view: (SERIOUSNESS[view.condition], view.trouble is not None))
    measured = [view for view in views if view.latency_ms is not None]
    weight = sum(max(1, view.answered) for view in measured)
    latency_ms = (
        sum((view.latency_ms or 0.0) * max(1, view.answered) for view in measured) / weight if measured else None
    )
    return ReplicaState(
        name=worst.name,
        condition=worst.condition,
        in_flight=sum(view.in_flight for view in views),
        limit=sum(view.limit for view in views),
        ceiling=sum(view.ceiling for view in views),
        answered=sum(view.answered for view in views),
        errors=sum(view.errors for view in views),
        latency_ms=latency_ms,
        # Each worker reads the same figure of the server's.
        queued=max((view.queued for view in views if view.queued is not None), default=None),
        limited_by=next((view.limited_by for view in views if view.limited_by), None),
        trouble=worst.trouble,
    )
