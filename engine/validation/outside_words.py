"""What may stand around the values of spoken arguments, and what may not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from routenator.engine.domain.pack import DomainPack
from routenator.engine.prompting.examples import Example
from routenator.engine.validation import features
from routenator.engine.validation.closed_values import ClosedValues
from routenator.engine.validation.lexicon import Lexicon
from routenator.engine.validation.spans import find_spans
from routenator.engine.validation.words import FUNCTION_WORDS, fold_words, word_set

_COURTESIES = word_set("please thanks thank")


@dataclass(frozen=True)
class OutsideWords:
    """Words that may stand outside values, and phrases that say an argument.

    Attributes:
        carrier: Folded words of the pack's grammars, of its examples outside their values, and by which people ask.
        closed: Phrases that say an argument.
        named: Function → words of the labels of its arguments' nodes that are no carrier: outside a value they may say
            an argument that the row does not have.
    """

    carrier: frozenset[str]
    closed: ClosedValues
    named: Mapping[str, frozenset[str]]

    @classmethod
    def build(
        cls, pack: DomainPack, lexicon: Lexicon, literals: Iterable[str], examples: Iterable[Example]
    ) -> OutsideWords:
        """Collect them.

        Args:
            pack: Arguments and nodes.
            lexicon: `Lexicon.from_pack` of the same pack.
            literals: What its grammars say beside the values.
            examples: Its few-shot examples.
        """
        words = {word for text in literals for word in fold_words(text)}
        for example in examples:
            between = find_spans(example.query, example.arguments).words_between()
            words.update(word for stretch in between for word in stretch)
        asking = (*features.NEEDS, *features.LEAD_INS, *lexicon.actions)
        words.update(word for phrase in asking for word in phrase)
        carrier = frozenset(words).union(
            FUNCTION_WORDS, lexicon.verbs, features.WH_OPENERS, features.MODAL_OPENERS, features.SUBJECTS, _COURTESIES
        )
        spoken = {function: roles.spoken for function, roles in pack.spec.roles.items() if roles.spoken}
        words_of: dict[str, set[str]] = {}
        for node in pack.nodes:
            texts = (node.label, *node.aliases)
            words_of.setdefault(node.type, set()).update(word for text in texts for word in fold_words(text))
        named = {
            function: frozenset().union(*(words_of.get(node_type, ()) for node_type in types.values())) - carrier
            for function, types in spoken.items()
        }
        return cls(carrier, ClosedValues.collect(spoken, pack.nodes, carrier), named)
