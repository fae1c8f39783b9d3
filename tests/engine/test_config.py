"""An endpoints file with faults: all of them are said at once, each with its line."""

import pytest
from pydantic import ValidationError

from routenator.engine.config import Endpoint, EndpointsFile, load_endpoints
from routenator.engine.errors import ConfigError

FAULTY = """\
endpoints:
  one:
    base_url: [ftp://x, http://me:hunter2@h/v1, http://ok:1/v1]
    weights: [1, 2]
    model: m
    timeout_s: -3
    api_key_env: sk-hunter2
    extra_body: {model: x, seed: 3}
    max_in_fligth: 3
  two:
    weights: [0]
  three: {kind: embedded, base_url: http://a/v1, weights: [1, 2], model: m}
roles: {text: nobody, judge: nix, vision: one, audio: one}
"""


def faults_of(tmp_path, text):
    path = tmp_path / "endpoints.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_endpoints(path)
    assert "hunter2" not in str(caught.value)
    return {(fault.line, fault.field): fault.message for fault in caught.value.faults}


def test_all_faults_of_an_endpoints_file_are_said_at_once_with_their_lines(tmp_path):
    faults = faults_of(tmp_path, FAULTY)
    assert faults.keys() == {
        (3, "endpoints.one.base_url.0"),
        (3, "endpoints.one.base_url.1"),
        (4, "endpoints.one.weights"),
        (6, "endpoints.one.timeout_s"),
        (7, "endpoints.one.api_key_env"),
        (8, "endpoints.one.extra_body"),
        (9, "endpoints.one.max_in_fligth"),
        (10, "endpoints.two.base_url"),
        (10, "endpoints.two.model"),
        (11, "endpoints.two.weights.0"),
        (11, "endpoints.two.weights"),
        (12, "endpoints.three.base_url"),
        (12, "endpoints.three.weights"),
        (13, "roles.text"),
        (13, "roles.judge"),
        (13, "roles.audio"),
    }
    assert faults[4, "endpoints.one.weights"].startswith("weights names one number for each of base_url")
    assert faults[13, "roles.judge"].endswith("'nix', which is not defined (defined: one, two, three)")


def test_roles_alone_are_each_a_fault(tmp_path):
    text = "endpoints:\n  a: {base_url: 'http://x/v1', model: m}\nroles:\n  text: b\n  judge: c\n"
    assert faults_of(tmp_path, text).keys() == {(4, "roles.text"), (5, "roles.judge")}


@pytest.mark.parametrize(
    "text", ["", "endpoints: 3\nroles: [text]\n", "- a\n", "endpoints: {a: 3}\nroles: {text: a}\n"]
)
def test_a_file_of_another_shape_is_a_fault(tmp_path, text):
    assert faults_of(tmp_path, text)


def test_settings_in_code_are_held_to_the_same():
    assert Endpoint(model="m", base_url="http://x/v1/", weights=(2,)).base_url == ("http://x/v1",)
    with pytest.raises(ValidationError, match="one number for each"):
        Endpoint(model="m", base_url="http://x/v1", weights=(1, 2))
    with pytest.raises(ValidationError, match="needs base_url"):
        Endpoint(model="m")
    with pytest.raises(ValidationError, match="is not defined"):
        EndpointsFile(endpoints={}, roles={"text": "a"})
