"""Online softmax over segments against one softmax over their union."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxlrm.models import attention
from jaxlrm.models.attention import attend, row_by_row
from jaxlrm.models.segments import Part

G, B, S, K, R, D = 2, 4, 3, 2, 2, 8


def draw_query(rng, problems=G, branches=B, steps=S, kv_heads=K, shared=R):
    shape = (problems, branches, steps, kv_heads * shared, D)
    return jnp.asarray(rng.normal(size=shape), jnp.float32)


def draw_part(
    rng, groups, slots, mask, problems=G, kv_heads=K, scale=1.0
) -> Part:
    keys = rng.normal(size=(problems, groups, kv_heads, D, slots)) * scale
    values = rng.normal(size=(problems, groups, kv_heads, slots, D))
    return Part(
        jnp.asarray(keys, jnp.float32), jnp.asarray(values, jnp.float32), mask
    )


def draw_mask(rng, *shape):
    return jnp.asarray(rng.random(shape) < 0.6)


def naive(query, parts):
    """Every branch copies what its groups hold and takes one softmax."""
    query = np.asarray(query, np.float64)
    problems, branches, steps, heads, dim = query.shape
    keys, values, masks = [], [], []
    for part in parts:
        members = branches // part.keys.shape[1]
        own = np.repeat(np.asarray(part.keys, np.float64), members, axis=1)
        keys.append(np.swapaxes(own, -1, -2))
        values.append(np.repeat(np.asarray(part.values), members, axis=1))
        shape = (problems, branches, steps, part.keys.shape[-1])
        masks.append(np.broadcast_to(part.mask, shape))
    shared = heads // parts[0].keys.shape[2]
    keys = np.repeat(np.concatenate(keys, axis=3), shared, axis=2)
    values = np.repeat(np.concatenate(values, axis=3), shared, axis=2)
    logits = np.einsum("gbshd,gbhtd->gbsht", query, keys) / np.sqrt(dim)
    seen = np.concatenate(masks, axis=-1)[:, :, :, None]
    logits = np.where(seen, logits, -np.inf)
    weights = np.exp(logits - logits.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    return np.einsum("gbsht,gbhtd->gbshd", weights, values)


def check(query, parts):
    found = jax.jit(attend)(query, parts)
    assert found.dtype == query.dtype
    np.testing.assert_allclose(found, naive(query, parts), atol=2e-5)


def segments(rng):
    """Prompt, trunk by mask, stem and twig: all kinds of mask."""
    return [
        draw_part(
            rng, 1, 5, jnp.arange(5) < jnp.array([[[3]], [[5]]])[:, None]
        ),
        draw_part(rng, 1, 11, draw_mask(rng, G, B, 1, 11)),
        draw_part(rng, 2, 7, draw_mask(rng, G, B, 1, 7)),
        draw_part(rng, B, S, jnp.tri(S, dtype=bool)),
    ]


def test_groups_of_all_sizes_in_one_softmax():
    rng = np.random.default_rng(0)
    check(draw_query(rng), segments(rng))


def test_the_order_of_segments_does_not_matter():
    rng = np.random.default_rng(1)
    query, parts = draw_query(rng), segments(rng)
    np.testing.assert_allclose(
        attend(query, parts), attend(query, parts[::-1]), atol=2e-6
    )


@pytest.mark.parametrize("slots", [3, 4, 5, 8, 11, 16])
def test_blocks_and_the_remainder(monkeypatch, slots):
    monkeypatch.setattr(attention, "BLOCK", 4)
    rng = np.random.default_rng(slots)
    parts = [
        draw_part(rng, 2, slots, draw_mask(rng, G, B, S, slots)),
        draw_part(rng, B, S, jnp.tri(S, dtype=bool)),
    ]
    check(draw_query(rng), parts)


def test_a_mask_of_one_column_serves_all_slots(monkeypatch):
    monkeypatch.setattr(attention, "BLOCK", 4)
    rng = np.random.default_rng(2)
    parts = [
        draw_part(rng, 1, 9, draw_mask(rng, G, B, 1, 1)),
        draw_part(rng, B, S, jnp.ones((), bool)),
    ]
    check(draw_query(rng), parts)


@pytest.mark.parametrize("place", [0, 1])
def test_what_nobody_sees_adds_nothing(place):
    """Whatever lies there: freed slots hold the keys of other chains."""
    rng = np.random.default_rng(3)
    query = draw_query(rng)
    seen = draw_part(rng, B, S, jnp.tri(S, dtype=bool))
    hidden = draw_part(rng, 1, 6, jnp.zeros((G, B, 1, 6), bool), scale=1e4)
    parts = [seen, hidden] if place else [hidden, seen]
    found = attend(query, parts)
    assert np.isfinite(found).all()
    np.testing.assert_array_equal(found, attend(query, [seen]))


def test_large_logits_do_not_overflow():
    rng = np.random.default_rng(4)
    parts = [
        draw_part(rng, 1, 6, jnp.ones(6, bool), scale=300.0),
        draw_part(rng, B, S, jnp.tri(S, dtype=bool)),
    ]
    check(draw_query(rng), parts)


def test_bfloat16_in_and_out():
    rng = np.random.default_rng(5)
    query, parts = draw_query(rng), segments(rng)
    half = jax.tree.map(
        lambda x: x if x.dtype == bool else x.astype(jnp.bfloat16),
        (query, parts),
    )
    found = attend(*half)
    assert found.dtype == jnp.bfloat16
    np.testing.assert_allclose(
        found.astype(jnp.float32), naive(*half), atol=0.03
    )


@pytest.mark.parametrize("length", [5, 512, 600])
@pytest.mark.parametrize("masked", ["a row", "all rows"])
def test_row_by_row_has_the_values_and_gradients_of_attend(masked, length):
    rng = np.random.default_rng(6)
    rows = 3
    query = draw_query(rng, rows, 1, length)
    shape = (rows, 1, length, length)
    mask = jnp.tri(length, dtype=bool)
    if masked == "a row":
        documents = jnp.asarray(rng.integers(1, 3, (rows, 1, length)))
        mask = mask & (documents[..., None] == documents[..., None, :])
    mask = jnp.broadcast_to(mask, shape)
    part = draw_part(rng, 1, length, mask, problems=rows)
    target = draw_query(rng, rows, 1, length)

    def distance(attention):
        def measure(query, keys, values):
            mixed = attention(query, [Part(keys, values, mask)])
            return ((mixed - target) ** 2).sum()

        arguments = (query, part.keys, part.values)
        return jax.jit(jax.value_and_grad(measure, (0, 1, 2)))(*arguments)

    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5),
        distance(row_by_row),
        distance(attend),
    )


def test_the_gradient_is_that_of_one_softmax():
    """The running maximum is held constant, which must cancel."""
    rng = np.random.default_rng(7)
    query, parts = draw_query(rng), segments(rng)
    direction = rng.normal(size=query.shape)

    def along(step):
        return (naive(query + step * direction, parts) ** 2).sum()

    found = jax.grad(lambda q: (attend(q, parts) ** 2).sum())(query)
    slope = (along(1e-4) - along(-1e-4)) / 2e-4
    assert (found * direction).sum() == pytest.approx(slope, rel=1e-3)


@settings(max_examples=25)
@given(
    seed=st.integers(0, 10**6),
    members=st.sampled_from([1, 2, 3]),
    groups=st.sampled_from([1, 2]),
    steps=st.sampled_from([1, 3]),
    kv_heads=st.sampled_from([1, 2]),
    shared=st.sampled_from([1, 3]),
    slots=st.sampled_from([1, 4, 6]),
)
def test_any_shape(seed, members, groups, steps, kv_heads, shared, slots):
    rng = np.random.default_rng(seed)
    branches = members * groups
    query = draw_query(rng, G, branches, steps, kv_heads, shared)
    parts = [
        draw_part(
            rng,
            groups,
            slots,
            draw_mask(rng, G, branches, steps, slots),
            kv_heads=kv_heads,
        ),
        draw_part(
            rng, branches, steps, jnp.tri(steps, dtype=bool), kv_heads=kv_heads
        ),
    ]
    check(query, parts)
