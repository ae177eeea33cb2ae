"""Documents and how they are packed into rows."""

from __future__ import annotations

import json
import random
import re

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxlrm import extend
from jaxlrm.config import TrainConfig
from jaxlrm.testing import model_config, text
from jaxlrm.train import data
from jaxlrm.train.data import Batch, Document

pytest.importorskip("jaxlrm.families")

ROWS, LENGTH = 3, 12

DOCUMENTS = st.lists(
    st.integers(2, LENGTH + 2).flatmap(
        lambda size: st.builds(
            Document,
            tokens=st.lists(
                st.integers(1, 99), min_size=size, max_size=size
            ).map(tuple),
            start=st.integers(1, size),
            ends=st.just(()),
            labels=st.just(()),
            given=st.lists(
                st.tuples(st.integers(1, size), st.integers(1, size)).map(
                    sorted
                ),
                max_size=2,
            ),
        )
    ),
    min_size=1,
    max_size=15,
)


def drawn(documents):
    """Draws the documents in order, from the start again after the last."""
    number = -1

    def draw():
        nonlocal number
        number += 1
        return documents[number % len(documents)]

    return draw


def first_fit(documents, rows: int, length: int, misses: int = 8):
    """Which documents each row gets, by the book."""
    packed = [[] for _ in range(rows)]
    draw = drawn(documents)
    while misses:
        document = draw()
        for row in packed:
            used = sum(len(d.tokens) for d in row)
            if used + len(document.tokens) <= length:
                row.append(document)
                break
        else:
            misses -= 1
    return packed


@given(DOCUMENTS)
def test_packing(documents):
    expected = first_fit(documents, ROWS, LENGTH)
    if not any(expected):
        with pytest.raises(ValueError, match="lengthen the rows"):
            data.pack(drawn(documents), ROWS, LENGTH)
        return
    batch = data.pack(drawn(documents), ROWS, LENGTH)
    for leaf in batch:
        assert leaf.shape == (ROWS, LENGTH)
    numbers = set()
    for row, contents in enumerate(expected):
        begin = 0
        for document in contents:
            size = len(document.tokens)
            here = slice(begin, begin + size)
            tokens = np.array(document.tokens)
            assert (batch.tokens[row, here] == tokens).all()
            assert (batch.positions[row, here] == np.arange(size)).all()
            (number,) = set(batch.documents[row, here].tolist())
            numbers.add(number)
            # A token is learned at the place of the one before it.
            inner = slice(begin, begin + size - 1)
            assert (batch.targets[row, inner] == tokens[1:]).all()
            learned = np.arange(1, size) >= document.start
            for first, end in document.given:
                learned[first - 1 : end - 1] = False
            assert (batch.weights[row, inner] == learned).all()
            assert batch.weights[row, begin + size - 1] == 0
            begin += size
        assert not batch.documents[row, begin:].any()
        assert not batch.weights[row, begin:].any()
    count = sum(map(len, expected))
    assert numbers == set(range(1, count + 1))
    assert not batch.label_weights.any()


def test_labels_stand_at_the_ends_of_steps():
    judged = Document((5, 6, 7, 8, 9), 5, (2, 4), (1, 0))
    batch = data.pack(drawn([judged]), 1, 11)
    assert not batch.weights.any()
    places = np.flatnonzero(batch.label_weights[0]).tolist()
    assert places == [2, 4, 7, 9]
    assert batch.labels[0, places].tolist() == [1, 0, 1, 0]


def stream(**changes) -> data.Stream:
    options = {"rows": 4, "length": 160, "seed": 3}
    return data.Stream(
        text(), ("linear", "arithmetic"), **{**options, **changes}
    )


def equal(one: Batch, other: Batch) -> bool:
    return jax.tree.all(jax.tree.map(np.array_equal, one, other))


def test_a_batch_is_a_function_of_seed_and_step():
    first, second = stream(), stream()
    later = second.batch(7)
    assert equal(first.batch(0), second.batch(0))
    assert equal(first.batch(7), later)
    assert not equal(first.batch(0), later)
    assert not equal(first.batch(0), stream(seed=4).batch(0))


