"""Training documents, packed into rows.

A batch is a function of the seed and the step alone, so a resumed run reads
what the killed one would have read.
"""

from __future__ import annotations

import itertools
import json
import pathlib
import random
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from jaxlrm import extend
from jaxlrm.config import TrainConfig
from jaxlrm.text import Text, train_tokenizer

_SAMPLE = 2000  # documents whose sizes say how many are long
_MOST_MISSES = 8  # documents that fit no row before a batch counts as full


class Document(NamedTuple):
    """One chain of thought as tokens.

    Attributes:
        tokens: prompt and steps.
        start: first token that the language model learns to write; the
            length of `tokens` if it learns none of them.
        ends: index of the last token of each judged step.
        labels: for each of them, whether the chain is right so far, in
            [0, 1].
        count: how often it is drawn, compared with others.
        given: ranges of tokens, `(first, after the last)`, that a tool writes
            and the model does not learn to.
        begins: index of the first token of each judged step.
    """

    tokens: Sequence[int]
    start: int
    ends: Sequence[int] = ()
    labels: Sequence[float] = ()
    count: int = 1
    given: Sequence[tuple[int, int]] = ()
    begins: Sequence[int] = ()


class Batch(NamedTuple):
    """`R` rows of `S` tokens, several documents a row.

    Attributes:
        tokens: `[R, S] int32`.
        targets: `[R, S] int32`, the next token.
        weights: `[R, S] float32`, 1 where the target is to be learned.
        positions: `[R, S] int32`, from 0 in each document.
        documents: `[R, S] int32`, from 1; 0 is padding.
        labels: `[R, S] float32`, of the value head.
        label_weights: `[R, S] float32`, 1 where there is a label.
    """

    tokens: np.ndarray
    targets: np.ndarray
    weights: np.ndarray
    positions: np.ndarray
    documents: np.ndarray
    labels: np.ndarray
    label_weights: np.ndarray


