"""The contract of a transport: the same tests over each."""

import asyncio
import json
import socket
import time
from contextlib import asynccontextmanager

import pytest
from fakes.endpoint import HANG_UP, NEVER, RESET, FakeEndpoint, Reply

from routenator.engine.config import Endpoint
from routenator.engine.errors import AuthError, EndpointError, WrongModelError
from routenator.engine.llm.connection import DisconnectedError, ReplyTooLargeError
from routenator.engine.llm.transports import make_chat_client
from routenator.engine.llm.wire import ask_models, read_answer, send_chat

BODY = json.dumps({"model": "fake", "messages": [{"role": "user", "content": "hello"}]}).encode()
KEY = "sk-canary-7f3a"


@pytest.fixture(params=["openai", "aiohttp"])
def transport(request):
    return request.param


@pytest.fixture
def connect(transport):
    """Opens a client of the transport; settings are the endpoint's."""

    @asynccontextmanager
    async def connect(base_url, key=None, **settings):
        endpoint = Endpoint(base_url=base_url, model="fake", transport=transport, **settings)
        client = make_chat_client(base_url, endpoint, key)
        try:
            yield client
        finally:
            await client.aclose()

    return connect


async def say(client, key=None):
    return await send_chat(client, BODY, "fake", key)


async def count_connections(fake):
    """Connections that the server accepts from now on, counted in a proxy before it."""
    accepted = []

    async def pass_on(reader, writer):
        accepted.append(writer)
        to_reader, to_writer = await asyncio.open_connection("127.0.0.1", fake.port)

        async def copy(source, target):
            while data := await source.read(65536):
                target.write(data)
            target.close()

        await asyncio.gather(copy(reader, to_writer), copy(to_reader, writer))

    server = await asyncio.start_server(pass_on, "127.0.0.1", 0)
    return server, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", accepted


async def test_status_headers_and_body_come_as_they_are(connect):
    fault = Reply.status(503, "busy", headers={"Retry-After": "7"})
    async with FakeEndpoint(fault) as fake, connect(fake.base_url) as client:
        reply = await client.post_chat(BODY)
    assert (reply.status, reply.headers["retry-after"]) == (503, "7")
    assert json.loads(reply.content)["error"]["message"] == "busy"
    assert fake.requests[0].body == json.loads(BODY)


async def test_request_asks_for_an_uncompressed_answer_and_says_what_it_is(connect):
    async with FakeEndpoint() as fake, connect(fake.base_url) as client:
        assert (await say(client)).choices[0].text == "hello"
    headers = fake.requests[0].headers
    assert (headers["Accept-Encoding"], headers["Content-Type"]) == ("identity", "application/json")


async def test_answer_in_chunks_without_a_length_is_read_to_its_end(connect):
    content = json.dumps(Reply.text("x" * 5000).body).encode()
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (content[:99], content[99:])) + b"0\r\n\r\n"

    async def serve(reader, writer):
        await reader.readuntil(b"}]}")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    async with server, connect(url) as client:
        assert (await say(client)).choices[0].text == "x" * 5000
    async with connect(url, max_reply_bytes=1000) as client:
        with pytest.raises(EndpointError):
            await say(client)


@pytest.mark.fault(1)
async def test_refused_connection_is_retryable_and_says_so(connect):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    async with connect(url) as client:
        with pytest.raises(EndpointError, match=r"^no connection: Connection refused$") as caught:
            await say(client)
    assert caught.value.retryable


@pytest.mark.fault(2)
async def test_reset_in_mid_body_is_a_broken_connection_not_an_answer(connect):
    cut = Reply.text("x" * 5000, cut_after=100)
    async with FakeEndpoint(cut) as fake, connect(fake.base_url) as client:
        with pytest.raises(EndpointError, match="the connection broke") as caught:
            await say(client)
        assert caught.value.retryable
        assert not isinstance(caught.value, DisconnectedError)
        assert (await say(client)).choices[0].text == "hello"


@pytest.mark.fault(3)
@pytest.mark.parametrize("fault", [HANG_UP, RESET], ids=["hang up", "reset"])
async def test_connection_closed_before_an_answer_has_a_class_of_its_own(connect, fault):
    async with FakeEndpoint(Reply.text("warm"), fault) as fake, connect(fake.base_url) as client:
        await say(client)
        with pytest.raises(DisconnectedError, match="closed before an answer") as caught:
            await say(client)
        assert caught.value.retryable
        assert len(fake.requests) == 2  # a library's own retry would have asked again


@pytest.mark.fault(4)
async def test_callers_deadline_cuts_headers_that_never_come(connect):
    async with FakeEndpoint(NEVER) as fake, connect(fake.base_url) as client:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await say(client)
        assert (await say(client)).choices[0].text == "hello"