def test_batches_are_nearly_full_and_of_all_tasks():
    found = stream()
    batches = [found.batch(step) for step in range(8)]
    full = np.mean([(batch.documents > 0).mean() for batch in batches])
    assert full > 0.75
    prompts = "".join(
        text().decode(row.tolist()) for batch in batches for row in batch.tokens
    )
    assert "Solve" in prompts and "What is" in prompts


class Levels:
    """A family whose problems say their level; those of 5 are long."""

    name = "levels"
    dead_ends = False
    statement = accepts = None

    def sample(self, rng, level=3):
        del rng
        steps = ("1 + 1",) * (30 if level == 5 else 3)
        return extend.Problem(f"level {level}", "2", self.name, steps)


@pytest.fixture
def levels_of(monkeypatch):
    """Which levels a batch's problems are of."""
    monkeypatch.setattr(extend, "_FAMILIES", dict(extend._FAMILIES))
    extend.register(Levels())

    def found(batch) -> set[int]:
        rows = [text().decode(row.tolist()) for row in batch.tokens]
        return {int(n) for n in re.findall("level ([0-9])", "".join(rows))}

    return found


def levelled(*names: str, **changes) -> data.Stream:
    options = {"rows": 4, "length": 250, "seed": 3, **changes}
    return data.Stream(text(), names or ("levels",), **options)


def test_levels(levels_of):
    assert levels_of(levelled().batch(0)) == {1, 2, 3, 4, 5}
    assert levels_of(levelled(levels=(7, 2)).batch(0)) == {2, 7}
    assert levels_of(levelled(levels=(6,)).batch(0)) == {6}


def test_a_family_may_name_its_level(levels_of):
    assert levels_of(levelled("levels@4").batch(0)) == {4}
    assert levels_of(levelled("levels@4", easy_steps=1).batch(0)) == {4}
    both = levelled("levels", "levels@7", levels=(1,))
    assert levels_of(both.batch(0)) == {1, 7}


@pytest.mark.parametrize(
    ("levels", "lower"),
    [((1, 2, 3, 4, 5), {1, 2, 3}), ((7, 2), {2}), ((2, 3, 6, 7), {2, 3})],
)
def test_the_first_steps_leave_out_the_harder_levels(levels_of, levels, lower):
    found = levelled(levels=levels, easy_steps=3)
    for step in range(3):
        assert levels_of(found.batch(step)) == lower
    assert levels_of(found.batch(3)) == set(levels)
    assert equal(found.batch(3), levelled(levels=levels).batch(3))
    assert not equal(found.batch(2), levelled(levels=levels).batch(2))


def test_longer_documents_have_batches_of_their_own(levels_of):
    found = levelled(length=128, long=256)
    shapes = set()
    for step in range(12):
        batch = found.batch(step)
        shapes.add(batch.tokens.shape)
        long = batch.tokens.shape == (2, 256)
        assert levels_of(batch) == ({5} if long else {1, 2, 3, 4})
        for leaf in batch:
            assert leaf.shape == batch.tokens.shape
        assert equal(batch, levelled(length=128, long=256).batch(step))
    assert shapes == {(4, 128), (2, 256)}  # as many tokens
    # Else they are left out.
    short = levelled(length=128)
    for step in range(3):
        assert short.batch(step).tokens.shape == (4, 128)
        assert levels_of(short.batch(step)) <= {1, 2, 3, 4}


def test_long_batches_are_as_many_as_their_tokens(levels_of):
    found = levelled(length=128, long=256)
    long = [len(found.batch(step).tokens) == 2 for step in range(120)]
    size = {
        level: len(data.worked(text(), Levels().sample(random, level)).tokens)
        for level in (1, 5)
    }
    share = size[5] / (size[5] + 4 * size[1])
    assert np.mean(long) == pytest.approx(share, abs=0.15)


def test_easy_steps_may_have_no_long_documents(levels_of):
    """And the batches are drawn at all."""
    found = levelled(length=128, long=256, easy_steps=12)
    for step in range(12):
        batch = found.batch(step)
        assert batch.tokens.shape == (4, 128)
        assert levels_of(batch) <= {1, 2, 3}
    later = levelled(length=128, long=256).batch(12)
    assert equal(found.batch(12), later)


