"""Graded steps against the plain forward pass."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxlrm.models import params
from jaxlrm.models.reward import value_logit
from jaxlrm.models.transformer import forward, unembed
from jaxlrm.testing import model_config
from jaxlrm.train import data, grade

CONFIG = model_config(value_head=True)


@pytest.mark.slow
def test_grades_are_those_of_each_chain_read_alone():
    values = params.init(CONFIG, jax.random.key(0))
    values = values.replace(
        value_head=values.value_head.replace(
            kernel=jax.random.normal(
                jax.random.key(1), values.value_head.kernel.shape
            )
        )
    )

    @jax.jit
    def read(tokens):
        hidden, _ = forward(
            CONFIG,
            values,
            tokens[None, None],
            jnp.arange(tokens.size)[None, None],
            jnp.tri(tokens.size, dtype=bool),
        )
        said = jax.nn.log_softmax(unembed(CONFIG, values, hidden))
        return value_logit(values, hidden)[0, 0], said[0, 0]

    rng = np.random.default_rng(0)
    documents, expected = [], []
    for size in rng.choice([3, 12, 25, 39], 21):
        tokens = rng.integers(0, CONFIG.vocab_size, size)
        ends = [size // 2, size - 1]
        labels = [float(size), float(size) + 0.5]
        begins = [1, size // 2 + 1]
        documents.append(
            data.Document(tokens, size, ends, labels, begins=begins)
        )
        logits, said = read(jnp.array(tokens))
        expected += [
            (
                float(logits[end]),
                sum(
                    float(said[i - 1, tokens[i]]) for i in range(begin, end + 1)
                ),
                label,
            )
            for begin, end, label in zip(begins, ends, labels, strict=True)
        ]
    found = grade.grade(CONFIG, values, documents)
    expected = zip(*expected, strict=True)
    for one, other in zip(found[:3], expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-4)


def test_steps_after_the_same_tokens_have_the_same_parent():
    values = params.init(CONFIG, jax.random.key(0))
    tokens = ([1, 2, 3, 4], [1, 2, 5, 6], [1, 7, 3, 4], [1, 2, 3, 4])
    documents = [
        data.Document(each, 4, [1, 3], [1.0, 0.0], begins=[1, 2])
        for each in tokens
    ]
    first, second = (
        grade.grade(CONFIG, values, documents).parents.reshape(4, 2).T
    )
    assert len(set(first.tolist())) == 1
    assert second[0] == second[1] == second[3]
    assert len({first[0], second[0], second[2]}) == 3


def test_a_value_head_and_chains_are_needed():
    values = params.init(CONFIG, jax.random.key(0))
    with pytest.raises(ValueError, match="no labelled chain"):
        grade.grade(CONFIG, values, [])
    without = dataclasses.replace(CONFIG, value_head=False)
    with pytest.raises(ValueError, match="no value head"):
        grade.grade(without, values, [data.Document([1], 1, [0], [1.0])])
