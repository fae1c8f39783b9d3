import io
from dataclasses import replace

import pytest
from fakes.run_states import make_replica, make_state, make_worker
from rich.console import Console

from routenator.engine.cli.status import Look

LEDGER = {
    "run_dir": "runs/demo",
    "created_at": "2026-01-02T03:04:05+00:00",
    "slots": {"planned": 1500, "accepted": 1190, "rejected": 20, "failed": 4, "pending": 286},
    "last_minute": {"samples": 740, "accepted": 700},
    "routes": {"text": {"target": 1000, "accepted": 990, "rejected": 30, "failed": 0}},
}


def shown(look, width=80):
    console = Console(file=io.StringIO(), width=width)
    console.print(look.format())
    lines = console.file.getvalue().splitlines()
    assert all(len(line) <= width for line in lines)
    return "\n".join(line.rstrip() for line in lines)


def test_a_run_at_work_tells_its_replicas_its_workers_and_the_samples_that_take_long():
    text = shown(Look(LEDGER, 4711, make_state()))
    assert "runs/demo  running, process 4711" in text
    assert "ETA 2 min 05 s, 8 of 256 samples in flight, 2 workers" in text
    assert "worker processes 4000, 4001" in text
    assert "calls that wait for room: gpu 4" in text
    oldest, younger = (line.split() for line in text.splitlines()[-2:])
    assert oldest == ["18.0", "text", "generate_text", "2", "62", "s"]
    assert younger[0] == "17.0"


def test_every_replica_is_shown_however_many_there_are():
    replicas = tuple(make_replica(number) for number in range(30))
    text = shown(Look(LEDGER, 4711, make_state((make_worker(0, replicas),))))
    assert sum(line.startswith("gpu 10.0.0.") for line in text.splitlines()) == 30


def test_what_a_server_said_is_escaped():
    replica = make_replica(0, condition="paused", trouble="\x1b]52;c;evil\x07\u202e")
    text = shown(Look(LEDGER, 4711, make_state((make_worker(0, (replica,)),))))
    assert "\\x1b]52;c;evil\\x07\\u202e" in text


@pytest.mark.parametrize("pid", [None, 4711])
def test_what_is_committed_is_shown_where_no_process_answers(pid):
    text = shown(Look(LEDGER, pid, silence=None if pid is None else "it does not answer"))
    assert ("not running" in text) == (pid is None)
    assert ("It does not say more: it does not answer" in text) == (pid is not None)
    assert "1,190 of 1,500 rows delivered (79.3%)" in text
    assert "last minute: 740 samples" in text


@pytest.mark.parametrize(("phase", "words"), [("loading", "It still loads"), ("writing", "it writes its dataset")])
def test_a_process_without_workers_says_why_and_what_is_committed_is_shown(phase, words):
    state = replace(make_state(), phase=phase, workers=())
    text = shown(Look(LEDGER, 4711, state))
    assert f"{phase}, process 4711" in text
    assert words in text
    assert "1,190 of 1,500 rows delivered (79.3%)" in text
    assert "0 workers" not in text


def test_json_holds_everything_at_work_or_nothing_of_it():
    found = Look(LEDGER, 4711, make_state()).to_json()
    assert found["slots"] == LEDGER["slots"]
    assert (found["running_pid"], found["at_work"]["accepted"], found["at_work"]["in_flight"]) == (4711, 1190, 8)
    assert found["at_work"]["endpoints"][0]["waiting"] == 4
    assert Look(LEDGER, None).to_json()["at_work"] is None
