import io
import json

import pytest
import typer
from fakes.endpoint import FakeEndpoint, Reply, serve_in_thread
from rich.console import Console
from typer.testing import CliRunner

from routenator.engine.cli.check_endpoints import as_table, check_endpoints
from routenator.engine.errors import ConfigError
from routenator.engine.llm.checking import RoleCheck


@pytest.fixture
def app():
    app = typer.Typer()
    app.command()(check_endpoints)
    return app


def write_endpoints(folder, fake, roles="text: writer"):
    path = folder / "endpoints.yaml"
    path.write_text(
        f"endpoints:\n  writer: {{base_url: '{fake.base_url}', model: fake, max_retries: 0}}\nroles:\n  {roles}\n"
    )
    return path


def test_table_says_what_each_role_can_do(app, tmp_path):
    with serve_in_thread(FakeEndpoint()) as fake:
        result = CliRunner().invoke(app, ["--endpoints", str(write_endpoints(tmp_path, fake))])
    assert result.exit_code == 0
    assert all(cell in result.stdout for cell in ("text", "writer", "1/1", "ok"))
    assert "BROKEN" not in result.stdout


def test_table_folds_nothing_at_80_columns():
    check = RoleCheck(
        "vision", "gpu-cluster", "Qwen/Qwen2.5-VL-72B-Instruct-AWQ", (12, 12), "json_schema", True, 12345.6, 1234.5
    )
    console = Console(file=io.StringIO(), width=80)
    console.print(as_table({"text": RoleCheck("text"), "vision": check}))
    lines = [line.split() for line in console.file.getvalue().splitlines()]
    assert ["text", "none"] in lines
    assert ["vision", "ok", "gpu-cluster:", "Qwen/Qwen2.5-VL-72B-Instruct-AWQ"] in lines
    assert "12/12 replicas, json_schema, vision, 12346 ms, 1234 tokens/s".split() in lines


def test_json_has_every_role_and_the_exit_code_says_whether_all_work(app, tmp_path):
    with serve_in_thread(FakeEndpoint()) as fake:
        path = write_endpoints(tmp_path, fake, "{text: writer, vision: writer}")
        result = CliRunner().invoke(app, ["--endpoints", str(path), "--json"])
    record = json.loads(result.stdout)
    assert result.exit_code == 1
    assert not record["ok"]
    assert record["roles"]["text"]["works"]
    assert record["roles"]["text"]["structured_output"] == "json_schema"
    assert record["roles"]["vision"]["problems"][0]["fix"]
    assert record["roles"]["judge"]["endpoint"] is None


def test_recipe_leads_to_its_endpoints_file(app, tmp_path):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("pack: design\nrows: 10\nendpoints: endpoints.yaml\n")
    with serve_in_thread(FakeEndpoint()) as fake:
        write_endpoints(tmp_path, fake)
        result = CliRunner().invoke(app, ["--recipe", str(recipe), "--json"])
    assert json.loads(result.stdout)["ok"]


def test_control_characters_of_a_server_do_not_reach_the_terminal(app, tmp_path):
    with serve_in_thread(FakeEndpoint(answer=lambda body: Reply.status(400, "\x1b]52;evil\x07 no"))) as fake:
        result = CliRunner().invoke(app, ["--endpoints", str(write_endpoints(tmp_path, fake))])
    assert result.exit_code == 1
    assert "evil" in result.output
    assert "\x1b" not in result.output


def test_neither_or_both_options_is_a_usage_error(app):
    assert CliRunner().invoke(app, []).exit_code == 2
    assert CliRunner().invoke(app, ["--endpoints", "a", "--recipe", "b"]).exit_code == 2


def test_missing_file_is_an_input_error(app, tmp_path):
    result = CliRunner().invoke(app, ["--endpoints", str(tmp_path / "none.yaml")])
    assert isinstance(result.exception, ConfigError)
