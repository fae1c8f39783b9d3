"""Templates come from strangers: what they may not do, and what stops them."""

from __future__ import annotations

import time

import pytest

from routenator.engine.errors import Fault, PromptError
from routenator.engine.prompting.sandbox import MAX_OUTPUT_CHARS, MAX_TEMPLATE_CHARS, compile_section, render_section

VARIABLES = frozenset({"labels", "nodes", "text", "number"})


def faults_of(source: str, line: int = 1) -> list[Fault]:
    template, faults = compile_section(source, "a.md", line, VARIABLES)
    assert (template is None) == bool(faults)
    return faults


def render(source: str, **values: object) -> str:
    template, faults = compile_section(source, "a.md", 1, VARIABLES)
    assert template is not None, faults
    return render_section(template, values, "a.md")


@pytest.mark.parametrize(
    "attack",
    [
        "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ text.__class__ }}",
        "{{ text.format_map(labels) }}",
        "{{ 'a' * 10**8 }}",
        "{{ 'a' * 100000000 }}",
        "{{ 10 ** 10 ** 10 }}",
        "{{ '%1000000000d' % 1 }}",
        "{{ range(10**9) }}",
        "{{ lipsum(n=10000) }}",
        "{% set a = text ~ text %}{% set a = a ~ a %}{{ a }}",
        "{% set a %}{{ text }}{% endset %}",
        "{% with a = text ~ text %}{{ a }}{% endwith %}",
        "{% include 'other.md' %}",
        "{% import 'other.md' as other %}",
        "{% from 'other.md' import x %}",
        "{% extends 'other.md' %}",
        "{% block a %}{% endblock %}",
        "{% macro a() %}{% endmacro %}",
        "{% filter upper %}x{% endfilter %}",
        "{% for a in nodes %}{% for b in nodes %}{% endfor %}{% endfor %}",
        "{% for a in nodes recursive %}{{ loop(nodes) }}{% endfor %}",
        "{{ text | attr('x') }}",
        "{{ nodes | map('upper') }}",
        "{{ text | center(100000000) }}",
    ],
)
def test_attack_is_refused_when_the_template_is_loaded_and_before_it_is_worked_out(attack: str) -> None:
    started = time.monotonic()
    assert faults_of(attack)
    assert time.monotonic() - started < 2


@pytest.mark.parametrize(
    "source",
    [
        "{{ " + "(" * 20_000 + "1" + ")" * 20_000 + " }}",
        "{{ " + "not " * 10_000 + "1 }}",
        "{{ " + "9" * 5_000 + " }}",
        "{% if number %}" * 150 + "{% endif %}" * 150,
    ],
    ids=["parentheses", "negations", "digits", "conditions"],
)
def test_nesting_beyond_pythons_limits_is_a_fault_and_no_traceback(source: str) -> None:
    assert faults_of(source)


@pytest.mark.parametrize(
    "source",
    [
        "{{ text" + " | tojson" * 60 + " }}",
        "{{ text" + " | join(text)" * 12 + " }}",
        "{{ text | join(text | join(text | join(text))) }}",
        "{{ '\"'" + " | tojson" * 60 + " }}",
    ],
    ids=["tojson", "join chain", "join nest", "constant"],
)
def test_chained_filters_that_multiply_the_text_are_cut_off(source: str) -> None:
    started = time.monotonic()
    with pytest.raises(PromptError, match=r"a filter gives over|over 50,000"):
        render(source, text='"' * 200)
    assert time.monotonic() - started < 5


def test_output_is_cut_off_at_the_limit() -> None:
    with pytest.raises(PromptError, match="over 50,000 characters"):
        render("{% for node in nodes %}{{ text }}{% endfor %}", nodes=range(1_000), text="x" * 100)
    assert len(render("{{ text }}", text="x" * MAX_OUTPUT_CHARS)) == MAX_OUTPUT_CHARS


def test_huge_section_is_refused_unread() -> None:
    (fault,) = faults_of("x" * (MAX_TEMPLATE_CHARS + 1), line=7)
    assert fault.line == 7
    assert "50,001 characters" in fault.message


def test_unknown_names_are_faults_with_their_lines() -> None:
    faults = faults_of("{{ text }}\n{{ lables }}\n{{ text | frobnicate }}\n{{ text() }}", line=11)
    assert {(fault.line, fault.message) for fault in faults} == {
        (12, "unknown variable 'lables'"),
        (13, "unknown filter 'frobnicate'"),
        (14, "`call` is not allowed in a template"),
    }
    assert "labels, nodes, number, text" in next(f for f in faults if f.field == "lables").fix


def test_loop_variable_outside_its_loop_is_unknown() -> None:
    assert [fault.field for fault in faults_of("{% for n in nodes %}{{ n }}{% endfor %}{{ n }}")] == ["n"]
    assert [fault.field for fault in faults_of("{{ loop.index }}")] == ["loop"]


def test_syntax_error_is_a_fault_with_its_line() -> None:
    (fault,) = faults_of("fine\n{% if %}", line=4)
    assert fault.line == 5
    assert "not a valid template" in fault.message


def test_names_bound_by_a_loop_are_known() -> None:
    assert render("{% for n in nodes %}{{ n }}{% if not loop.last %}, {% endif %}{% endfor %}", nodes=["a", "b"]) == (
        "a, b"
    )


@pytest.mark.parametrize(
    "source", ["{{ labels.SceneObject }}", "{{ labels['__class__'] }}", "{{ nodes[3] }}", "{{ nodes | first }}"]
)
def test_value_that_is_missing_at_render_is_an_error_that_names_the_file(source: str) -> None:
    with pytest.raises(PromptError) as caught:
        render(source, labels={}, nodes=[])
    assert caught.value.faults[0].file == "a.md"


@pytest.mark.parametrize("source", ["{{ number / 0 }}", "{{ number + text }}", "{{ text | first(1, 2) }}"])
def test_expression_that_fails_at_render_is_a_prompt_error(source: str) -> None:
    with pytest.raises(PromptError, match="cannot be rendered"):
        render(source, number=1, text="x")


def test_allowed_filters_work() -> None:
    values = {"nodes": ["b", "a"], "text": "two words"}
    assert render("{{ nodes | join(', ') }} {{ nodes | first }}{{ nodes | last }} {{ nodes | length }}", **values) == (
        "b, a ba 2"
    )
    assert render("{{ text | title }} {{ text | upper | lower }} {{ text | tojson }}", **values) == (
        'Two Words two words "two words"'
    )