@pytest.mark.fault(35)
async def test_cancelled_request_propagates_at_once_and_frees_its_connection(connect):
    async with FakeEndpoint(NEVER, NEVER, NEVER) as fake, connect(fake.base_url, max_in_flight=1) as client:
        for _ in range(3):
            call = asyncio.create_task(say(client))
            await asyncio.sleep(0.1)
            call.cancel()
            started = time.monotonic()
            with pytest.raises(asyncio.CancelledError):
                await call
            assert time.monotonic() - started < 1
        async with asyncio.timeout(5):
            assert (await say(client)).choices[0].text == "hello"


@pytest.mark.fault(23)
@pytest.mark.parametrize("status", [200, 500])
async def test_reply_of_50_mb_is_cut_off_at_the_cap(connect, status):
    huge = Reply(body=b'{"error": "' + b"x" * 50_000_000 + b'"}', code=status)
    async with FakeEndpoint(huge) as fake, connect(fake.base_url, max_reply_bytes=100_000) as client:
        with pytest.raises(ReplyTooLargeError, match="larger than 100000 bytes"):
            await say(client)
        assert (await say(client)).choices[0].text == "hello"
        assert fake.bytes_sent < 10_000_000


async def test_cap_lets_a_reply_of_its_own_size_pass(connect):
    size = len(json.dumps({**Reply.text("x" * 3000).body, "model": "fake"}))
    script = (Reply.text("x" * 3000), Reply.text("x" * 3001))
    async with FakeEndpoint(*script) as fake, connect(fake.base_url, max_reply_bytes=size) as client:
        assert (await say(client)).choices[0].text == "x" * 3000
        with pytest.raises(ReplyTooLargeError):
            await say(client)


async def test_compressed_reply_is_refused(connect):
    reply = Reply(body=b"\x1f\x8b", headers={"Content-Encoding": "gzip"})
    async with FakeEndpoint(reply) as fake, connect(fake.base_url) as client:
        with pytest.raises(EndpointError, match="compresses"):
            await say(client)


async def test_redirect_is_named_and_not_followed(connect):
    async with FakeEndpoint() as other:
        place = f"{other.base_url}/chat/completions"
        redirect = Reply(code=307, headers={"Location": place})
        async with FakeEndpoint(redirect) as fake, connect(fake.base_url, KEY) as client:
            with pytest.raises(EndpointError, match=r"redirects to .*status 307") as caught:
                await say(client, KEY)
        assert other.requests == []
    assert not caught.value.retryable
    assert place in caught.value.what
    assert "base_url" in str(caught.value.hint)


@pytest.mark.fault(7)
async def test_error_in_a_200_is_an_error(connect):
    fault = Reply(body={"error": {"message": "engine is dead"}})
    async with FakeEndpoint(fault) as fake, connect(fake.base_url) as client:
        with pytest.raises(EndpointError, match="engine is dead"):
            await say(client)


@pytest.mark.fault(10)
@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_is_read(connect, status):
    fault = Reply.status(status, headers={"Retry-After": "12"})
    async with FakeEndpoint(fault) as fake, connect(fake.base_url) as client:
        with pytest.raises(EndpointError) as caught:
            await say(client)
    assert (caught.value.status, caught.value.retryable, caught.value.retry_after_s) == (status, True, 12.0)


@pytest.mark.fault(12)
async def test_refusal_keeps_the_servers_words(connect):
    async with FakeEndpoint(Reply.status(400, "context is 2048 tokens")) as fake, connect(fake.base_url) as client:
        with pytest.raises(EndpointError, match="context is 2048 tokens") as caught:
            await say(client)
    assert (caught.value.status, caught.value.retryable) == (400, False)


@pytest.mark.fault(14)
@pytest.mark.fault(15)
@pytest.mark.parametrize("fault", [Reply.status(404), Reply.text("hi", model="other")], ids=["404", "other"])
async def test_wrong_model_has_a_class_of_its_own(connect, fault):
    async with FakeEndpoint(fault) as fake, connect(fake.base_url) as client:
        with pytest.raises(WrongModelError, match="fake"):
            await say(client)


@pytest.mark.fault(19)
@pytest.mark.fault(24)
async def test_bare_nan_and_half_surrogates_are_tolerated(connect):
    body = Reply.text("a \ud800 b \x00", model="fake").body
    body["choices"][0]["logprobs"] = {"content": [{"logprob": float("nan")}, {"logprob": -2.5}]}
    async with FakeEndpoint(Reply(body=json.dumps(body).encode())) as fake, connect(fake.base_url) as client:
        (choice,) = (await say(client)).choices
    assert choice.text == "a \\ud800 b \x00"
    assert choice.min_logprob == -2.5


