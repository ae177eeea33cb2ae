"""What a model says about labelled steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxlrm.config import ModelConfig
from jaxlrm.models.params import Transformer
from jaxlrm.models.reward import value_logit
from jaxlrm.models.transformer import forward, unembed
from jaxlrm.train import data
from jaxlrm.train.losses import document_mask

_ROWS = 16  # chains that are read at a time
_GRAIN = 128  # lengths are rounded up to it: one program for each


class Grades(NamedTuple):
    """Of `n` steps, in the order of the documents and of their steps.

    Attributes:
        logits: `[n] float32`, of the value head.
        likelihoods: `[n] float32`, log-likelihoods of the steps' tokens.
        labels: `[n] float32`.
        parents: `[n] int32`, the same number for all steps that follow the
            same tokens: they are siblings.
    """

    logits: np.ndarray
    likelihoods: np.ndarray
    labels: np.ndarray
    parents: np.ndarray


def grade(
    config: ModelConfig,
    params: Transformer,
    documents: Sequence[data.Document],
) -> Grades:
    """Grades of the steps of all documents.

    Args:
        config: shape of the model, which must have a value head.
        params: its parameters.
        documents: chains with labelled steps.

    Raises:
        ValueError: the model has no value head, or there is no document.
    """
    if not config.value_head:
        raise ValueError("the model has no value head; train one first")
    if not documents:
        raise ValueError("there is no labelled chain to grade")

    @jax.jit
    def read(batch: data.Batch):
        batch = data.Batch(*(leaf[:, None] for leaf in batch))
        hidden, _ = forward(
            config,
            params,
            batch.tokens,
            batch.positions,
            document_mask(batch.documents),
        )
        logits = unembed(config, params, hidden)
        said = jnp.take_along_axis(logits, batch.targets[..., None], -1)[..., 0]
        said -= jax.nn.logsumexp(logits, -1)
        return value_logit(params, hidden)[:, 0], said[:, 0]

    order = sorted(
        range(len(documents)), key=lambda i: len(documents[i].tokens)
    )
    found: list[Grades] = [Grades(*[np.zeros(0, np.float32)] * 4)] * len(order)
    parents: dict[tuple[int, ...], int] = {}
    for start in range(0, len(order), _ROWS):
        part = order[start : start + _ROWS]
        length = -(-len(documents[part[-1]].tokens) // _GRAIN) * _GRAIN
        rows = data.pad([documents[i] for i in part], _ROWS, length)
        values, said = map(np.asarray, read(rows))
        # Of the tokens before one: the first of a document is given.
        sums = np.pad(np.cumsum(said, 1), [(0, 0), (1, 0)])
        for row, number in enumerate(part):
            document = documents[number]
            ends = np.array(document.ends, int)
            before = np.maximum(np.array(document.begins, int) - 1, 0)
            beginnings = (tuple(document.tokens[:b]) for b in document.begins)
            found[number] = Grades(
                values[row, ends],
                sums[row, ends] - sums[row, before],
                np.array(document.labels, np.float32),
                np.array(
                    [parents.setdefault(b, len(parents)) for b in beginnings],
                    np.int32,
                ),
            )
    return Grades(*map(np.concatenate, zip(*found, strict=True)))
