"""Attention to a long segment as one TPU kernel (flash-decoding).

XLA computes the logits of a block of slots, then their softmax, then the sum
of values. Logits of all heads and problems that do not fit in a TPU's fast
memory go out to HBM and come back twice. Here they exist for a few heads at a
time and never leave that memory, and keys and values are read once for up to
1024 rows (Dao et al. 2022, "FlashAttention"). All rows that share keys are
multiplied with them together (Juravsky et al. 2024, "Hydragen").

`python tests/test_tpu.py attention` prints what both take.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxlrm.models import sharding
from jaxlrm.models.segments import Part

BLOCK = 512  # slots that are read at a time
SHORTEST = 2048  # slots from which on `attention.py` calls it
MASKED = -1e30  # added to a logit; finite: all may be masked, without NaNs

# At a time in the fast memory, of which a kernel has 16 MiB.
_ROWS = 1024  # queries, of all heads together
_READ = 4 * 2**20  # bytes of keys and values, while the next ones come in
_SUBLANES = 8  # rows of a float32 tile


class Partial(NamedTuple):
    """Attention over some slots, unnormalised, so that it can be merged."""

    maximum: jax.Array  # [G, B, S, K, R] of the logits
    total: jax.Array  # [G, B, S, K, R] sum of exp(logit - maximum)
    weighted: jax.Array  # [G, B, S, K, R, D] values weighted by it


def fits(query: jax.Array, part: Part) -> bool:
    """Whether a TPU should read a segment with the kernel.

    It takes long segments whose mask is the same for all steps of a branch,
    and heads that the mesh divides: other keys are replicated, and XLA shares
    the work on them out by query heads. It has no gradient.

    Args:
        query: `[G, B, S, K, R, D]`.
        part: the segment, its mask `[G, B, S or 1, T]`.
    """
    _, branches, _, kv_heads, _, dim = query.shape
    groups, slots = part.keys.shape[1], part.keys.shape[-1]
    mesh = jax.sharding.get_abstract_mesh()
    return (
        slots >= SHORTEST
        and part.mask.shape[2] == 1
        and dim in (128, 256)
        and _padded(branches // groups) <= _ROWS
        and query.dtype == part.keys.dtype == part.values.dtype
        and query.dtype in (jnp.bfloat16, jnp.float32)
        and (mesh.empty or kv_heads % mesh.shape["model"] == 0)
    )


@functools.partial(jax.jit, static_argnames="interpret")
def over_blocks(
    query: jax.Array, part: Part, interpret: bool = False
) -> Partial:
    """Attention over a segment's first `T // BLOCK * BLOCK` slots.

    The slots after them are left to the caller: filling them up to a block
    would copy the keys.

    Args:
        query: `[G, B, S, K, R, D]`, scaled.
        part: the segment, its mask `[G, B, 1, T]`.
        interpret: run it in XLA operations, on any platform.
    """
    problems, branches, steps, kv_heads, shared, dim = query.shape
    groups, slots = part.keys.shape[1], part.keys.shape[-1]
    members = branches // groups
    more = _padded(members) - members
    split = query.reshape(
        problems, groups, members, steps, kv_heads, shared, dim
    )
    # Branches come last, in whole tiles: their mask then adds to the logits
    # of each step and query head without any movement in the kernel.
    rows = jnp.pad(
        split.transpose(0, 1, 4, 3, 5, 2, 6),
        ((0, 0),) * 5 + ((0, more), (0, 0)),
    )
    seen = part.mask.reshape(problems, groups, members, slots)
    seen = jnp.pad(seen.astype(jnp.int8), ((0, 0), (0, 0), (0, more), (0, 0)))
    heads = ("problems", None, "kv_heads")
    found = sharding.on_shards(
        functools.partial(_call, interpret=interpret),
        (heads, heads, heads, ("problems",)),
        rows.reshape(problems, groups, kv_heads, -1, dim),
        part.keys,
        part.values,
        seen,
    )

    def ungroup(x):  # [G, groups, K, S * R * members, X] -> [G, B, S, K, R, X]
        x = x.reshape(*rows.shape[:-1], x.shape[-1])[..., :members, :]
        x = x.transpose(0, 1, 5, 3, 2, 4, 6)
        return x.reshape(problems, branches, steps, kv_heads, shared, -1)

    maximum, total, weighted = map(ungroup, found)
    return Partial(maximum[..., 0], total[..., 0], weighted)


def _padded(members: int) -> int:
    """Branches of a group, filled up to whole tiles."""
    return -(-members // _SUBLANES) * _SUBLANES


def _largest_divisor(number: int, limit: int) -> int:
    """Of `number`, at most `limit`; 1 if there is none."""
    return max(n for n in range(1, max(limit, 1) + 1) if number % n == 0)


def _call(query, keys, values, seen, *, interpret: bool):
    """The kernel over what a device has.

    Args:
        query: `[G, groups, K, rows, D]`, row `n` of branch `n % members`.
        keys: `[G, groups, K, D, T]`.
        values: `[G, groups, K, T, D]`.
        seen: `[G, groups, members, T] int8`.
        interpret: run it in XLA operations.

    Returns:
        Maximum and sum `[G, groups, K, rows, 1] float32`, and weighted values
        `[G, groups, K, rows, D] float32`.
    """
    from jax.experimental import pallas as pl
    from jax.experimental.pallas import tpu as pltpu

    problems, groups, kv_heads, rows, dim = query.shape
    members, slots = seen.shape[2:]
    at_once = _largest_divisor(rows // members, _ROWS // members) * members
    one_head = 2 * BLOCK * dim * keys.dtype.itemsize
    heads = _largest_divisor(kv_heads, min(_ROWS // at_once, _READ // one_head))

    def per_row(width):
        return pl.BlockSpec(
            (1, 1, heads, at_once, width),
            lambda g, w, k, row, block: (g, w, k, row, 0),
        )

    def result(width):  # derived: it varies over the mesh as the query does
        return jax.eval_shape(
            lambda x: x[..., :width].astype(jnp.float32), query
        )

    return pl.pallas_call(
        _kernel,
        grid=(
            problems,
            groups,
            kv_heads // heads,
            rows // at_once,
            slots // BLOCK,
        ),
        in_specs=[
            per_row(dim),
            pl.BlockSpec(
                (1, 1, heads, dim, BLOCK),
                lambda g, w, k, row, block: (g, w, k, 0, block),
            ),
            pl.BlockSpec(
                (1, 1, heads, BLOCK, dim),
                lambda g, w, k, row, block: (g, w, k, block, 0),
            ),
            pl.BlockSpec(
                (1, 1, members, BLOCK),
                lambda g, w, k, row, block: (g, w, 0, block),
            ),
        ],
        out_specs=[per_row(1), per_row(1), per_row(dim)],
        out_shape=[result(1), result(1), result(dim)],
        compiler_params=pltpu.CompilerParams(
            dimension_semantics=("parallel",) * 4 + ("arbitrary",)
        ),
        interpret=interpret,
    )(query, keys, values, seen)


def _kernel(query, keys, values, seen, maximum, total, weighted):
    """One block of slots; what it returns stays in place over all blocks."""
    from jax.experimental import pallas as pl

    @pl.when(pl.program_id(4) == 0)
    def _():
        maximum[...] = jnp.full(maximum.shape, -jnp.inf, jnp.float32)
        total[...] = jnp.zeros(total.shape, jnp.float32)
        weighted[...] = jnp.zeros(weighted.shape, jnp.float32)

    bias = jnp.where(seen[0, 0].astype(jnp.int32) != 0, 0.0, MASKED)
    for head in range(query.shape[2]):
        at = (0, 0, head)
        logits = jnp.dot(
            query[at], keys[at], preferred_element_type=jnp.float32
        )
        logits = logits.reshape(-1, *bias.shape) + bias
        logits = logits.reshape(-1, bias.shape[1])
        before = maximum[at]
        now = jnp.maximum(before, logits.max(-1, keepdims=True))
        weights = jnp.exp(logits - now)
        scale = jnp.exp(before - now)
        maximum[at] = now
        total[at] = total[at] * scale + weights.sum(-1, keepdims=True)
        weighted[at] = weighted[at] * scale + jnp.dot(
            weights.astype(values.dtype),
            values[at],
            preferred_element_type=jnp.float32,
        )
