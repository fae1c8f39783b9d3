"""How a run's slots are dealt to its ledgers: one database for each worker, fixed when the run is made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

MAX_BLOCK_SLOTS = 4096
_BLOCKS_A_LEDGER = 16


@dataclass(frozen=True, slots=True)
class Layout:
    """Blocks of consecutive slots go to the ledgers in turn, so that each ledger has its share of every stratum.

    A slot stays in its ledger for the life of the run: all its rounds are in one database, and workers never share a
    writer. More workers than ledgers are of no use; fewer own several ledgers each.

    Attributes:
        ledgers: Databases of the run.
        block_slots: Consecutive slots of one block.
    """

    ledgers: int = 1
    block_slots: int = MAX_BLOCK_SLOTS

    @classmethod
    def for_run(cls, planned_rows: int, ledgers: int) -> Layout:
        """The layout of a new run: blocks small enough that the ledgers' shares differ by little."""
        return cls(ledgers, min(MAX_BLOCK_SLOTS, max(1, planned_rows // (ledgers * _BLOCKS_A_LEDGER))))

    def ledger_of(self, slot: int) -> int:
        """The ledger that holds ``slot``."""
        return slot // self.block_slots % self.ledgers

    def blocks(self, ledger: int, planned_rows: int) -> Iterator[range]:
        """The slots of ``ledger`` in order, block by block."""
        stride = self.block_slots * self.ledgers
        for start in range(ledger * self.block_slots, planned_rows, stride):
            yield range(start, min(start + self.block_slots, planned_rows))
