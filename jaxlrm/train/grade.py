"""What a value head says about labelled steps."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import numpy as np

from jaxlrm.config import ModelConfig
from jaxlrm.models.params import Transformer
from jaxlrm.models.reward import value_logit
from jaxlrm.models.transformer import forward
from jaxlrm.train import data
from jaxlrm.train.losses import document_mask

_ROWS = 16  # chains that are read at a time
_GRAIN = 128  # lengths are rounded up to it: one program for each


def grade(
    config: ModelConfig,
    params: Transformer,
    documents: Sequence[data.Document],
) -> tuple[np.ndarray, np.ndarray]:
    """Logits of the value head and labels, of the steps of all documents.

    Args:
        config: shape of the model, which must have a value head.
        params: its parameters.
        documents: chains with labelled steps.

    Returns:
        `[n] float32` and `[n] float32`, in no particular order.

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
        return value_logit(params, hidden)[:, 0]

    documents = sorted(documents, key=lambda d: len(d.tokens))
    logits, labels = [], []
    for start in range(0, len(documents), _ROWS):
        part = documents[start : start + _ROWS]
        length = -(-len(part[-1].tokens) // _GRAIN) * _GRAIN
        batch = data.pad(part, _ROWS, length)
        judged = batch.label_weights > 0
        logits.append(np.asarray(read(batch))[judged])
        labels.append(batch.labels[judged])
    return np.concatenate(logits), np.concatenate(labels)
