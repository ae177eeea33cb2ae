"""Training documents, packed into rows.

A batch is a function of the seed and the step alone, so a resumed run reads
what the killed one would have read.
"""

from __future__ import annotations

import json
import pathlib
import random
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from jaxlrm import tasks
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
        labels: for each of them, whether the chain is right so far.
    """

    tokens: Sequence[int]
    start: int
    ends: Sequence[int] = ()
    labels: Sequence[float] = ()


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
        levels: Sequence[int] = tasks.TRAINED,
        easy_steps: int = 0,
        rollouts: Sequence[Document] = (),
        rollout_share: float = 0.0,
    ):
        self.text = text
        self._tasks = [tasks.get(name) for name in names]
        self._rows, self._length, self._seed = rows, length, seed
        self._long = long
        self._levels = sorted(levels)
        self._easy_steps = easy_steps
        self._rollouts = rollouts
        self._share = rollout_share
        self._long_share = self._measure_long() if long else 0.0

    def batch(self, step: int) -> Batch:
        """The batch of one optimiser step."""
        rng = random.Random(f"{self._seed}/{step}")
        levels = self._levels
        if step < self._easy_steps:
            levels = levels[: (len(levels) + 1) // 2]
        long = rng.random() < self._long_share

        def draw() -> Document:
            while True:
                document = self._draw(rng, levels)
                if not self._long or long == self._is_long(document):
                    return document

        if not long:
            return pack(draw, self._rows, self._length)
        rows = self._rows * self._length // self._long
        return pack(draw, rows, self._long)

    def _draw(self, rng: random.Random, levels: Sequence[int]) -> Document:
        if self._share and rng.random() < self._share:
            return rng.choice(self._rollouts)
        family = rng.choice(self._tasks)
        return worked(self.text, family.sample(rng, rng.choice(levels)))

    def _is_long(self, document: Document) -> bool:
        return len(document.tokens) > self._length

    def _measure_long(self) -> float:
        """The share of tokens in long documents, from a sample."""
        rng = random.Random(f"{self._seed}/long")
        drawn = [self._draw(rng, self._levels) for _ in range(_SAMPLE)]
        sizes = [len(d.tokens) for d in drawn if len(d.tokens) <= self._long]
        return sum(n for n in sizes if n > self._length) / max(1, sum(sizes))


def tokenizer(config: TrainConfig) -> Text:
    """That of the model to start from, or a new one for these families."""
    if config.init:
        text = Text.load(config.init)
        if text.tasks:
            text.tasks = tuple(dict.fromkeys((*text.tasks, *config.tasks)))
        return text
    rng = random.Random(f"{config.seed}/tokenizer")
    problems = [
        tasks.get(name).sample(rng, rng.choice(config.levels))
        for name in config.tasks
        for _ in range(2000)
    ]
    texts = [part for p in problems for part in (p.text, *p.steps)]
    return train_tokenizer(texts, config.model.vocab_size, config.tasks)


def worked(text: Text, problem: tasks.Problem) -> Document:
    """A problem's worked chain of thought, to be imitated."""
    prompt = text.encode_prompt(problem.text)
    steps = text.encode(text.step.join(problem.steps))
    return Document([*prompt, *steps, text.end[0]], len(prompt))


def read_rollouts(path: str | pathlib.Path, text: Text) -> list[Document]:
    """Sampled chains with step labels.

    Each line is `{"problem": str, "steps": [str], "labels": [0 or 1]}`; a
    finished chain has one label a step.

    Raises:
        ValueError: a line lacks a field or has another number of labels, or
            there is none.
    """
    documents = []
    with open(path, encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                record = json.loads(line)
                problem = record["problem"]
                steps, labels = record["steps"], record["labels"]
            except (ValueError, KeyError, TypeError) as error:
                raise ValueError(
                    f"{path}:{number}: {error!r}; a line is "
                    '{"problem": str, "steps": [str], "labels": [0 or 1]}'
                ) from error
            if not steps or len(steps) != len(labels):
                raise ValueError(
                    f"{path}:{number}: {len(steps)} steps, {len(labels)} "
                    "labels; each step needs one"
                )
            tokens = text.encode_prompt(problem)
            ends = []
            for index, step in enumerate(steps):
                tokens += text.encode(step)
                last = index + 1 == len(steps)
                tokens += [text.end[0]] if last else text.encode(text.step)
                ends.append(len(tokens) - 1)
            documents.append(Document(tokens, len(tokens), ends, labels))
    if not documents:
        raise ValueError(f"{path} has no lines; sample chains first")
    return documents


def pack(draw, rows: int, length: int) -> Batch:
    """Fills `rows` rows of `length` tokens with documents from `draw()`.

    Each document goes to the first row with room for it. One longer than a
    row is left out.

    Raises:
        ValueError: all that were drawn are longer than a row.
    """
    shape = (rows, length)
    batch = Batch(
        *(np.zeros(shape, np.int32) for _ in range(2)),
        np.zeros(shape, np.float32),
        *(np.zeros(shape, np.int32) for _ in range(2)),
        *(np.zeros(shape, np.float32) for _ in range(2)),
    )
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
        begin = used[row]
        here = slice(begin, begin + size)
        used[row] += size
        batch.tokens[row, here] = document.tokens
        batch.targets[row, begin : begin + size - 1] = document.tokens[1:]
        learned = slice(begin + document.start - 1, begin + size - 1)
        batch.weights[row, learned] = 1.0
        batch.positions[row, here] = np.arange(size)
        batch.documents[row, here] = number
        for end, label in zip(document.ends, document.labels, strict=True):
            batch.labels[row, begin + end] = label
            batch.label_weights[row, begin + end] = 1.0
    if number == 0:
        raise ValueError(
            f"{misses} documents in a row have over {length} tokens, the last "
            f"one {size}; lengthen the rows"
        )
    return batch
