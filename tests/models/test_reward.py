"""Scores of a reward model, read a few branches at a time."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxlrm import testing
from jaxlrm.models import cache as cache_lib
from jaxlrm.models import reward
from jaxlrm.models.segments import Context
from jaxlrm.models.transformer import forward, unembed

G, B, Q, S = 2, 6, 4, 5
MODEL = testing.learned(3, num_kv_heads=1)


def test_the_logit_is_float32_in_any_model():
    half = jax.tree.map(lambda x: jnp.asarray(x, jnp.bfloat16), MODEL.params)
    hidden = jnp.ones((2, 3, MODEL.config.hidden_size), jnp.bfloat16)
    logit = reward.value_logit(half, hidden)
    assert logit.shape == (2, 3)
    assert logit.dtype == jnp.float32
    head = MODEL.params.value_head
    np.testing.assert_allclose(logit, head.kernel.sum() + head.bias, rtol=0.02)


def test_the_logit_is_summed_in_float32():
    half = jax.tree.map(lambda x: jnp.asarray(x, jnp.bfloat16), MODEL.params)
    shape = (200, MODEL.config.hidden_size)
    hidden = jax.random.normal(jax.random.key(0), shape, jnp.bfloat16)
    logit = reward.value_logit(half, hidden)
    head = half.value_head
    exact = np.asarray(hidden, float) @ np.asarray(head.kernel, float)
    np.testing.assert_allclose(logit, exact + float(head.bias), atol=1e-4)


@pytest.mark.parametrize(
    ("groups", "tokens"),
    [
        (1, 1),  # a branch at a time
        (1, 2 * S),
        (1, 3 * S + 1),
        (1, 1000),  # all of them
        (3, 1),
        (3, 2 * S),  # those of a leaf
        (3, 1000),
        (6, 2 * S),  # those of two leaves
    ],
)
def test_a_part_at_a_time_is_all_at_once(monkeypatch, groups, tokens):
    monkeypatch.setitem(reward.TOKENS, "cpu", tokens)
    one_by_one = groups == tokens == 1
    config, values = MODEL.config, MODEL.params
    rng = np.random.default_rng(0)
    cache = cache_lib.allocate(
        config,
        G,
        prompt=Q,
        trunk=0,
        stem=3,
        tail=0,
        twig=S,
        branches=B,
        groups=groups,
        nodes=1,
    )
    cache = jax.tree.map(
        lambda x: jnp.asarray(rng.normal(size=x.shape), x.dtype), cache
    )
    length = jnp.array([2, 4])[:, None, None, None]
    seen = jnp.asarray(rng.random((G, B, 1, 3)) < 0.7)
    context = [
        Context(cache.prompt, jnp.arange(Q) < length),
        Context(cache.stem, seen),
    ]
    written = jnp.asarray(rng.integers(0, 128, (G, B, S)), jnp.int32)
    number = rng.integers(0, S + 1, (G, B))
    number[:, 0] = 0  # idle rows have none
    wrote = number > 0
    start = jnp.asarray(rng.integers(1, 9, (G, B)), jnp.int32)
    before = jnp.asarray(rng.normal(size=(G, B, config.hidden_size)), "f")
    given = rng.integers(0, S, (G, B))
    # A function of its own, or else jit finds the program of another size.
    read = jax.jit(functools.partial(reward.read_step), static_argnums=(0, 7))
    hidden, twig, said = read(
        config,
        values,
        written,
        jnp.arange(S) < number[..., None],
        start,
        context,
        cache.twig,
        groups,
        before,
        given,
    )
    states, segment = forward(
        config,
        values,
        written,
        start[..., None] + jnp.arange(S),
        jnp.tri(S, dtype=bool),
        context,
    )
    last = np.maximum(number - 1, 0)[..., None, None]
    wanted = np.take_along_axis(np.asarray(states), last, axis=2)[:, :, 0]
    np.testing.assert_allclose(hidden[wrote], wanted[wrote], atol=1e-5)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a[wrote], b[wrote], atol=1e-5),
        twig,
        segment,
    )
    if one_by_one:  # the turn of the first branches is skipped
        jax.tree.map(
            lambda a, b: np.testing.assert_array_equal(a[:, 0], b[:, 0]),
            twig,
            cache.twig,
        )
        assert not np.any(hidden[:, 0])
    sources = jnp.concatenate([before[:, :, None], states[:, :, :-1]], 2)
    told = jax.nn.log_softmax(unembed(config, values, sources))
    told = np.take_along_axis(told, written[..., None], -1)[..., 0]
    slot = np.arange(S)
    chosen = (slot >= given[..., None]) & (slot < number[..., None])
    told = np.where(chosen, told, 0).sum(-1)
    np.testing.assert_allclose(said, told, rtol=1e-5, atol=1e-4)
