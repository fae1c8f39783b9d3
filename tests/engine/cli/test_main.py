"""How every command ends when it is not left to end by itself."""

import subprocess
import sys

from typer.testing import CliRunner

from routenator.engine.cli.main import app
from routenator.graphs import sample


def test_ctrl_c_is_answered_where_a_command_says_nothing_itself(monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(sample, "build_graph", interrupted)
    ended = CliRunner().invoke(app, ["graph"])
    assert (ended.exit_code, ended.stderr) == (130, "Stopped.\n")


def test_a_reader_that_goes_away_is_no_fault():
    command = [sys.executable, "-m", "routenator", "graph"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 0