def test_numbers_that_no_float_and_no_database_holds_are_passed_over():
    body = Reply.text("hi", model="fake").body
    body["choices"][0]["logprobs"] = {"content": [{"logprob": -(10**400)}, {"logprob": True}, {"logprob": -3}]}
    body["usage"] = {"prompt_tokens": 2**64 - 1, "completion_tokens": True}
    answer = read_answer(json.dumps(body).encode(), "fake", None)
    assert (answer.choices[0].min_logprob, answer.prompt_tokens, answer.completion_tokens) == (-3.0, 0, 0)


@pytest.mark.fault(16)
async def test_key_is_sent_and_repeated_in_no_error(connect):
    async with FakeEndpoint(api_key=KEY) as fake:
        async with connect(fake.base_url, KEY) as client:
            assert (await say(client, KEY)).choices[0].text == "hello"
            assert await ask_models(client, KEY) == ("fake",)
            fake.script.append(Reply.status(400, f"Bearer {KEY} is odd"))
            with pytest.raises(EndpointError) as odd:
                await say(client, KEY)
        async with connect(fake.base_url, f"{KEY}-wrong") as client:
            with pytest.raises(AuthError) as refused:
                await say(client, f"{KEY}-wrong")
    assert KEY not in f"{odd.value} {refused.value} {odd.value.__cause__} {refused.value.__cause__}"


async def test_no_key_means_none_of_the_users(connect, monkeypatch, tmp_path):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_ORG_ID", KEY)
    (tmp_path / ".netrc").write_text(f"machine 127.0.0.1 login me password {KEY}\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    async with FakeEndpoint() as fake, connect(fake.base_url) as client:
        await say(client)
    sent = fake.requests[0].headers
    assert KEY not in str(sent)
    assert "Basic" not in str(sent)


async def test_proxy_of_the_environment_is_used_but_never_on_loopback(connect, monkeypatch):
    async with FakeEndpoint() as fake, FakeEndpoint() as proxy:
        address = proxy.base_url.removesuffix("/v1")
        for name in ("http_proxy", "HTTP_PROXY"):
            monkeypatch.setenv(name, address)
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        async with connect(fake.base_url) as client:
            await say(client)
        assert (len(fake.requests), len(proxy.requests)) == (1, 0)
        async with connect("http://gpu.invalid:8000/v1") as client:  # resolved by the proxy, if by anyone
            assert (await say(client)).choices[0].text == "hello"
        assert len(proxy.requests) == 1
        assert proxy.requests[0].headers["Host"] == "gpu.invalid:8000"
        monkeypatch.setenv("no_proxy", "gpu.invalid")
        monkeypatch.setenv("NO_PROXY", "gpu.invalid")
        async with connect("http://gpu.invalid:8000/v1") as client:
            with pytest.raises(EndpointError, match="no connection"):
                await say(client)
        assert len(proxy.requests) == 1


async def test_connection_is_used_again_and_never_more_of_them_than_requests_in_flight(connect):
    async with FakeEndpoint(answer=lambda _: Reply.text("hi", delay_s=0.02)) as fake:
        server, url, accepted = await count_connections(fake)
        async with server, connect(url, max_in_flight=4) as client:
            for _ in range(5):
                await say(client)
            assert len(accepted) == 1
            await asyncio.gather(*(say(client) for _ in range(40)))
            assert len(accepted) <= 5  # one for /metrics


@pytest.mark.parametrize(
    "transport", ["aiohttp"], indirect=True
)  # the SDK's has a cookie jar that nobody can take away
async def test_cookies_are_not_sent_back(connect):
    script = (Reply.text("a", headers={"Set-Cookie": "who=me; Path=/"}), Reply.text("b"))
    async with FakeEndpoint(*script) as fake, connect(fake.base_url.replace("127.0.0.1", "localhost")) as client:
        await say(client)
        await say(client)
    assert "Cookie" not in fake.requests[1].headers


async def test_metrics_are_read_at_the_root_even_while_every_request_is_out(connect):
    async with FakeEndpoint(NEVER, NEVER) as fake, connect(fake.base_url, max_in_flight=2) as client:
        fake.metrics = lambda: "vllm:num_requests_running 2\n"
        calls = [asyncio.create_task(say(client)) for _ in range(2)]
        await asyncio.sleep(0.1)
        async with asyncio.timeout(3):
            reply = await client.get_metrics()
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
    assert (reply.status, reply.content) == (200, b"vllm:num_requests_running 2\n")


async def test_list_of_models_may_be_absent(connect):
    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server, connect(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1") as client:
        assert await ask_models(client, None) == ()


@pytest.mark.parametrize("text", ["", "not HTTP at all\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"])
async def test_server_that_speaks_no_http_is_an_endpoint_error(connect, text):
    async def serve(reader, writer):
        await reader.read(10)
        writer.write(text.encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server, connect(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1") as client:
        with pytest.raises(EndpointError) as caught:
            await say(client)
    assert caught.value.retryable
