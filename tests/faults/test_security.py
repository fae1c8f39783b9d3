"""What strangers wrote may not reach further than it should, and what is secret stays so."""

import ast
import base64
import io
import json
from pathlib import Path

import pytest
from fakes.endpoint import FakeEndpoint, Reply, serve_in_thread
from fakes.writer import Writer, facts_of
from PIL import Image

from routenator.engine.ledger.reader import LedgerReader
from routenator.engine.sample import SampleKey

CHECKOUT = Path(__file__).parents[2]
WRITER = Writer()
CANARY = "sk-canary-7d02c9e51b"


def serve(answer, **settings):
    return serve_in_thread(FakeEndpoint(answer=answer, vision=True, **settings))


def edit_content(files, **fields):
    """Set fields of every item of the pack's content."""
    path = files.pack / "content.jsonl"
    items = [json.loads(line) | fields for line in path.read_text("utf-8").splitlines()]
    path.write_text("".join(f"{json.dumps(item)}\n" for item in items), "utf-8")


def test_images_go_out_as_data_that_was_decoded_and_no_address_of_a_packs_metadata_is_asked(run_files):
    inner = FakeEndpoint()
    with serve(WRITER.answer) as fake, serve_in_thread(inner):
        address = f"http://127.0.0.1:{inner.port}/v1/models"
        files = run_files(fake.base_url, recipe={"rows": 12}, targets={"route": {"text": 0.3, "vision": 0.7}})
        # Where a pack says where an item came from, nobody follows.
        edit_content(files, keywords=["photo", address, "http://169.254.169.254/", "file:///etc/passwd"])
        ended = files.run()
        assert ended.code in (0, 1), ended.err
    parts = [
        part
        for request in fake.requests
        for message in request.body["messages"]
        if isinstance(message["content"], list)
        for part in message["content"]
        if part["type"] != "text"
    ]
    assert len(parts) >= 8
    for part in parts:
        assert part.keys() == {"type", "image_url"}
        head, data = part["image_url"]["url"].split(",", 1)
        assert head in ("data:image/png;base64", "data:image/jpeg;base64")
        Image.open(io.BytesIO(base64.b64decode(data, validate=True))).load()
    assert inner.requests == []


@pytest.mark.parametrize("place", ["http://169.254.169.254/", "file:///etc/passwd", "../secret.png"])
def test_a_pack_whose_image_is_elsewhere_is_refused_before_anything_is_sent(run_files, place):
    with serve(WRITER.answer) as fake:
        files = run_files(fake.base_url, recipe={"rows": 4})
        edit_content(files, image=place)
        ended = files.run()
    assert ended.code == 2
    assert "content.jsonl:1: image:" in ended.err
    assert fake.requests == []


def test_a_key_is_in_its_header_and_in_nothing_else_that_is_sent_written_or_shown(run_files, monkeypatch):
    monkeypatch.setenv("FAKE_KEY", CANARY)
    asked = []

    def answer(body):
        if facts_of(body) is None:
            return WRITER.answer(body)
        asked.append(body)
        match len(asked) % 6:
            case 1:
                return Reply.status(500, f"upstream http://user:{CANARY}@10.0.0.1/ says no to Bearer {CANARY}")
            case 2:
                return Reply.json({"query": f"cat with {CANARY}"})
            case 3:
                return Reply.status(400, f"bad header: Authorization: Bearer {CANARY}")
            case 4:
                return Reply(body=f"<html>{CANARY}".encode())
        return WRITER.answer(body)

    with serve(answer, api_key=CANARY) as fake:
        endpoint = {"api_key_env": "FAKE_KEY", "max_retries": 1}
        files = run_files(fake.base_url, endpoint, recipe={"rows": 30, "max_rounds": 1})
        shown = [files.run("generate", "--json")]
        sent = [(request.headers.pop("Authorization"), json.dumps(request.body)) for request in fake.requests]
    shown += [files.run("report"), files.run("report", "--json"), files.run("status"), files.run("traces", "list")]
    shown += [files.run("export", "--format", name) for name in ("openai-chat", "sharegpt", "trl", "bfcl")]
    slots = [slot for (slot,) in files.query("SELECT DISTINCT slot FROM sample WHERE verdict != 'accepted'")]
    assert slots
    shown += [files.run("traces", "show", f"{slot}.0", *more) for slot in slots for more in ((), ("--json",))]
    assert {header for header, _ in sent} == {f"Bearer {CANARY}"}
    assert [body for _, body in sent if CANARY in body] == []
    assert [each for each in shown if CANARY in each.out + each.err] == []
    files_with_it = [
        path for path in files.folder.rglob("*") if path.is_file() and CANARY.encode() in path.read_bytes()
    ]
    assert files_with_it == []
    with LedgerReader(files.run_dir) as reader:  # traces are compressed on the disk
        traces = [reader.trace(SampleKey(row["slot"], row["round"])) for row in reader.samples(limit=1_000)]
        assert CANARY not in json.dumps([traces, reader.meta()])
    assert "***" in json.dumps(traces), "it was there to be struck out"


@pytest.mark.parametrize("setting", ["base_url", "api_key_env"])
def test_a_key_that_was_put_into_the_endpoints_file_is_refused_and_not_repeated(run_files, setting):
    with serve(WRITER.answer) as fake:
        value = {"base_url": fake.base_url.replace("//", f"//user:{CANARY}@"), "api_key_env": CANARY}[setting]
        files = run_files(fake.base_url, {setting: value}, recipe={"rows": 2})
        ended = files.run()
    assert ended.code == 2
    assert setting in ended.err
    assert CANARY not in ended.err + ended.out
    assert not [path for path in files.run_dir.rglob("*") if path.is_file()]
    assert fake.requests == []


FORBIDDEN_MODULES = {"pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
FORBIDDEN_CALLS = {
    "eval",
    "exec",
    "os.system",
    "os.popen",
    "yaml.load",
    "yaml.full_load",
    "yaml.unsafe_load",
    "torch.load",
}
FORBIDDEN_WORDS = {("allow_pickle", True), ("shell", True), ("verify", False), ("trust_remote_code", True)}


def unsafe_lines(source):
    """Lines that load code as if it were data, run a shell, or trust whoever answers."""
    for node in ast.walk(ast.parse(source)):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        call = isinstance(node, ast.Call)
        words = {(word.arg, getattr(word.value, "value", None)) for word in node.keywords} if call else set()
        if (
            FORBIDDEN_MODULES & {name.split(".")[0] for name in names}
            or (call and ast.unparse(node.func) in FORBIDDEN_CALLS)
            or FORBIDDEN_WORDS & words
        ):
            yield node.lineno


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from joblib import load",
        "yaml.load(text)",
        "np.load(path, allow_pickle=True)",
        "eval(text)",
        "subprocess.run(command, shell=True)",
        "torch.load(path)",
        "AutoModel.from_pretrained(x, trust_remote_code=True)",
    ],
)
def test_unsafe_lines_are_seen(line):
    assert list(unsafe_lines(f"\n{line}\n")) == [2]


def test_nothing_loads_code_as_data_and_weights_come_as_safetensors():
    folders = ("engine", "graphs", "src/routenator", "benchmarks")
    sources = {path for folder in folders for path in (CHECKOUT / folder).glob("**/*.py")}
    assert len(sources) > 100
    found = [
        f"{path.relative_to(CHECKOUT)}:{line}" for path in sources for line in unsafe_lines(path.read_text("utf-8"))
    ]
    assert found == []