def test_long_batches_of_the_families():
    names = ("gcd", "rational")
    found = data.Stream(text(), names, rows=4, length=160, seed=3, long=320)
    for step in range(8):
        batch = found.batch(step)
        sizes = [
            int((batch.documents == number).sum())
            for number in range(1, batch.documents.max() + 1)
        ]
        assert batch.tokens.size == 4 * 160
        if len(batch.tokens) == 2:
            assert min(sizes) > 160
        else:
            assert max(sizes) <= 160


def test_rollouts_share_the_batch():
    rollout = Document(range(5, 65), 60, (30, 59), (1, 0))

    def judged(share) -> float:
        found = stream(rollouts=[rollout], rollout_share=share)
        batches = [found.batch(step) for step in range(10)]
        labelled = sum(b.label_weights.sum() / 2 for b in batches)
        return labelled / sum(b.documents.max(1).max() for b in batches)

    assert judged(0.0) == 0
    assert 0.25 < judged(0.5) < 0.75
    assert judged(1.0) == 1


def test_a_worked_chain():
    problem = extend.Problem("2 + 3 - 1", "4", "arithmetic", ("5 - 1", "4"))
    document = data.worked(text(), problem)
    prompt = text().encode_prompt(problem.text)
    assert list(document.tokens[: document.start]) == prompt
    assert document.tokens[-1] in text().end
    assert text().decode(document.tokens[document.start :]) == "5 - 1\n4"
    assert not document.ends and not document.labels


def test_what_a_tool_wrote_is_read_and_not_learned():
    steps = (">>> 2**5", "32", ">>> _ % 7", "4", "answer: 4")
    problem = extend.Problem("2^5 modulo 7", "4", "programs", steps, (1, 3))
    document = data.worked(text(), problem)
    tokens = list(document.tokens)
    plain = data.worked(text(), problem._replace(outputs=()))
    assert tokens == list(plain.tokens) and not plain.given
    found = [text().decode(tokens[slice(*span)]) for span in document.given]
    assert found == ["32\n", "4\n"]
    batch = data.pad([document], 1, len(tokens))
    learned = np.flatnonzero(batch.weights[0])
    written = text().decode(batch.targets[0, learned].tolist())
    assert written == ">>> 2**5\n>>> _ % 7\nanswer: 4"
    assert batch.targets[0, learned[-1]] in text().end
    assert (batch.tokens[0] == tokens).all()


def test_the_family_of_programs_says_what_a_tool_wrote():
    rng = random.Random(3)
    for _ in range(20):
        problem = extend.get("programs").sample(rng, 5)
        document = data.worked(text(), problem)
        found = [
            text().decode(document.tokens[slice(*span)])
            for span in document.given
        ]
        assert found == [f"{problem.steps[i]}\n" for i in problem.outputs]


def write(path, *lines):
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def test_rollouts(tmp_path):
    record = {"problem": "1 + 2", "steps": ["3 + 0", "3"], "labels": [1, 0]}
    path = write(tmp_path / "rollouts.jsonl", json.dumps(record))
    (document,) = data.read_rollouts(path, text())
    assert document.start == len(document.tokens)  # not to be imitated
    assert list(document.labels) == [1, 0]
    first, last = document.ends
    tokens = list(document.tokens)
    assert text().decode(tokens[: first + 1]) == "1 + 2\n3 + 0\n"
    assert text().decode(tokens[: last + 1]) == "1 + 2\n3 + 0\n3"
    assert last == len(tokens) - 1 and tokens[last] in text().end
    worked = data.worked(
        text(), extend.Problem("1 + 2", "3", "arithmetic", ("3 + 0", "3"))
    )
    assert tokens == list(worked.tokens)  # what the model will have written


def chain_line(**changes):
    line = {"problem": "1 + 2", "steps": ["3 + 0", "3"], "labels": [1, None]}
    return json.dumps(line | changes)


