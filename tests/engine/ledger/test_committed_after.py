import asyncio

import pytest
from factories import make_record

from routenator.engine.ledger import LedgerReader, LedgerWriter, RunDirectory
from routenator.engine.sample import SampleKey

ROWS = 600


@pytest.fixture
def path(tmp_path):
    RunDirectory.create_or_open(tmp_path, identity={}, planned_rows=ROWS, ledgers=2).close()
    return tmp_path


def commit(path, ledger, slots):
    async def write():
        writer = LedgerWriter(path, pytest.fail, ledger)
        for slot in slots:
            await writer.put(make_record(slot))
        await writer.close()

    asyncio.run(write())


def test_samples_come_in_the_order_of_their_commits_behind_the_one_that_was_seen_last(path):
    with LedgerReader(path) as reader:
        own = [[slot for slot in range(ROWS) if reader.layout.ledger_of(slot) == ledger] for ledger in (0, 1)]
        assert reader.committed_after(0, None) == []
        order = [*own[0][9:3:-1], own[0][20], own[0][0]]
        commit(path, 0, order)
        commit(path, 1, own[1][:3])
        keys = [SampleKey(slot) for slot in order]
        assert reader.committed_after(0, None) == keys
        assert reader.committed_after(0, None, limit=3) == keys[:3]
        assert reader.committed_after(0, keys[2], limit=3) == keys[3:6]
        assert reader.committed_after(0, keys[-1]) == []
        assert reader.committed_after(1, None) == [SampleKey(slot) for slot in own[1][:3]]
        commit(path, 0, own[0][30:32])
        assert reader.committed_after(0, keys[-1]) == [SampleKey(slot) for slot in own[0][30:32]]
