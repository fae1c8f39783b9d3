"""What is said must hold up nobody."""

import io
import os
import threading
import time
from contextlib import suppress

from routenator.engine.cli.background_stream import MAX_WAITING, BackgroundStream, patient


def fill(descriptor):
    os.set_blocking(descriptor, False)
    with suppress(BlockingIOError):
        while True:
            os.write(descriptor, b"x" * 64)
    os.set_blocking(descriptor, True)


def read_all(descriptor, found):
    while data := os.read(descriptor, 65_536):
        found.append(data)


def test_a_reader_that_keeps_up_has_each_text_when_it_was_written():
    reader, writer = os.pipe()
    stream = BackgroundStream(writer, "utf-8")
    for number in range(50):
        stream.write(f"{number} \u2026\n")
        assert os.read(reader, 100).decode() == f"{number} \u2026\n"
    os.close(reader)


def test_a_pipe_that_nobody_reads_holds_up_nobody_and_loses_no_more_than_it_must():
    reader, writer = os.pipe()
    fill(writer)
    stream = BackgroundStream(writer, "ascii")
    began = time.monotonic()
    for number in range(3 * MAX_WAITING):
        stream.write(f"line {number} \u2026\n")
    assert time.monotonic() - began < 2
    found = []
    reading = threading.Thread(target=read_all, args=(reader, found))
    reading.start()
    stream.drain()
    stream.write("the last\n")
    stream.drain()
    os.close(writer)
    reading.join()
    lines = b"".join(found).decode().lstrip("x").splitlines()
    assert lines[0] == "line 0 \\u2026" and lines[-1] == "the last"
    assert MAX_WAITING <= len(lines) <= MAX_WAITING + 2


def test_a_reader_that_has_gone_is_no_error():
    reader, writer = os.pipe()
    os.close(reader)
    stream = BackgroundStream(writer, "utf-8")
    assert [stream.write("anybody?\n") for _ in range(3)] == [9, 9, 9]
    stream.drain()


def test_a_stream_without_a_descriptor_stays_as_it_is():
    there = io.StringIO()
    with patient(there) as stream:
        stream.write("here")
    assert there.getvalue() == "here"
