"""Losses of the language model and of the value head."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import optax

from jaxlrm.config import ModelConfig
from jaxlrm.models.attention import attend
from jaxlrm.models.params import Transformer
from jaxlrm.models.reward import value_logit
from jaxlrm.models.transformer import Attention, forward, unembed
from jaxlrm.train.data import Batch


def loss(
    config: ModelConfig,
    params: Transformer,
    batch: Batch,
    value_weight: float,
    attention: Attention = attend,
    whole: Batch | None = None,
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Cross entropy of the next token, plus that of the step labels.

    Args:
        config: shape of the model.
        params: its parameters.
        batch: what is read.
        value_weight: of the step labels.
        attention: how to attend.
        whole: the batch that `batch` is some rows of, if it is not whole;
            what is returned for all its parts sums to what is returned for it.

    Returns:
        The scalar to minimise and the metrics `loss` (nats a learned token),
        `accuracy` (of the likeliest next token), `tokens` (learned ones) and,
        with a value head, `value_loss` (nats a label).
    """
    whole = batch if whole is None else whole
    tokens = jnp.maximum(whole.weights.sum(), 1)
    labels = jnp.maximum(whole.label_weights.sum(), 1)
    batch = Batch(*(leaf[:, None] for leaf in batch))  # one branch a row
    hidden, _ = forward(
        config,
        params,
        batch.tokens,
        batch.positions,
        document_mask(batch.documents),
        attention=attention,
    )
    logits = unembed(config, params, hidden)
    entropy = optax.softmax_cross_entropy_with_integer_labels(
        logits, batch.targets
    )
    total = (entropy * batch.weights).sum() / tokens
    right = logits.argmax(-1) == batch.targets
    metrics = {
        "loss": total,
        "accuracy": (right * batch.weights).sum() / tokens,
        "tokens": batch.weights.sum(),
    }
    if config.value_head:
        judged = optax.sigmoid_binary_cross_entropy(
            value_logit(params, hidden), batch.labels
        )
        metrics["value_loss"] = (judged * batch.label_weights).sum() / labels
        total = total + value_weight * metrics["value_loss"]
    return total, metrics


def document_mask(documents: jax.Array) -> jax.Array:
    """`[R, B, S] int32` document numbers to the mask `[R, B, S, S] bool`.

    A token sees earlier tokens of its own document, and itself:

        documents  1 1 2      mask  x . .
                                    x x .
                                    . . x
    """
    length = documents.shape[-1]
    same = documents[..., :, None] == documents[..., None, :]
    return same & jnp.tri(length, dtype=bool)
