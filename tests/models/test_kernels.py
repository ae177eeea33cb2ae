"""The TPU kernel, interpreted, against the attention that XLA compiles."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxlrm.models import attention, kernels, sharding
from jaxlrm.models.segments import Part

D = 16
interpreted = functools.partial(kernels.over_blocks, interpret=True)


def draw(
    seed,
    *,
    problems=1,
    branches=4,
    groups=1,
    steps=1,
    kv_heads=2,
    shared=2,
    slots=1024,
    dim=D,
    dtype=jnp.float32,
):
    """A query, scaled, and a segment of which branches see a part."""
    rng = np.random.default_rng(seed)

    def normal(*shape, scale=1.0):
        return jnp.asarray(rng.normal(size=shape) * scale, dtype)

    query = (problems, branches, steps, kv_heads, shared, dim)
    share = rng.random((problems, branches, 1, 1))
    mask = rng.random((problems, branches, 1, slots)) < share
    return normal(*query, scale=dim**-0.5), Part(
        normal(problems, groups, kv_heads, dim, slots),
        normal(problems, groups, kv_heads, slots, dim),
        jnp.asarray(mask),
    )


def check(found, wanted, tolerance=1e-5):
    jax.tree.map(
        functools.partial(
            np.testing.assert_allclose, rtol=tolerance, atol=tolerance
        ),
        found,
        wanted,
    )


@pytest.mark.parametrize(
    "shape",
    [
        {"shared": 1},
        {"branches": 8, "kv_heads": 1, "shared": 4},
        {"problems": 2, "branches": 6, "groups": 2, "kv_heads": 3},
        {"branches": 5, "groups": 5, "slots": 512},  # a group each
        {"branches": 16, "steps": 3, "slots": 1536},
        {"branches": 8, "steps": 48, "shared": 4},  # rows in several parts
        {"branches": 64, "kv_heads": 6, "shared": 4},  # heads as well
    ],
    ids=str,
)
def test_what_xla_computes(shape):
    query, part = draw(0, **shape)
    check(interpreted(query, part), jax.jit(attention._over)(query, part))


def test_bfloat16():
    query, part = draw(1, dtype=jnp.bfloat16)
    wanted = jax.jit(attention._over)(query, part)
    found = interpreted(query, part)
    assert found.weighted.dtype == jnp.float32
    # A later maximum rounds the weights of an earlier block otherwise.
    check(found, wanted, 0.01)


@pytest.mark.parametrize("slots", [512, 1300, 2049])
def test_slots_after_the_last_block(monkeypatch, slots):
    monkeypatch.setattr(kernels, "over_blocks", interpreted)
    query, part = draw(2, slots=slots)
    wanted = jax.jit(attention._over_blocks)(query, part)
    check(attention._in_kernel(query, part), wanted)


def test_blocks_and_branches_that_see_nothing():
    query, part = draw(3)
    mask = part.mask.at[:, 0, :, :512].set(False)  # its first block
    mask = mask.at[:, 1, :, 512:].set(False)  # its last block
    mask = mask.at[:, 2].set(False)
    part = part._replace(mask=mask)
    found = interpreted(query, part)
    check(found, jax.jit(attention._over)(query, part))
    # Merged with a segment that is seen, it must add nothing.
    _, other = draw(4, slots=8)
    other = other._replace(mask=jnp.ones_like(other.mask))
    other = jax.jit(attention._over)(query, other)
    alone = jax.tree.map(lambda x: x[:, 2], other)
    merged = jax.tree.map(lambda x: x[:, 2], attention._merge(found, other))
    jax.tree.map(np.testing.assert_array_equal, merged, alone)


def test_large_logits_do_not_overflow():
    query, part = draw(5)
    query = query * 300
    found = interpreted(query, part)
    assert all(np.isfinite(x).all() for x in found)
    check(found, jax.jit(attention._over)(query, part), 1e-4)


def test_devices_of_a_mesh_work_on_their_own_heads_and_problems(monkeypatch):
    """Pallas does not interpret under `shard_map`; the specs are the same."""
    query, part = draw(6, problems=4, slots=512)
    wanted = interpreted(query, part)
    shapes = []

    def local(query, keys, values, seen, interpret):
        shapes.extend(x.shape for x in (query, keys, values, seen))
        logits = jnp.einsum("gwknd,gwkdt->gwknt", query, keys)
        bias = jnp.where(seen != 0, 0, kernels.MASKED)
        logits += jnp.tile(bias, (1, 1, 2, 1))[:, :, None]
        maximum = logits.max(-1, keepdims=True)
        weights = jnp.exp(logits - maximum)
        total = weights.sum(-1, keepdims=True)
        return maximum, total, weights @ values

    monkeypatch.setattr(kernels, "_call", local)
    mesh = sharding.make_mesh(4, 2)
    heads = ("problems", None, "kv_heads", None, None)
    with jax.set_mesh(mesh):
        placed = Part(
            sharding.place(mesh, part.keys, *heads),
            sharding.place(mesh, part.values, *heads),
            sharding.place(mesh, part.mask, "problems", None, None, None),
        )
        query = sharding.place(
            mesh, query, "problems", None, None, "kv_heads", None, None
        )
        found = kernels.over_blocks(query, placed)
    check(found, wanted)
    assert shapes == [
        (1, 1, 1, 16, D),  # 4 branches in a tile of 8, 2 query heads
        (1, 1, 1, D, 512),
        (1, 1, 1, 512, D),
        (1, 1, 8, 512),
    ]


LONG = {"slots": kernels.SHORTEST, "dim": 128}


def fits(query, part):
    return kernels.fits(*jax.eval_shape(lambda: (query, part)))


def test_it_fits_long_segments():
    assert fits(*draw(7, **LONG))
    assert fits(*draw(7, **LONG | {"slots": kernels.SHORTEST + 1}))
    assert fits(*draw(7, **LONG, steps=3, dtype=jnp.bfloat16))


@pytest.mark.parametrize(
    "change",
    [
        {"slots": kernels.SHORTEST - 1},
        {"dim": 64},
        {"dim": 384},
        {"branches": 1025},
        {"dtype": jnp.float16},
    ],
    ids=str,
)
def test_xla_does_the_rest(change):
    assert not fits(*draw(8, **LONG | change))


def test_xla_does_masks_of_a_row_a_step_and_other_dtypes():
    query, part = draw(9, **LONG, steps=2)
    rows = jnp.broadcast_to(part.mask, (1, 4, 2, kernels.SHORTEST))
    assert not fits(query, part._replace(mask=rows))
    assert not fits(query.astype(jnp.bfloat16), part)


def test_xla_does_heads_that_the_mesh_does_not_divide():
    query, part = draw(10, **LONG, kv_heads=3)
    with jax.set_mesh(sharding.make_mesh(4, 2)):
        assert not fits(query, part)
    assert fits(query, part)


def test_elsewhere_than_on_a_tpu_attention_is_what_it_was():
    query, part = draw(11, **LONG, kv_heads=1)
    query = query.reshape(*query.shape[:3], -1, 128)
    text = jax.jit(attention.attend).lower(query, [part]).as_text()
    assert "custom_call" not in text
