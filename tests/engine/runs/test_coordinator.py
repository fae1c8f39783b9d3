"""What a coordinator tells of a run, and passes on to its workers."""

import asyncio
import threading

import pytest

from routenator.engine.config import Recipe
from routenator.engine.errors import RunError
from routenator.engine.ledger.layout import Layout
from routenator.engine.ledger.run_directory import RunDirectory
from routenator.engine.runs import coordinator as coordinator_module
from routenator.engine.runs.coordinator import Coordinator
from routenator.engine.runs.states import WorkerState
from routenator.engine.runs.worker import PassResult, share_of


class StandIn:
    """A worker that only notes what it is told."""

    def __init__(self, number):
        self.number = number
        self.limit = None
        self.told = []

    def state(self):
        return WorkerState(self.number, 1, max_in_flight=self.limit or 0)

    def pause(self):
        self.told.append("pause")

    def resume(self):
        self.told.append("resume")

    def stop(self):
        self.told.append("stop")

    def set_max_in_flight(self, max_in_flight):
        self.limit = max_in_flight

    async def run_pass(self, *, refills):
        return PassResult(0, None)


@pytest.fixture
def workers():
    return [StandIn(0), StandIn(1)]


@pytest.fixture
def coordinator(workers, tmp_path):
    recipe = Recipe(pack="tiny", rows=20, endpoints="endpoints.yaml")
    layout = Layout.for_run(20, 2)
    return Coordinator(tmp_path, recipe, layout, workers, targets={"text": 20}, max_in_flight=8, possible_in_flight=9)


@pytest.mark.parametrize(("wanted", "limits"), [(3, [2, 1]), (8, [4, 4]), (1, [1, 1]), (100, [5, 4])])
def test_the_workers_limits_add_up_to_the_runs(coordinator, workers, wanted, limits):
    coordinator.set_max_in_flight(wanted)
    assert [worker.limit for worker in workers] == limits
    assert coordinator.state().max_in_flight == sum(limits)


def test_shares_add_up_where_each_worker_can_have_one():
    assert [[share_of(total, number, 4) for number in range(4)] for total in (2, 4, 7, 10)] == [
        [1, 1, 1, 1],
        [1, 1, 1, 1],
        [2, 2, 2, 1],
        [3, 3, 2, 2],
    ]


def test_a_run_that_stops_says_so_and_takes_no_other_wish(coordinator, workers):
    coordinator.pause()
    coordinator.stop()
    state = coordinator.state()
    assert (state.phase, state.paused) == ("stopping", False)
    for wish in (coordinator.pause, coordinator.resume, lambda: coordinator.set_max_in_flight(3)):
        with pytest.raises(RunError, match="stopping"):
            wish()
    coordinator.stop()
    assert workers[0].told == ["pause", "stop", "stop"]


@pytest.mark.fault(34)
async def test_a_stop_does_not_wait_for_duplicates(coordinator, tmp_path, monkeypatch):
    RunDirectory.create_or_open(tmp_path, identity={}, planned_rows=20).close()
    begun, released = threading.Event(), threading.Event()

    def search(*args):
        begun.set()
        released.wait(30)
        return []

    monkeypatch.setattr(coordinator_module, "_find_duplicates", search)
    filling = asyncio.create_task(coordinator.fill())
    await asyncio.to_thread(begun.wait, 10)
    coordinator.stop()
    try:
        assert await asyncio.wait_for(filling, 5) is None
        assert coordinator.is_stopping
    finally:
        released.set()
