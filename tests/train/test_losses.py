"""The losses of packed rows are those of the documents in them."""

from __future__ import annotations

import functools
import math
import random

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxlrm.models.attention import attend, row_by_row
from jaxlrm.testing import learned, text
from jaxlrm.train import data
from jaxlrm.train.data import Document
from jaxlrm.train.losses import document_mask, loss
from tests import formulas

MODEL = learned()
WEIGHT = 0.5
LENGTH = 160


@functools.partial(jax.jit, static_argnames=("attention", "value_head"))
def losses(params, batch, *, attention=attend, value_head=True):
    config = MODEL.config
    if not value_head:
        config = learned(value_head=False).config
    return jax.value_and_grad(
        lambda values: loss(config, values, batch, WEIGHT, attention),
        has_aux=True,
    )(params)


def documents() -> list[Document]:
    """Worked chains and judged ones, of all kinds of lengths."""
    rng = random.Random(0)
    found = []
    for number in range(6):
        problem = formulas.Sums().sample(rng, 1)
        worked = data.worked(text(), problem)
        if number % 2:
            end = len(worked.tokens) - 1
            worked = worked._replace(
                start=len(worked.tokens),
                ends=(worked.start, end),
                labels=(1, number % 3 // 2),
            )
        found.append(worked)
    return found


def pack(*contents: Document, rows: int) -> data.Batch:
    waiting = list(contents)
    endless = Document([0] * (LENGTH + 1), 1)
    return data.pack(
        lambda: waiting.pop(0) if waiting else endless, rows, LENGTH
    )


@pytest.mark.parametrize("attention", [attend, row_by_row])
def test_packed_rows_have_the_loss_of_their_documents(attention):
    contents = documents()
    packed = pack(*contents, rows=4)
    assert packed.documents.max() == len(contents) > 4  # some share a row
    (total, metrics), gradient = losses(
        MODEL.params, packed, attention=attention
    )
    sums = {"loss": 0.0, "accuracy": 0.0, "value_loss": 0.0}
    tokens = labels = 0
    gradients = None
    for document in contents:
        (_, alone), slope = losses(MODEL.params, pack(document, rows=4))
        learns, judged = float(alone["tokens"]), len(document.ends)
        tokens, labels = tokens + learns, labels + judged
        sums["loss"] += learns * alone["loss"]
        sums["accuracy"] += learns * alone["accuracy"]
        sums["value_loss"] += judged * alone["value_loss"]
        # A document is of one kind, so its gradient is of one loss.
        scale = learns or judged
        slope = jax.tree.map(lambda x, n=scale: x * n, slope)
        kind = "text" if learns else "value"
        gradients = gradients or {}
        gradients[kind] = (
            jax.tree.map(jnp.add, gradients[kind], slope)
            if kind in gradients
            else slope
        )
    assert metrics["tokens"] == tokens
    for name, count in (
        ("loss", tokens),
        ("accuracy", tokens),
        ("value_loss", labels),
    ):
        assert metrics[name] == pytest.approx(
            float(sums[name]) / count, rel=1e-5
        )
    expected = metrics["loss"] + WEIGHT * metrics["value_loss"]
    assert total == pytest.approx(float(expected), rel=1e-6)
    jax.tree.map(
        lambda found, one, other: np.testing.assert_allclose(
            found, one / tokens + other / labels, rtol=2e-4, atol=2e-6
        ),
        gradient,
        gradients["text"],
        gradients["value"],
    )


def test_what_stands_beside_a_document_does_not_matter():
    one, other, *_ = (d for d in documents() if not d.ends)
    base = pack(one, rows=1)
    beside = pack(one, other._replace(start=len(other.tokens)), rows=1)
    assert beside.documents.max() == 2
    (first, _), _ = losses(MODEL.params, base)
    (second, _), _ = losses(MODEL.params, beside)
    assert first == pytest.approx(float(second), rel=1e-6)


def test_equal_logits_cost_the_logarithm_of_the_vocabulary():
    blind = MODEL.params.replace(
        embedding=jnp.zeros_like(MODEL.params.embedding)
    )
    (_, metrics), _ = losses(blind, pack(*documents(), rows=4))
    assert metrics["loss"] == pytest.approx(math.log(128), rel=1e-6)
    # Without a hidden state the value head knows nothing: one bit a label.
    assert metrics["value_loss"] == pytest.approx(math.log(2), rel=1e-6)


def test_a_batch_without_targets_costs_nothing():
    nothing = data.Batch(
        *(np.zeros_like(x) for x in pack(*documents(), rows=1))
    )
    (total, metrics), gradient = losses(MODEL.params, nothing)
    assert total == 0 and metrics["tokens"] == 0
    assert all(np.isfinite(x).all() for x in jax.tree.leaves(gradient))


def test_without_a_value_head_there_is_no_value_loss():
    bare = MODEL.params.replace(value_head=None)
    batch = pack(*documents(), rows=4)
    (total, metrics), _ = losses(bare, batch, value_head=False)
    assert set(metrics) == {"loss", "accuracy", "tokens"}
    assert total == metrics["loss"]


def test_document_mask():
    mask = document_mask(jnp.array([[[1, 1, 2, 0, 0]]]))
    assert mask.shape == (1, 1, 5, 5)
    assert mask[0, 0].astype(int).tolist() == [
        [1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [0, 0, 1, 0, 0],
        [0, 0, 0, 1, 0],
        [0, 0, 0, 1, 1],
    ]
