"""``run.db``, the only truth of a run: its schema, its one writer, its readers. The only place that speaks SQL."""

from routenator.engine.ledger.reader import Counts, LedgerReader, SampleFilter
from routenator.engine.ledger.run_directory import RunDirectory, running_pid
from routenator.engine.ledger.writer import Duplicate, LedgerWriter

__all__ = ["Counts", "Duplicate", "LedgerReader", "LedgerWriter", "RunDirectory", "SampleFilter", "running_pid"]
