from dataclasses import replace

import pytest

from routenator.engine.domain.pack import DomainSpec, GraphNode
from routenator.engine.sample import Candidate
from routenator.engine.validation.closed_values import MOST_NODES, ClosedValues
from routenator.engine.validation.outside_words import OutsideWords
from routenator.engine.validation.rules_spoken import (
    check_absent_said,
    check_carrier,
    check_carrier_ends,
    check_carrier_repeats,
    check_casing,
    check_determiners,
    check_values_spoken,
)

CARRIER = frozenset("play add the a by to my please on playlist music near".split())
NODES = [
    GraphNode("k1", "Kind", "song", ("songs",)),
    GraphNode("k2", "Kind", "piece of music"),
    GraphNode("k3", "Kind", "music"),
    GraphNode("s1", "Sort", "best"),
    GraphNode("s2", "Sort", "top"),
    GraphNode("r1", "Relation", "near"),
    GraphNode("r2", "Relation", "close to"),
    GraphNode("r3", "Relation", "in"),
    *(GraphNode(f"a{i}", "Artist", f"artist{i}") for i in range(MOST_NODES + 1)),
]
NAMED = frozenset({"drake", "rumours", "tonight"})
TYPES = {
    "search": {"item": "Kind", "sort": "Sort", "rank": "Sort", "relation": "Relation", "artist": "Artist"},
    "generate": {"item": "Kind"},
}


SPOKEN = {"best", "by", "genre", "playlist", "year", "kind", "most", "name", "owner", "track", "value"}
"""Arguments that the tests name beside those of `TYPES`."""


@pytest.fixture(scope="module")
def spoken_pack(pack):
    """The pack of the other rules, with values that are spoken."""
    arguments = {
        function: {name: {"kind": "value", "node": types.get(name, "Thing")} for name in sorted({*types, *SPOKEN})}
        for function, types in TYPES.items()
    }
    return replace(pack, spec=DomainSpec.model_validate(pack.spec.model_dump() | {"arguments": arguments}))


@pytest.fixture
def speak(make_case, spoken_pack):
    outside = OutsideWords(CARRIER, ClosedValues.collect(TYPES, NODES, CARRIER), {"search": NAMED})

    def speak(query, values, **axes):
        case = make_case(query, "", "search template", "a|b|c", **axes)
        return replace(case, candidate=Candidate(query, values), outside=outside, pack=spoken_pack)

    return speak


def messages(findings):
    return [finding.message for finding in findings]


@pytest.mark.parametrize(
    ("query", "values", "expected"),
    [
        ("play the song by zorima", {"item": "song", "artist": "Zorima"}, []),
        ("play it", {"item": "song"}, ["Say 'song' in the query, exactly so."]),
        ("add my song to my playlist", {"owner": "my"}, ["'my' stands twice; say it once."]),
        ("rate it 5 of 5", {"value": "5", "most": "5"}, []),
        ("5 of 5 by 5", {"value": "5", "most": "5"}, ["'5' stands twice; say it once."]),
        ("rate it 5", {"value": "5", "most": "5"}, ["Say '5' in the query, exactly so."]),
    ],
)
def test_values_stand_in_the_query_once(speak, query, values, expected):
    findings = list(check_values_spoken(speak(query, values)))
    assert messages(findings) == expected
    assert {finding.code for finding in findings} <= {"value_missing"}


@pytest.mark.parametrize(
    ("query", "casing", "passes"),
    [
        ("Play Zorima", "any", True),
        ("Play some loud Zorima", "sentence", True),
        ("Play some loud Zorima", "mixed", False),
        ("play some Zorima", "mixed", True),
        ("PLAY", "upper", True),
        ("Play", "lower", False),
        ("play this", "title", False),
    ],
)
def test_casing_follows_the_stratum(speak, query, casing, passes):
    findings = list(check_casing(speak(query, {}, casing=casing)))
    assert [finding.code for finding in findings] == ([] if passes else ["casing"])