class Stream:
    """Batches drawn from families of problems and from sampled chains."""

    def __init__(
        self,
        text: Text,
        names: Sequence[str],
        *,
        rows: int,
        length: int,
        seed: int,
        long: int = 0,
        levels: Sequence[int] = extend.TRAINED,
        easy_steps: int = 0,
        rollouts: Sequence[Document] = (),
        rollout_share: float = 0.0,
    ):
        """Reads nothing yet.

        Args:
            text: the tokenizer.
            names: families of problems, in equal parts, with a level of
                difficulty as in `expand@5` or without.
            rows: rows a batch.
            length: tokens a row.
            seed: of the draw.
            long: tokens a row of the batches of longer documents; 0 leaves
                those out.
            levels: of difficulty, in equal parts, of families named without.
            easy_steps: first batches, which leave out the harder `levels`.
            rollouts: sampled chains.
            rollout_share: share of documents that are sampled chains.

        Raises:
            ValueError: no family, an unknown one or an unknown level, or no
                document fits a long row.
        """
        if not names and rollout_share < 1:
            raise ValueError(
                "there are no tasks to draw problems from; name families in "
                "config.tasks, and the modules that register them in "
                "config.extensions"
            )
        self.text = text
        self._tasks = [
            (extend.get(family), level)
            for family, level in map(extend.at_level, names)
        ]
        self._rows, self._length, self._seed = rows, length, seed
        self._long = long
        self._levels = sorted(levels)
        self._easy_steps = easy_steps
        self._rollouts = rollouts
        self._counts = list(itertools.accumulate(d.count for d in rollouts))
        self._share = rollout_share
        easy = self._levels[: (len(self._levels) + 1) // 2]
        # Of each phase: its levels, and the share of batches of long rows.
        self._easy = (easy, self._measure_long(easy) if easy_steps else 0.0)
        self._all = (self._levels, self._measure_long(self._levels))

    def batch(self, step: int) -> Batch:
        """The batch of one optimiser step.

        Raises:
            ValueError: no document fits a row.
        """
        rng = random.Random(f"{self._seed}/{step}")
        easy = step < self._easy_steps
        levels, share = self._easy if easy else self._all
        long = rng.random() < share

        def draw() -> Document:
            while True:
                document = self._draw(rng, levels)
                size = len(document.tokens)
                if not self._long or (
                    size <= self._long and long == (size > self._length)
                ):
                    return document

        if not long:
            return pack(draw, self._rows, self._length)
        rows = self._rows * self._length // self._long
        return pack(draw, rows, self._long)

    def _draw(self, rng: random.Random, levels: Sequence[int]) -> Document:
        if self._share and rng.random() < self._share:
            return rng.choices(self._rollouts, cum_weights=self._counts)[0]
        family, level = rng.choice(self._tasks)
        level = level or rng.choice(levels)
        return worked(self.text, family.sample(rng, level))

    def _measure_long(self, levels: Sequence[int]) -> float:
        """The share of tokens in long documents, from a sample."""
        if not self._long:
            return 0.0
        rng = random.Random(f"{self._seed}/long")
        drawn = [self._draw(rng, levels) for _ in range(_SAMPLE)]
        sizes = [len(d.tokens) for d in drawn if len(d.tokens) <= self._long]
        if not sizes:  # a batch would draw for ever
            shortest = min(len(d.tokens) for d in drawn)
            raise ValueError(
                f"none of {_SAMPLE} documents fits a row of long "
                f"{self._long}, the shortest has {shortest} tokens; lengthen "
                "the rows"
            )
        return sum(n for n in sizes if n > self._length) / sum(sizes)


def tokenizer(config: TrainConfig) -> Text:
    """That of the model to start from, or a new one for these families."""
    families = [extend.at_level(name)[0] for name in config.tasks]
    names = tuple(dict.fromkeys(families))
    if config.init:
        text = Text.load(config.init)
        if text.tasks:
            text.tasks = tuple(dict.fromkeys((*text.tasks, *names)))
        known = (*text.extensions, *config.extensions)
        text.extensions = tuple(dict.fromkeys(known))
        return text
    rng = random.Random(f"{config.seed}/tokenizer")
    problems = [
        extend.get(name).sample(rng, rng.choice(config.levels))
        for name in names
        for _ in range(2000)
    ]
    texts = [part for p in problems for part in (p.text, *p.steps)]
    return train_tokenizer(
        texts, config.model.vocab_size, names, config.extensions
    )


def worked(text: Text, problem: extend.Problem) -> Document:
    """A problem's worked chain of thought, to be imitated.

    What a tool writes becomes tokens as in a search: apart from the rest, and
    then a delimiter.
    """
    tokens = text.encode_prompt(problem.text)
    start = len(tokens)
    given = []
    written = ""
    for index, line in enumerate(problem.steps):
        delimiter = text.step if index + 1 < len(problem.steps) else ""
        if index not in problem.outputs:
            written += line + delimiter
            continue
        tokens += text.encode(written)
        written = ""
        output = [*text.encode(line), *text.encode(delimiter)]
        given.append((len(tokens), len(tokens) + len(output)))
        tokens += output
    tokens += text.encode(written)
    return Document([*tokens, text.end[0]], start, given=given)


class Labelled(NamedTuple):
    """A sampled chain with step labels, a line of a file of rollouts.

    Attributes:
        problem: its text.
        steps: one text each.
        labels: of each step, in [0, 1]; None where nobody knows.
        ended: whether the last step is an answer; else it has a step's
            delimiter.
        count: how often the chain was sampled.
    """

    problem: str
    steps: Sequence[str]
    labels: Sequence[float | None]
    ended: bool = True
    count: int = 1


_FORM = (
    '{"problem": str, "steps": [str], "labels": [0 to 1, or null], '
    '"ended": bool?, "count": 1 or more?}'
)


def read_chains(path: str | pathlib.Path) -> list[Labelled]:
    """The lines of a file of rollouts, each an object as `Labelled`.

    Raises:
        OSError: the file cannot be read.
        ValueError: it has no lines, or a line is not UTF-8, lacks a field or
            has a wrong one, or another number of labels than of steps; names
            the file and the line.
    """
    chains = []
    with open(path, "rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                # Some editors begin a file with a mark.
                line = line.decode("utf-8-sig" if number == 1 else "utf-8")
                chains.append(_labelled(json.loads(line)))
            except UnicodeError as error:
                raise ValueError(
                    f"{path}:{number}: not UTF-8 text: {error.reason}"
                ) from None
            except (ValueError, RecursionError) as error:
                raise ValueError(
                    f"{path}:{number}: {error}; a line is {_FORM}"
                ) from None
    if not chains:
        raise ValueError(f"{path} has no lines; sample chains first")
    return chains


def _labelled(record) -> Labelled:
    """Raises ValueError, UnicodeError among them, for what is no chain."""
    if not isinstance(record, dict):
        raise ValueError(f"not an object but {record!r:.40}")

    def is_text(value) -> bool:
        return isinstance(value, str)

    def is_label(value) -> bool:
        known = isinstance(value, int | float) and 0 <= value <= 1
        return known or value is None

    def is_list(value, is_item) -> bool:
        return isinstance(value, list) and all(map(is_item, value))

    fits = {
        "problem": is_text,
        "steps": lambda value: is_list(value, is_text),
        "labels": lambda value: is_list(value, is_label),
        "ended": lambda value: isinstance(value, bool),
        "count": lambda value: type(value) is int and value > 0,
    }
    record = Labelled._field_defaults | record
    for name, fit in fits.items():
        if name not in record:
            raise ValueError(f"{name!r} is missing")
        if not fit(record[name]):
            raise ValueError(f"{name!r} is {record[name]!r:.40}")
    chain = Labelled(*(record[name] for name in fits))
    "".join((chain.problem, *chain.steps)).encode()  # no half characters
    if not chain.steps or len(chain.steps) != len(chain.labels):
        raise ValueError(
            f"{len(chain.steps)} steps, {len(chain.labels)} labels, where each "
            "step has one"
        )
    return chain


def read_rollouts(path: str | pathlib.Path, text: Text) -> list[Document]:
    """The chains of `read_chains` as documents, which nobody imitates.

    Raises:
        OSError, ValueError: as of `read_chains`.
    """
    return [labelled(text, chain) for chain in read_chains(path)]


def labelled(text: Text, chain: Labelled) -> Document:
    """A chain to be judged."""
    tokens = text.encode_prompt(chain.problem)
    begins, ends, known = [], [], []
    for index, (step, label) in enumerate(
        zip(chain.steps, chain.labels, strict=True), 1
    ):
        begin = len(tokens)
        tokens += text.encode(step)
        last = chain.ended and index == len(chain.steps)
        tokens += [text.end[0]] if last else text.encode(text.step)
        if label is not None:
            begins.append(begin)
            ends.append(len(tokens) - 1)
            known.append(label)
    return Document(
        tokens, len(tokens), ends, known, chain.count, begins=begins
    )


def pack(draw, rows: int, length: int) -> Batch:
    """Fills `rows` rows of `length` tokens with documents from `draw()`.

    Each document goes to the first row with room for it. One longer than a
    row is left out.

    Raises:
        ValueError: all that were drawn are longer than a row.
    """
    batch = _empty(rows, length)
    used = [0] * rows
    misses = number = 0
    while misses < _MOST_MISSES:
        document = draw()
        size = len(document.tokens)
        row = next((r for r in range(rows) if used[r] + size <= length), None)
        if row is None:
            misses += 1
            continue
        number += 1
        _put(batch, row, used[row], number, document)
        used[row] += size
    if number == 0:
        raise ValueError(
            f"{misses} documents in a row have over {length} tokens, the last "
            f"one {size}; lengthen the rows"
        )
    return batch


def pad(documents: Sequence[Document], rows: int, length: int) -> Batch:
    """A batch with one document a row, and empty rows after them.

    Raises:
        ValueError: there are more documents than rows.
    """
    if len(documents) > rows:
        raise ValueError(f"{len(documents)} documents for {rows} rows")
    batch = _empty(rows, length)
    for row, document in enumerate(documents):
        _put(batch, row, 0, row + 1, document)
    return batch


def _empty(rows: int, length: int) -> Batch:
    shape = (rows, length)
    return Batch(
        *(np.zeros(shape, np.int32) for _ in range(2)),
        np.zeros(shape, np.float32),
        *(np.zeros(shape, np.int32) for _ in range(2)),
        *(np.zeros(shape, np.float32) for _ in range(2)),
    )


def _put(batch: Batch, row: int, begin: int, number: int, document: Document):
    size = len(document.tokens)
    here = slice(begin, begin + size)
    batch.tokens[row, here] = document.tokens
    batch.targets[row, begin : begin + size - 1] = document.tokens[1:]
    learned = slice(begin + document.start - 1, begin + size - 1)
    batch.weights[row, learned] = 1.0
    for first, end in document.given:
        batch.weights[row, begin + first - 1 : begin + end - 1] = 0.0
    batch.positions[row, here] = np.arange(size)
    batch.documents[row, here] = number
    for end, label in zip(document.ends, document.labels, strict=True):
        batch.labels[row, begin + end] = label
        batch.label_weights[row, begin + end] = 1.0
