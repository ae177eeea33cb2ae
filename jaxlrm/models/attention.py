"""One online-softmax attention over segments.

A branch attends to several segments, each shared by a group of branches (see
`cache.py`). The softmax runs over all of them together: each segment, and each
block of a long one, updates a running maximum, sum and weighted value (Milakov
and Gimelshein 2018, "Online normalizer calculation for softmax"), so logits
exist for one block at a time.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp

from jaxlrm.models import kernels
from jaxlrm.models.kernels import MASKED, Partial
from jaxlrm.models.segments import Part

BLOCK = 2048
_ROWS = 256  # of a block in training


def attend(
    query: jax.Array,
    parts: Sequence[Part],
    *,
    divisor: float | None = None,
    cap: float = 0.0,
) -> jax.Array:
    """Scaled dot-product attention over all parts at once.

    Branch `b` reads group `b // (B / groups)` of each part.

    Args:
        query: `[G, B, S, H, D]`, rotated.
        parts: the segments.
        divisor: of the logits; by default the root of `D`.
        cap: logits are bounded by it, as `cap * tanh(logit / cap)` (Gemma 2);
            0 is none.

    Returns:
        `[G, B, S, H, D]`, in the dtype of `query`.
    """
    problems, branches, steps, heads, dim = query.shape
    kv_heads = parts[0].keys.shape[2]
    scaled = (query / (divisor or math.sqrt(dim))).reshape(
        problems, branches, steps, kv_heads, heads // kv_heads, dim
    )
    full = (problems, branches, steps)
    result = functools.reduce(
        _merge,
        (
            _over_segment(scaled, part._replace(mask=_widen(part, full)), cap)
            for part in parts
        ),
    )
    mixed = result.weighted / result.total[..., None]
    return mixed.reshape(query.shape).astype(query.dtype)


def _widen(part: Part, shape: tuple[int, int, int]) -> jax.Array:
    """`[G, B, S or 1, T]`: one row serves all steps if it did before."""
    mask = part.mask.reshape((1,) * (4 - part.mask.ndim) + part.mask.shape)
    slots = part.keys.shape[-1]
    return jnp.broadcast_to(mask, (*shape[:2], mask.shape[2], slots))


def _over_segment(query: jax.Array, part: Part, cap: float) -> Partial:
    if cap or not kernels.fits(query, part):  # the kernel has no cap
        return _over_blocks(query, part, cap)
    return jax.lax.platform_dependent(
        query, part, tpu=_in_kernel, default=_over_blocks
    )


def _in_kernel(query: jax.Array, part: Part) -> Partial:
    """`_over_blocks` as a TPU does it, where the kernel fits."""
    result = kernels.over_blocks(query, part)
    rest = part.keys.shape[-1] % kernels.BLOCK
    if not rest:
        return result
    return _merge(
        result,
        _over(
            query,
            Part(
                part.keys[..., -rest:],
                part.values[..., -rest:, :],
                part.mask[..., -rest:],
            ),
        ),
    )


def _over_blocks(query: jax.Array, part: Part, cap: float = 0.0) -> Partial:
    slots = part.keys.shape[-1]
    whole, rest = divmod(slots, BLOCK)
    if whole == 0 or slots == BLOCK:
        return _over(query, part, cap)

    def block(start: int | jax.Array, size: int) -> Partial:
        def cut(x, axis):
            return jax.lax.dynamic_slice_in_dim(x, start, size, axis)

        return _over(
            query,
            Part(cut(part.keys, 4), cut(part.values, 3), cut(part.mask, 3)),
            cap,
        )

    result = jax.lax.fori_loop(
        1,
        whole,
        lambda i, result: _merge(result, block(i * BLOCK, BLOCK)),
        block(0, BLOCK),
    )
    return _merge(result, block(whole * BLOCK, rest)) if rest else result


def _merge(first: Partial, second: Partial) -> Partial:
    maximum = jnp.maximum(first.maximum, second.maximum)
    one = jnp.exp(first.maximum - maximum)
    two = jnp.exp(second.maximum - maximum)
    return Partial(
        maximum,
        first.total * one + second.total * two,
        first.weighted * one[..., None] + second.weighted * two[..., None],
    )


def _over(query: jax.Array, part: Part, cap: float = 0.0) -> Partial:
    """Attention over one block: rows of a group share its keys."""
    problems, branches, steps, kv_heads, shared, dim = query.shape
    groups, slots = part.keys.shape[1], part.keys.shape[-1]
    members = branches // groups
    split = (problems, groups, kv_heads, members, steps, shared)
    rows = members * steps * shared
    matrix = query.reshape(
        problems, groups, members, steps, kv_heads, shared, dim
    ).transpose(0, 1, 4, 2, 3, 5, 6)
    logits = jnp.einsum(
        "gwknd,gwkdt->gwknt",
        matrix.reshape(problems, groups, kv_heads, rows, dim),
        part.keys,
        preferred_element_type=jnp.float32,
    ).reshape(*split, slots)
    if cap:
        logits = cap * jnp.tanh(logits / cap)
    # Added, not selected: a CPU is quicker so, and any logit is lost in it.
    bias = jnp.where(part.mask, jnp.float32(0), MASKED)
    logits += bias.reshape(problems, groups, 1, members, -1, 1, slots)
    maximum = jax.lax.stop_gradient(logits.max(-1))
    weights = jnp.exp(logits - maximum[..., None])
    weighted = jnp.einsum(
        "gwknt,gwktd->gwknd",
        weights.reshape(problems, groups, kv_heads, rows, slots).astype(
            part.values.dtype
        ),
        part.values,
        preferred_element_type=jnp.float32,
    ).reshape(*split, dim)

    def ungroup(x):  # [G, groups, K, members, S, R, ...] -> [G, B, S, K, R]
        x = jnp.moveaxis(x, 2, 4)
        return x.reshape(problems, branches, steps, kv_heads, *x.shape[5:])

    return Partial(
        ungroup(maximum), ungroup(weights.sum(-1)), ungroup(weighted)
    )


def row_by_row(
    query: jax.Array, parts: Sequence[Part], **how: float
) -> jax.Array:
    """`attend` to a single causal part, a block of one problem at a time.

    For training on CPU: the logits of a block, which end at its last token,
    stay in the caches, and the backward pass computes them again.
    """
    (part,) = parts

    @jax.checkpoint
    def block(query, part):
        query, part = jax.tree.map(lambda x: x[None], (query, part))
        return attend(query, [part], **how)[0]

    def one(arguments):
        query, part = arguments
        steps = query.shape[1]
        mixed = []
        for begin in range(0, steps, _ROWS):
            end = min(begin + _ROWS, steps)
            seen = Part(
                part.keys[..., :end],
                part.values[..., :end, :],
                part.mask[..., begin:end, :end],
            )
            mixed.append(block(query[:, begin:end], seen))
        return jnp.concatenate(mixed, axis=1)

    return jax.lax.map(one, (query, part))