@pytest.mark.parametrize(
    ("query", "values", "said"),
    [
        ("play the songs by Zorima", {"artist": "Zorima"}, "'songs' says item"),
        ("play the songs by Zorima", {"artist": "Zorima", "item": "songs"}, None),
        ("play my piece of music", {}, "'piece of music' says item"),
        # Words that the carrier says literally, and function words, say no argument.
        ("play music near Zorima in town", {"artist": "Zorima"}, None),
        # A phrase of two arguments: only one of them is there, and its value stands elsewhere.
        ("play the top best song", {"sort": "top", "item": "song"}, "'best' says rank"),
        ("play the top best song", {"sort": "top", "rank": "best", "item": "song"}, None),
        # Not across a value, and not inside one.
        ("close Zorima to me", {"artist": "Zorima"}, None),
        ("play Best Songs of 90", {"playlist": "best songs of 90"}, None),
        # An open vocabulary is not looked at.
        ("play artist3", {}, None),
    ],
)
def test_absent_arguments_are_not_said(speak, query, values, said):
    findings = list(check_absent_said(speak(query, values)))
    assert [finding.code for finding in findings] == ([] if said is None else ["absent_argument"])
    assert all(finding.message.startswith(said) for finding in findings)


def test_each_function_has_its_own_phrases(speak):
    case = speak("play the best", {})
    assert list(check_absent_said(case))
    assert not list(check_absent_said(replace(case, stratum=replace(case.stratum, function="generate"))))
    assert not list(check_absent_said(replace(case, outside=None)))


@pytest.mark.parametrize(
    ("query", "noise", "expected"),
    [
        ("Play Zorima's music, please!", "any", []),
        ("play loud Zorima", "any", []),
        ("play rumours by Zorima", "any", ["'rumours' is in no argument; leave it out."]),
        ("play Zorima tonight", "none", ["'tonight' is in no argument; leave it out."]),
        ("play Zorima tonight", "typo", []),
        ("play 7 of Zorima", "any", ["'7' is in no argument; leave it out."]),
        ("play Drake, Drake tonight by Zorima", "typo", ["'drake' and 'tonight' are in no argument; leave them out."]),
    ],
)
def test_words_around_the_values_name_nothing_that_the_function_could_take(speak, query, noise, expected):
    findings = list(check_carrier(speak(query, {"artist": "Zorima"}, noise=noise)))
    assert messages(findings) == expected
    assert {finding.code for finding in findings} <= {"unlabelled"}


@pytest.mark.parametrize(
    ("query", "values", "repeated"),
    [
        ("rate best 4 out of a rating of six rating points", {"best": "best", "value": "4"}, "rating"),
        ("play the The Beatles on a playlist", {"artist": "The Beatles"}, "the"),
        ("play the the song by drake", {"artist": "drake"}, "the"),
        ("play the song by the just just just", {"artist": "song"}, "just"),
        ("book it in in two weeks", {"value": "in two weeks"}, "in"),
        ("play Play It Again", {"track": "Play It Again"}, None),
        ("add it to Zina's's gems", {"owner": "Zina's", "playlist": "gems"}, "'s"),
        ("play the playlist of the playlist fans", {"playlist": "playlist fans"}, None),  # a value may say it again
        ("add Best Coast to the list of the best", {"artist": "Best Coast"}, None),
        ("play a song at ten at home", {"track": "home"}, None),
    ],
)
def test_what_stands_around_the_values_is_said_once(speak, query, values, repeated):
    (found,) = messages(check_carrier_repeats(speak(query, values))) or [""]
    assert (repeated or "") in found
    assert bool(found) == (repeated is not None)


@pytest.mark.parametrize(
    ("query", "is_finished"),
    [
        ("find films closest to the.", False),
        ("play Watch Them once a", False),
        ("play Watch Them once", True),
        ("put on what you think of The The", True),  # ends in the value
    ],
)
def test_a_query_does_not_end_in_a_word_that_wants_another(speak, query, is_finished):
    values = {"track": "The The"} if "The The" in query else {"track": "Watch Them"} if "Watch" in query else {}
    assert (not list(check_carrier_ends(speak(query, values)))) == is_finished


@pytest.mark.parametrize(
    ("query", "values", "both"),
    [
        ("rate the this song five", {"item": "song", "sort": "this"}, ["Write 'the' or 'this', not both."]),
        ("play a my song", {"item": "song"}, ["Write 'a' or 'my', not both."]),
        ("add it to my This Is Home", {"playlist": "This Is Home"}, []),
        ("play that and the other song", {"item": "song"}, []),
    ],
)
def test_two_determiners_do_not_stand_in_a_row(speak, query, values, both):
    assert messages(check_determiners(speak(query, values))) == both
