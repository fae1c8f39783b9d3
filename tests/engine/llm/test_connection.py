import errno
import ssl

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey

from routenator.engine.llm.connection import (
    DisconnectedError,
    ReplyTooLargeError,
    error_of_connection,
    metrics_url,
    proxy_of,
)

KEY = "sk-canary-7f3a"
PLACE = ConnectionKey("gpu1", 8000, False, True, None, None, None)


@pytest.mark.parametrize(
    "exc",
    [
        aiohttp.ServerDisconnectedError(),
        aiohttp.ClientOSError(errno.ECONNRESET, "reset"),
        aiohttp.ClientConnectionResetError("Cannot write to closing transport"),
    ],
)
def test_connection_that_was_gone_before_an_answer_may_be_tried_again_for_nothing(exc):
    error = error_of_connection(exc, None)
    assert isinstance(error, DisconnectedError)
    assert error.retryable


@pytest.mark.parametrize(
    ("exc", "words"),
    [
        (aiohttp.ClientConnectorError(PLACE, OSError(errno.EHOSTUNREACH, "x")), "no connection: No route to host"),
        (aiohttp.ConnectionTimeoutError("slow"), "no connection within 5 s"),
        (aiohttp.ClientConnectorCertificateError(PLACE, ssl.SSLCertVerificationError(1, "expired")), "expired"),
        (aiohttp.ClientPayloadError("cut"), "the connection broke"),
    ],
)
def test_broken_connection_says_why_and_may_be_retried(exc, words):
    error = error_of_connection(exc, None)
    assert words in error.what
    assert error.retryable
    assert not isinstance(error, DisconnectedError)


def test_request_that_cannot_be_sent_is_not_retried():
    assert not error_of_connection(aiohttp.InvalidURL("http://["), None).retryable


def test_cause_is_found_behind_a_librarys_own_class_and_the_key_is_blotted_out():
    try:
        try:
            raise aiohttp.ClientPayloadError(f"Bearer {KEY}")
        except aiohttp.ClientError as exc:
            raise RuntimeError("Connection error.") from exc
    except RuntimeError as exc:
        error = error_of_connection(exc, KEY)
    assert "ClientPayloadError" in error.what
    assert KEY not in error.what


def test_our_own_error_behind_a_librarys_class_stays_what_it_is():
    try:
        raise RuntimeError from ReplyTooLargeError(10)
    except RuntimeError as exc:
        assert isinstance(error_of_connection(exc, None), ReplyTooLargeError)


@pytest.mark.parametrize(
    ("variables", "scheme", "host", "proxy"),
    [
        ({}, "http", "gpu1", None),
        ({"http_proxy": "http://proxy:3128"}, "http", "gpu1", "http://proxy:3128"),
        ({"http_proxy": "http://proxy:3128"}, "https", "gpu1", None),
        ({"all_proxy": "proxy:3128"}, "https", "gpu1", "http://proxy:3128"),
        ({"all_proxy": "http://proxy:3128", "no_proxy": "other,gpu1"}, "http", "gpu1", None),
        ({"all_proxy": "http://proxy:3128"}, "http", "127.0.0.1", None),
        ({"all_proxy": "http://proxy:3128"}, "http", "localhost", None),
        ({"all_proxy": "http://proxy:3128"}, "http", "::1", None),
    ],
)
def test_proxy_is_the_environments_but_none_on_loopback(monkeypatch, variables, scheme, host, proxy):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert proxy_of(scheme, host) == proxy


def test_metrics_are_at_the_root():
    assert metrics_url("http://h:8000/v1") == "http://h:8000/metrics"
    assert metrics_url("http://h/llm/v1") == "http://h/llm/metrics"
