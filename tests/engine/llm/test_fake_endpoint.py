import aiohttp
from fakes.endpoint import FakeEndpoint, Reply


async def test_fake_takes_its_script_in_order_and_then_answers_by_schema():
    schema = {"type": "object", "properties": {"query": {"type": "string", "minLength": 6}}}
    body = {
        "model": "fake",
        "messages": [{"role": "user", "content": "hello"}],
        "response_format": {"type": "json_schema", "json_schema": {"name": "row", "schema": schema}},
    }
    async with FakeEndpoint(Reply.status(503)) as fake, aiohttp.ClientSession() as session:
        async with session.post(f"{fake.base_url}/chat/completions", json=body) as first:
            assert first.status == 503
        async with session.post(f"{fake.base_url}/chat/completions", json=body) as second:
            reply = await second.json()
        assert reply["choices"][0]["message"]["content"] == '{"query": "wordxx"}'
        assert reply["model"] == "fake"
        assert len(fake.requests) == 2
