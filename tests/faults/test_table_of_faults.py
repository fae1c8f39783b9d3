"""The table of faults in the docs and the tests that show its rows do not part."""

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
TABLE = TESTS.parent / "docs" / "reliability.md"
ROWS = [int(number) for number in re.findall(r"^\| (\d+) \|", TABLE.read_text("utf-8"), re.MULTILINE)]


def shown_rows():
    """Row → tests that carry its marker."""
    shown = {}
    for path in TESTS.rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or not node.name.startswith("test_"):
                continue
            # Also within: one case of a parametrised test may show a row of its own.
            for mark in (part for decorator in node.decorator_list for part in ast.walk(decorator)):
                if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.fault":
                    shown.setdefault(ast.literal_eval(mark.args[0]), []).append(f"{path.name}::{node.name}")
    return shown


SHOWN = shown_rows()


def test_the_table_has_its_42_rows_in_order():
    assert list(range(1, 43)) == ROWS


@pytest.mark.parametrize("row", ROWS)
def test_row_has_a_test(row):
    assert SHOWN.get(row), f"no test carries @pytest.mark.fault({row})"


def test_no_test_shows_a_row_that_is_not_there():
    assert SHOWN.keys() - set(ROWS) == set()
