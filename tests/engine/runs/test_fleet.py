from fakes.run_states import make_replica, make_worker

from routenator.engine.runs.fleet import merge_endpoints, oldest_samples


def test_requests_limits_and_errors_of_the_workers_are_added_up():
    workers = (
        make_worker(0, (make_replica(0, errors=2, latency_ms=100.0, answered=10, queued=7),)),
        make_worker(1, (make_replica(0, errors=1, latency_ms=200.0, answered=30, queued=9),)),
    )
    [endpoint] = merge_endpoints(workers)
    assert (endpoint.name, endpoint.waiting) == ("gpu", 4)
    [replica] = endpoint.replicas
    assert (replica.in_flight, replica.limit, replica.ceiling) == (6, 16, 32)
    assert (replica.answered, replica.errors) == (40, 3)
    assert replica.latency_ms == 175.0
    assert replica.queued == 9, "each worker reads the same figure of the server's"


def test_the_worst_condition_of_a_replica_counts_with_its_trouble():
    down = make_replica(0, condition="paused", trouble="503", limited_by="overload", latency_ms=None)
    [endpoint] = merge_endpoints((make_worker(0), make_worker(1, (down, make_replica(1)))))
    first, second = endpoint.replicas
    assert (first.condition, first.trouble, first.limited_by, first.latency_ms) == ("paused", "503", "overload", 210.0)
    assert (second.condition, second.trouble) == ("up", None)


def test_no_worker_has_no_endpoint():
    assert merge_endpoints(()) == ()


def test_the_oldest_samples_of_all_workers_come_first():
    workers = [make_worker(number) for number in range(3)]
    assert [sample.trace_id for sample in oldest_samples(workers, 2)] == ["19.0", "18.0"]