@pytest.mark.parametrize(
    ("lines", "match"),
    [
        (['{"problem": "1", "steps": ["2"]}'], ":1: .*labels"),
        (['{"steps": ["2"], "labels": [1]}'], ":1: .*problem"),
        (["{"], ":1: "),
        (["[]"], ":1: "),
        (['{"problem": "1", "steps": ["2"], "labels": []}'], "1 steps, 0"),
        (['{"problem": "1", "steps": [], "labels": []}'], "0 steps"),
        (
            [
                '{"problem": "1", "steps": ["2"], "labels": [1]}',
                '{"problem": "1", "steps": ["2"], "labels": [1, 1]}',
            ],
            ":2: 1 steps, 2 labels",
        ),
        ([], "no lines"),
        ([chain_line(problem=3)], ":1: 'problem' is 3; a line is"),
        ([chain_line(), chain_line(steps="23")], ":2: 'steps' is '23'"),
        ([chain_line(steps=["2", 3])], ":1: 'steps' is"),
        ([chain_line(labels=[1, 2])], r":1: 'labels' is \[1, 2\]"),
        ([chain_line(labels=[1, -0.5])], ":1: 'labels' is"),
        ([chain_line(labels=[1, "1"])], ":1: 'labels' is"),
        ([chain_line(labels=[1, float("nan")])], ":1: 'labels' is"),
        ([chain_line(ended="no")], ":1: 'ended' is 'no'"),
        ([chain_line(count=0)], ":1: 'count' is 0"),
        ([chain_line(count=1.5)], ":1: 'count' is 1.5"),
        ([chain_line(problem="\ud800")], ":1: not UTF-8 text"),
        (["[" * 100_000], ":1: "),
    ],
)
def test_errors_of_rollouts(tmp_path, lines, match):
    with pytest.raises(ValueError, match=match):
        data.read_rollouts(write(tmp_path / "r.jsonl", *lines), text())


def test_rollouts_are_utf8(tmp_path):
    path = tmp_path / "r.jsonl"
    line = chain_line(problem="2 × 3").encode() + b"\n"
    path.write_bytes(b"\xef\xbb\xbf" + 2 * line)
    assert [c.problem for c in data.read_chains(path)] == 2 * ["2 × 3"]
    path.write_bytes(line + line.replace(b"3", b"\xff"))
    with pytest.raises(ValueError, match=r"r\.jsonl:2: not UTF-8"):
        data.read_rollouts(path, text())


def test_missing_rollouts(tmp_path):
    with pytest.raises(FileNotFoundError):
        data.read_rollouts(tmp_path / "none.jsonl", text())


def test_a_new_tokenizer_is_a_function_of_the_configuration(tmp_path):
    config = TrainConfig(
        model_config(vocab_size=112), tasks=("linear", "arithmetic")
    )
    first, second = data.tokenizer(config), data.tokenizer(config)
    sentence = "Solve 2*x = 10 for x.\n"
    assert first.encode(sentence) == second.encode(sentence)
    assert first.decode(first.encode(sentence)) == sentence
    assert first.vocab_size <= 112
    first.save(tmp_path)
    again = data.tokenizer(
        TrainConfig(model_config(vocab_size=112), init=str(tmp_path))
    )
    assert again.encode(sentence) == first.encode(sentence)


def test_a_new_tokenizer_is_of_the_families_of_the_configuration():
    names = ("factors", "evaluate")
    found = data.tokenizer(
        TrainConfig(model_config(vocab_size=112), tasks=names, levels=(1, 7))
    )
    assert found.tasks == names
    assert found.decode(found.encode("2 × 2 × 3")) == "2 × 2 × 3"
    levelled = data.tokenizer(
        TrainConfig(
            model_config(vocab_size=112), tasks=("factors@7", "factors@1")
        )
    )
    assert levelled.tasks == ("factors",)


def test_rows_that_no_document_fits():
    names = ("arithmetic",)
    with pytest.raises(ValueError, match="none of 2000 .* long 4, the short"):
        data.Stream(text(), names, rows=2, length=2, long=4, seed=0)
    with pytest.raises(ValueError, match="over 4 tokens"):
        data.Stream(text(), names, rows=2, length=4, seed=0).batch(0)


def test_unknown_task():
    with pytest.raises(ValueError, match="unknown task 'chess'"):
        data.Stream(text(), ("chess",), rows=1, length=9, seed=0)
    with pytest.raises(ValueError, match="unknown level '8' in 'gcd@8'"):
        data.Stream(text(), ("gcd@8",), rows=1, length=9, seed=0)
