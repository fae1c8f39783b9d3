"""Against the real model. Every test's servers live in a cache folder of the module's own and end with it."""

import base64
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.request import urlopen

import openai
import pytest

from routenator.engine.errors import ConfigError, RunError
from routenator.engine.llm.embedded import EmbeddedLease, acquire_embedded, serves
from routenator.engine.llm.embedded_models import CACHE_VARIABLE, cache_folder, find_model, prepare_model

MODEL = "smollm2-135m-instruct"
USER = f"""
import sys, time
from routenator.engine.llm.embedded import acquire_embedded
lease = acquire_embedded({MODEL!r}, 1, threads=1, linger_s=0.5)  # one slot: another server than the module's
print(lease.base_url, flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    try:
        find_model(MODEL)
    except RunError as error:
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CACHE_VARIABLE, str(folder))
        yield folder


@pytest.fixture(scope="module")
def lease(cache: Path) -> Iterator[EmbeddedLease]:
    with acquire_embedded(MODEL, 2, threads=1, linger_s=0.5) as held:
        yield held


def start_user() -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", USER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ
    )


def url_of(user: subprocess.Popen[str]) -> str:
    assert user.stdout is not None
    return user.stdout.readline().strip()


def server_pid(lease: EmbeddedLease) -> int:
    return int((lease.log_path.parent / "server.lock").read_text())


def wait_until(happened: Callable[[], bool], timeout_s: float = 20.0) -> bool:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if happened():
            return True
        time.sleep(0.05)
    return False


def test_a_file_of_the_users_own_is_served_and_another_one_in_its_place_by_another_server(
    cache: Path, tmp_path: Path
) -> None:
    own = tmp_path / "tuned.gguf"
    own.symlink_to(prepare_model(MODEL))
    with acquire_embedded(str(own), 1, threads=1, linger_s=0) as lease:
        assert lease.model == str(own)
        with urlopen(f"{lease.base_url}/models") as reply:
            assert json.loads(reply.read())["data"][0]["id"] == str(own)
        first = lease.log_path.parent.name
    own.unlink()
    shutil.copy(prepare_model(MODEL), own)
    with acquire_embedded(str(own), 1, threads=1, linger_s=0) as lease:
        assert lease.log_path.parent.name != first
    own.unlink()
    with pytest.raises(ConfigError, match="there is no file"):
        acquire_embedded(str(own))


def test_an_unknown_model_is_the_users_fault() -> None:
    with pytest.raises(ConfigError, match="smollm2-135m-instruct"):
        acquire_embedded("gpt-9", 4)


@pytest.mark.model
def test_a_plain_client_gets_json_by_schema_the_same_for_the_same_seed(lease: EmbeddedLease) -> None:
    schema = {
        "type": "object",
        "properties": {"query": {"type": "string"}},
        "required": ["query"],
        "additionalProperties": False,
    }
    with openai.OpenAI(base_url=lease.base_url, api_key="none", max_retries=0) as client:
        assert [model.id for model in client.models.list()] == [MODEL]
        replies = [
            client.chat.completions.create(
                model=MODEL,
                messages=[
                    {"role": "user", "content": "Create: logo for bakery"},
                    {"role": "assistant", "content": '{"query": "bakery logo with bread"}'},
                    {"role": "user", "content": "Create: card for wedding"},
                ],
                response_format={
                    "type": "json_schema",
                    "json_schema": {"name": "query", "strict": True, "schema": schema},
                },
                max_tokens=60,
                temperature=0.8,
                seed=7,
                logprobs=True,
            )
            for _ in range(2)
        ]
    texts = [reply.choices[0].message.content for reply in replies]
    assert texts[0] == texts[1]
    assert list(json.loads(texts[0] or "")) == ["query"]
    assert replies[0].model == MODEL
    assert replies[0].choices[0].finish_reason == "stop"
    assert replies[0].choices[0].logprobs is not None


@pytest.mark.model
def test_an_image_is_an_error_that_names_itself_not_a_guess(lease: EmbeddedLease) -> None:
    pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="
    assert base64.b64decode(pixel)
    part = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{pixel}"}}
    with (
        openai.OpenAI(base_url=lease.base_url, api_key="none", max_retries=0) as client,
        pytest.raises(openai.APIStatusError) as caught,
    ):
        client.chat.completions.create(
            model=MODEL,
            messages=[{"role": "user", "content": [part]}],  # type: ignore[list-item]
            max_tokens=5,
        )
    assert "image input is not supported" in str(caught.value)


@pytest.mark.model
def test_processes_that_start_at_once_share_one_server_that_ends_after_the_last(cache: Path) -> None:
    users = [start_user() for _ in range(3)]
    urls = {url_of(user) for user in users}
    assert len(urls) == 1
    port = int(urls.pop().split(":")[2].removesuffix("/v1"))
    users[0].kill()  # kill -9: the kernel lets go of its lease
    users[0].wait()
    users[1].communicate("")
    time.sleep(1.5)
    assert serves(port, MODEL, 5), "one lease is left, so the server stays"
    users[2].kill()
    users[2].wait()
    assert wait_until(lambda: not serves(port, MODEL, 1)), "nobody is left, so the server ends"


@pytest.mark.model
def test_a_killed_server_is_replaced_on_its_port(cache: Path) -> None:
    with acquire_embedded(MODEL, 2, threads=1, linger_s=0.5) as lease:
        url, pid = lease.base_url, server_pid(lease)
        os.kill(pid, signal.SIGKILL)
        assert lease.ensure_running() == url
        assert server_pid(lease) != pid
        assert lease.ensure_running() == url


@pytest.mark.model
def test_a_server_that_cannot_start_shows_its_log(cache: Path) -> None:
    with pytest.raises(RunError, match=r"(?s)ended while starting.*Its log, .*threads"):
        acquire_embedded(MODEL, 1, threads="many")  # type: ignore[arg-type]


@pytest.mark.model
def test_a_damaged_cached_model_is_made_anew(cache: Path) -> None:
    path = prepare_model(MODEL)
    whole = path.stat().st_size
    with path.open("r+b") as file:
        file.truncate(1000)
    assert prepare_model(MODEL).stat().st_size == whole


def test_the_cache_folder_can_be_moved_and_says_so_when_it_cannot_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "deep" / "er"))
    assert cache_folder() == tmp_path / "deep" / "er"
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "file" / "under"))
    with pytest.raises(RunError, match=CACHE_VARIABLE):
        cache_folder()
