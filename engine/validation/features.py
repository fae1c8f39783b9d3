"""What the targets speak of, measured on a query: its length, its phrasing, where it names its category."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

from routenator.engine.routing.targets import place_of_keyword
from routenator.engine.validation.lexicon import Lexicon
from routenator.engine.validation.words import count_words, fold_words, word_set

WH_OPENERS = word_set("how what what's where where's which who who's whose when why")
MODAL_OPENERS = word_set(
    """am are can can't could couldn't did do does don't has have is may might shall should was were will would"""
)
SUBJECTS = word_set(
    """a an any anybody anyone he i it my our she some somebody someone that the there these they this those u we you
    your"""
)
_GREETINGS = word_set("please pls plz hey hi hello ok okay so just kindly now")


def _phrases(lines: str) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(line.split()) for line in lines.splitlines() if line.strip())


# Longer phrases come before those that they begin with.
LEAD_INS = _phrases("""
    i need you to
    i want you to
    i'd like you to
    i would like you to
    i need to
    i want to
    i'd like to
    i would like to
    i am trying to
    i'm trying to
    i am looking to
    i'm looking to
    i wanna
    we need to
    we want to
    we'd like to
    looking to
    trying to
    help me to
    help me
    help us
    let's
    lets
""")
_LEAD_INS_FROM = {first: tuple(group) for first, group in groupby(sorted(LEAD_INS, key=itemgetter(0)), itemgetter(0))}
NEEDS = _phrases("""
    i need
    i want
    i'd like
    i'd love
    i would like
    i am after
    i'm after
    i am looking for
    i'm looking for
    we need
    we want
    we'd like
    we would like
    we are looking for
    we're looking for
    looking for
    searching for
""")

_MOSTLY_NOUNS = word_set(
    """cast cut film hum letter list loop mix model paint picture pin plan play post preview print record rhyme score
    see sketch sound stamp stock view watch wrap"""
)
_OBJECT_OPENERS = word_set("a an another any her him it me my one our some the them these this those two three us your")
_NO_REQUESTS = frozenset({
    "design agency", "design elements", "design ideas", "design inspiration", "design studio", "design system",
    "design thinking", "get ready", "get set", "get together", "get well", "look book", "make believe", "make over",
    "make up", "search bar", "search box", "search button", "search engine", "search field", "show case",
    "show jumping", "show time",
})  # fmt: skip

MAX_ACTION_WORDS = 4
"""Longer phrases are not how people open a request."""


@dataclass(frozen=True, slots=True)
class QueryFeatures:
    """A query's values on the axes of the targets.

    Attributes:
        words: White-space tokens that hold a letter or a digit.
        phrasing: ``fragment``, ``imperative`` or ``question``.
        keyword_position: ``start``, ``middle``, ``end`` or ``absent``.
    """

    words: int
    phrasing: str
    keyword_position: str


def measure(query: str, language: str, category: str, lexicon: Lexicon) -> QueryFeatures:
    """Measure ``query`` as a row labelled with ``category``."""
    return QueryFeatures(
        count_words(query), classify_phrasing(query, lexicon), locate_keyword(query, language, category, lexicon)
    )


def classify_phrasing(query: str, lexicon: Lexicon) -> str:
    """``question``, ``imperative`` or ``fragment``, by the form of the query's beginning and end.

    * ``question``: ends with ``?``, or begins (after a greeting or "please") with how, what, where, which, who, when or
      why, or with can, do, is, would … before a subject ("can you make", "is there"; not "can opener icon").
    * ``imperative``: begins, after a greeting or a lead-in such as "i need you to" or "help me", with a verb of
      request: `lexicon.REQUEST_VERBS` and the pack's actions. A statement of need counts as well: "i need a card" and
      "looking for cat icons" ask for an act as plainly as "find" does.
    * ``fragment``: anything else.
    """
    if query.rstrip(" \t\n\"'!.)").endswith("?"):
        return "question"
    words = skip_greetings(fold_words(query))
    if words and words[0] in WH_OPENERS:
        return "question"
    if asks_whether(words):
        return "question"
    rest = skip_lead_in(words)
    if len(rest) < len(words) or request_length(words, lexicon):
        return "imperative"
    if any(tuple(words[: len(need)]) == need for need in NEEDS):
        return "imperative"
    return "fragment"


def locate_keyword(query: str, language: str, category: str, lexicon: Lexicon) -> str:
    """Where the first of the category's keywords stands; the longest keyword that begins there counts.

    ``absent`` without one. A keyword that begins at the first word of a query of one or two words, or that is the whole
    query, stands at the ``start``; one that is the second of two words at the ``end``. Otherwise the centre of the
    keyword's words, as a share of the query's words, decides: up to 1/3 ``start``, from 2/3 ``end``, else ``middle``.
    """
    mention = lexicon.first_mention(query, language, category)
    if mention is None:
        return "absent"
    return place_of_keyword(mention.start, mention.stop, count_words(query))


def mentions(query: str, language: str, lexicon: Lexicon) -> frozenset[str]:
    """Categories whose keywords ``query`` names; a keyword inside a longer one does not count."""
    return frozenset(mention.category for mention in lexicon.mentions(query, language))


def asks_whether(words: list[str]) -> bool:
    """Whether ``words`` (folded) begin as "can you" or "is there" do."""
    return len(words) > 1 and words[0] in MODAL_OPENERS and words[1] in SUBJECTS


def skip_greetings(words: list[str]) -> list[str]:
    """``words`` (folded) after "hey", "please" and their like."""
    start = 0
    while start < len(words) and words[start] in _GREETINGS:
        start += 1
    return words[start:]


def skip_lead_in(words: list[str]) -> list[str]:
    """``words`` (folded) after a lead-in that a verb follows ("i need you to"), or as they are."""
    for lead_in in _LEAD_INS_FROM.get(words[0], ()) if words else ():
        if tuple(words[: len(lead_in)]) == lead_in:
            return skip_greetings(words[len(lead_in) :])
    return words


def request_length(words: list[str], lexicon: Lexicon, asked: bool = False) -> int:
    """Number of words of the action or verb of request that ``words`` (folded) begin with; 0 without one.

    Args:
        words: Folded words.
        lexicon: The pack's actions and verbs.
        asked: "can you" or "i need you to" came before, so that a word such as "record" or "letter" is a verb. Without,
            it is one only before an object ("record a jingle"; not "record player icon").
    """
    for length in range(min(MAX_ACTION_WORDS, len(words)), 1, -1):
        if tuple(words[:length]) in lexicon.actions:
            return length
    if not words or words[0] not in lexicon.verbs:
        return 0
    if asked:
        return 1
    following = words[1] if len(words) > 1 else ""
    if words[0] in lexicon.declared_verbs:
        return 1
    if words[0] in _MOSTLY_NOUNS and following not in _OBJECT_OPENERS and not following.isdigit():
        return 0
    return 0 if f"{words[0]} {following}" in _NO_REQUESTS else 1


def lead_phrase(query: str, lexicon: Lexicon) -> tuple[str, ...] | None:
    """The action by which ``query`` opens ("make", "search for", "do you have"), or ``None``.

    Greetings, "can you" and lead-ins such as "i need you to" are skipped.
    """
    words = skip_greetings(fold_words(query))
    length = request_length(words, lexicon)
    if length:
        return tuple(words[:length])
    asked = asks_whether(words)
    if asked:
        words = skip_greetings(words[2:])
    rest = skip_lead_in(words)
    length = request_length(rest, lexicon, asked or len(rest) < len(words))
    return tuple(rest[:length]) if length else None
