"""YAML comes from strangers as well: what it may not hold, in every file that we read."""

import time

import pytest

from routenator.engine.errors import ConfigError
from routenator.engine.yaml_source import parse_yaml

ALIASES = "a: &a [x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(9)
)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("rows: 1\nseed: 2\nrows: 3\n", 3, "key 'rows' is given twice"),
        ("a:\n  b: {c: 1, c: 2}\n", 2, "key 'c' is given twice"),
        (ALIASES, 2, "aliases are not allowed"),
        ("base: &base {a: 1}\nown:\n  <<: *base\n", 3, "aliases are not allowed"),
        ("run: !!python/name:os.system\n", 1, "tags are not allowed (got !!python/name:os.system)"),
        ("run: !secret x\n", 1, "tags are not allowed (got !secret)"),
        ("rows: 1\nrun: !settings\n  a: 1\n", 2, "tags are not allowed (got !settings)"),
        ("rows: 1\nrun: !!python/object:os.Thing {a: 1}\n", 2, "tags are not allowed (got !!python/object:os.Thing)"),
        ("runs:\n- !!set {a, b}\n", 2, "tags are not allowed (got !!set)"),
        ("runs: !many [1, 2]\n", 1, "tags are not allowed (got !many)"),
        ("run: !<tag:x,1> 3\n", 1, "tags are not allowed (got tag:x,1)"),
    ],
)
def test_duplicate_keys_aliases_and_tags_of_a_language_are_faults_with_their_lines(text, line, message):
    began = time.monotonic()
    with pytest.raises(ConfigError) as caught:
        parse_yaml(text, "a.yaml", ConfigError)
    [fault] = caught.value.faults
    assert (fault.file, fault.line) == ("a.yaml", line)
    assert message in fault.message
    assert time.monotonic() - began < 5


def test_all_tags_are_said_at_once_and_nothing_is_called(tmp_path):
    there = tmp_path / "called"
    text = (
        f"run: !!python/object/apply:pathlib.Path.touch [!!python/object/apply:pathlib.Path ['{there}']]\nb: !x {{}}\n"
    )
    with pytest.raises(ConfigError) as caught:
        parse_yaml(text, "a.md", ConfigError, first_line=5)
    assert [fault.line for fault in caught.value.faults] == [5, 5, 6]
    assert all(fault.fix.startswith("Remove the tag") for fault in caught.value.faults)
    assert not there.exists()
