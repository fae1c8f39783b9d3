from dataclasses import replace

import pytest

from routenator.engine.reports.building import build_report
from routenator.engine.routing.fitting import fit_targets
from routenator.engine.routing.plan import Plan
from routenator.engine.routing.targets import Targets


def test_casing_is_measured_on_the_queries_and_compared_with_what_was_asked(tmp_path, pack, facts, fill_run, record_of):
    casing = {"axes": ["casing"], "marginals": [{"axes": ["casing"], "shares": {"upper": 1, "lower": 3}}]}
    tables = [*pack.targets.model_dump()["tables"], casing]
    plan = Plan(fit_targets(Targets.model_validate({"tables": tables})), 40, seed=5)
    records = []
    for slot in range(plan.rows):
        record = record_of(plan, pack, slot)
        query = record.candidate.query
        # One slot in two that asks for capitals gets none.
        said = query.upper() if record.stratum.casing == "upper" and slot % 2 else query.lower()
        records.append(replace(record, candidate=replace(record.candidate, query=said)))
    with fill_run(tmp_path / "run", records, plan.rows) as reader:
        report = build_report(reader, pack, plan, facts)
    comparison = next(one for one in report.axes if one.axes == ("casing",))
    wanted = [record.stratum.casing == "upper" for record in records]
    said = [record.candidate.query.isupper() for record in records]
    cells = {cell.values[0]: cell for cell in comparison.cells}
    assert cells["upper"].planned == cells["upper"].delivered == sum(wanted) == 10
    assert cells["upper"].measured == sum(said) < 10
    assert cells["upper"].measured + cells["lower"].measured == 40
    assert comparison.agreement == pytest.approx(1 - (sum(wanted) - sum(said)) / 40)
