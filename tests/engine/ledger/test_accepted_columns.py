import asyncio

import pytest
from factories import make_record

from routenator.engine.ledger import LedgerReader, LedgerWriter, RunDirectory


@pytest.mark.parametrize("ledgers", [1, 2])
def test_columns_are_those_of_the_accepted_rows_whatever_the_number_of_ledgers(tmp_path, ledgers):
    async def write(layout):
        writers = [LedgerWriter(tmp_path, lambda failure: None, ledger) for ledger in range(layout.ledgers)]
        for slot in range(300):
            verdict = ("accepted", "rejected", "accepted")[slot % 3]
            await writers[layout.ledger_of(slot)].put(make_record(slot, verdict=verdict))
        await writers[layout.ledger_of(1)].put(make_record(1, 1))
        for writer in writers:
            await writer.close()

    with RunDirectory.create_or_open(tmp_path, identity={}, planned_rows=300, ledgers=ledgers) as run:
        asyncio.run(write(run.layout))
    with LedgerReader(tmp_path) as reader:
        expected = [(row["slot"], row["round"], row["query"]) for row in reader.accepted_rows()]
        assert sorted(reader.accepted_columns("slot", "round", "query")) == expected
        assert len(expected) == 201
        with pytest.raises(ValueError, match="nosuch"):
            next(reader.accepted_columns("nosuch"))
