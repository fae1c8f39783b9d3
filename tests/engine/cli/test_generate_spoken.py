"""A whole run of a pack whose arguments are spoken, written by its grammars alone."""

import json
from collections import Counter

from fakes.bench import SPOKEN

from routenator.engine.datasets.run_meta import RunMeta
from routenator.engine.ledger.reader import LedgerReader
from routenator.engine.ledger.schema import STRATUM_COLUMNS
from routenator.engine.sample import AXES, NO_ARGUMENTS
from routenator.engine.validation.spans import find_spans

ROWS = 60


def test_grammars_meet_every_target_of_a_spoken_pack(run_files):
    recipe = {"pack": str(SPOKEN), "rows": ROWS, "routes": {"heuristic": 1}, "max_rounds": 8}
    files = run_files("http://127.0.0.1:9/v1", recipe=recipe, roles={})
    ended = files.run()
    assert ended.code == 0, ended.err
    assert "All 60 rows delivered; every target is met to the row." in ended.out
    with LedgerReader(files.run_dir) as reader:
        plan = RunMeta.from_meta(reader.meta()).plan
        delivered = Counter(reader.accepted_columns(*STRATUM_COLUMNS))
    assert delivered == Counter(tuple(getattr(plan.stratum(slot), axis) for axis in AXES) for slot in range(ROWS))
    rows = files.rows()
    assert len({row["query"].casefold() for row in rows}) == len(rows) == ROWS
    for row in rows:
        slot, arguments = int(row["id"].split(".")[0]), json.loads(row["arguments"])
        assert "+".join(sorted(arguments) or [NO_ARGUMENTS]) == plan.stratum(slot).arguments
        assert find_spans(row["query"], arguments).is_exact
        assert all(value in row["query"] for value in arguments.values())
        assert {node["argument"] for node in row["grounding"]["nodes"]} == arguments.keys()
    assert {row["template"] for row in rows} == {"heuristic/book-table", "heuristic/set-alarm"}
