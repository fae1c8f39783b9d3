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
        ("run: !!python/name:os.system\n", 1, "not valid YAML: could not determine a constructor"),
        ("run: !secret x\n", 1, "not valid YAML: could not determine a constructor"),
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


def test_a_tag_on_a_list_makes_a_list_and_calls_nothing(tmp_path):
    there = tmp_path / "called"
    text = f"run: !!python/object/apply:pathlib.Path.touch [!!python/object/apply:pathlib.Path ['{there}']]\n"
    assert parse_yaml(text, "a.yaml", ConfigError).data == {"run": [[str(there)]]}
    assert not there.exists()
