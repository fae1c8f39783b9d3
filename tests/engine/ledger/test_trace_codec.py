import json
from dataclasses import replace

import orjson
from factories import SYSTEM_TEXT, make_record
from hypothesis import given
from hypothesis import strategies as st

from routenator.engine.ledger.trace_codec import TraceDecoder, TraceEncoder, dump_json, load_json, train_dictionary

any_text = st.text(st.characters(exclude_categories=()), max_size=40)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | any_text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(any_text, inner, max_size=4),
    max_leaves=12,
)


class Store:
    """Texts and dictionaries as the database would keep them."""

    def __init__(self):
        self.texts = {}
        self.dictionaries = {}

    def decoder(self):
        return TraceDecoder(self.dictionaries.__getitem__, self.texts.__getitem__)

    def keep(self, encoder):
        self.texts |= {text.id: text.body for text in encoder.take_new_texts()}


def as_stored(record):
    return json.loads(orjson.dumps(replace(record, grounding=None)))


@given(json_values)
def test_json_comes_back_as_it_was_whatever_the_text(value):
    assert load_json(dump_json(value)) == value


def test_not_a_number_becomes_null_with_and_without_surrogates():
    assert load_json(dump_json({"a": float("nan")})) == {"a": None}
    assert load_json(dump_json({"a": float("inf"), "b": "\ud800"})) == {"a": None, "b": "\ud800"}


def test_traces_come_back_identical_before_and_after_a_dictionary():
    store, encoder = Store(), TraceEncoder({}.get, 1)
    records = [make_record(slot, verdict=("accepted", "rejected", "failed")[slot % 3]) for slot in range(400)]
    first = [encoder.encode(record) for record in records[:300]]
    plain = [encoder.compress(data) for data in first]
    store.dictionaries[1] = train_dictionary(first)
    encoder.use_dictionary(1, store.dictionaries[1])
    trained = [encoder.compress(encoder.encode(record)) for record in records[300:]]
    store.keep(encoder)
    decoder = store.decoder()
    decoded = [decoder.decode(None, blob) for blob in plain] + [decoder.decode(1, blob) for blob in trained]
    assert decoded == [as_stored(record) for record in records]
    assert sum(map(len, trained)) / len(trained) < 1_500


def test_a_text_is_stored_once_when_a_second_sample_holds_it():
    encoder = TraceEncoder({}.get, 1)
    blobs = [encoder.encode(make_record(slot, attempts=2)) for slot in range(50)]
    new = encoder.take_new_texts()
    assert len({text.sha256 for text in new}) == len(new)
    assert SYSTEM_TEXT.encode() not in blobs[-1]
    assert max(map(len, blobs[40:])) < max(map(len, blobs[:2]))


def test_the_words_of_a_single_sample_are_not_shared():
    encoder = TraceEncoder({}.get, 1)
    record = make_record(0, attempts=3)
    encoder.encode(record)
    assert encoder.take_new_texts() == []


def test_stored_texts_are_used_again_after_a_restart():
    first = TraceEncoder({}.get, 1)
    for slot in range(5):
        first.encode(make_record(slot))
    stored = first.take_new_texts()
    again = TraceEncoder({text.sha256: text.id for text in stored}.get, len(stored) + 1)
    blobs = [again.encode(make_record(slot)) for slot in range(5, 10)]
    assert not {text.sha256 for text in again.take_new_texts()} & {text.sha256 for text in stored}
    assert SYSTEM_TEXT.encode()[:60] not in blobs[-1]


def test_a_message_that_looks_like_a_reference_in_text_stays_text():
    record = make_record(0, attempts=1)
    attempt = record.attempts[0]
    odd = replace(attempt.judge_completions[0], messages=({"role": "user", "content": '{"$text": 1}'},))
    record = replace(record, attempts=(replace(attempt, judge_completions=(odd,)),))
    encoder = TraceEncoder({}.get, 1)
    decoded = Store().decoder().decode(None, encoder.compress(encoder.encode(record)))
    assert decoded == as_stored(record)


def test_records_too_few_or_too_alike_give_no_dictionary():
    assert train_dictionary([b"x"] * 3) is None
