"""Sampling a token from logits: pure functions, one random number a row.

How a row is sampled is data: rows of one call may differ in it, and another
temperature compiles nothing.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp

from jaxlrm.models import sharding

_HEAD = 128  # likeliest tokens among which nearly all cuts are found

Setting = jax.Array | float  # one for all rows, or one a row


def sample(
    logits: jax.Array,
    uniform: jax.Array,
    temperature: Setting,
    top_k: jax.Array | int = 0,
    top_p: Setting = 1.0,
    min_p: Setting = 0.0,
) -> jax.Array:
    """Draws a token a row.

    Inverts the cumulative distribution at one uniform number a row, so a
    row's token depends on its own logits, settings and number alone. First over
    groups of tokens, then inside the one drawn: a vocabulary shared by devices
    is summed where it lies, and no array as wide as it is accumulated.

    What no row asks for is skipped while it runs; under `vmap` it would not be.

    Args:
        logits: `[..., V] float32`.
        uniform: `[...] float32` in [0, 1); unused at temperature 0.
        temperature: 0 takes the likeliest token, the first on a tie; logits
            over it must be finite. A number or an array that broadcasts to
            `[...]`, as the next three.
        top_k: keep this many likeliest tokens, and those as likely as the
            last of them; 0 keeps all.
        top_p: keep the likeliest tokens up to this total probability, at
            least one, and those as likely as the last of them (Holtzman et
            al. 2020).
        min_p: keep tokens of at least this share of the likeliest one's
            probability (Nguyen et al. 2024).

    Returns:
        `[...] int32`.
    """
    temperature = jnp.broadcast_to(
        jnp.asarray(temperature, jnp.float32), uniform.shape
    )
    greedy = temperature == 0
    nothing = jnp.zeros(uniform.shape, jnp.int32)
    likeliest = jax.lax.cond(
        greedy.any(),
        lambda: logits.argmax(-1).astype(jnp.int32),
        lambda: nothing,
    )
    scale = 1 / jnp.where(greedy, 1.0, temperature)
    drawn = jax.lax.cond(
        greedy.all(),
        lambda: nothing,
        lambda: _draw(
            restrict(logits * scale[..., None], top_k, top_p, min_p), uniform
        ),
    )
    return jnp.where(greedy, likeliest, drawn)


def _draw(logits: jax.Array, uniform: jax.Array) -> jax.Array:
    """`[...] int32` tokens from the softmax of `logits [..., V]`."""
    # About the square root of V, and a power of two as a model axis is.
    groups = math.gcd(logits.shape[-1], 1 << logits.shape[-1].bit_length() // 2)
    size = logits.shape[-1] // groups
    weights = jax.nn.softmax(logits).reshape(*uniform.shape, groups, size)
    total = weights.sum(-1)
    group, rest = _invert(total, uniform * total.sum(-1))
    # A masked sum instead of a gather: the weights may be on other devices.
    chosen = jnp.arange(groups) == group[..., None]
    inside = jnp.where(chosen[..., None], weights, 0).sum(-2)
    return group * size + _invert(inside, rest)[0]


def _invert(
    weights: jax.Array, target: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Where the cumulative sum of `weights [..., X]` passes `target [...]`.

    Returns:
        The index `[...] int32`, always of a positive weight if there is one,
        and what is left of the target there.
    """
    size = weights.shape[-1]
    cumulative = jnp.cumsum(weights, axis=-1)
    # The sum is made in parallel: rounded, it need not rise with the index,
    # and may move at a weight of zero. The last resort is its highest point.
    reached = jnp.where(weights > 0, cumulative, 0)
    top = reached.max(-1, keepdims=True)
    passed = (reached > target[..., None]) | (reached == top)
    passed &= weights > 0
    index = jnp.where(passed, jnp.arange(size), size - 1).min(-1)
    before = jnp.take_along_axis(cumulative - weights, index[..., None], -1)
    return index.astype(jnp.int32), target - before[..., 0]


def restrict(
    logits: jax.Array,
    top_k: jax.Array | int,
    top_p: Setting,
    min_p: Setting = 0.0,
) -> jax.Array:
    """Sets the logits of tokens outside of any limit to minus infinity.

    Args:
        logits: `[..., V] float32`.
        top_k: see `sample`, as the other two; each a number or an array that
            broadcasts to `[...]`.
        top_p: likewise.
        min_p: likewise.
    """
    rows, size = logits.shape[:-1], logits.shape[-1]
    top_k = jnp.broadcast_to(jnp.asarray(top_k, jnp.int32), rows)[..., None]
    top_p = jnp.broadcast_to(jnp.asarray(top_p, jnp.float32), rows)[..., None]
    min_p = jnp.broadcast_to(jnp.asarray(min_p, jnp.float32), rows)[..., None]
    top_k = jnp.where((top_k > 0) & (top_k < size), top_k, 0)
    head = min(size, _HEAD)

    def find() -> jax.Array:
        likeliest = _likeliest(logits, head)
        least, found = _least(logits, likeliest, top_k, top_p)
        if head == size:
            return least
        # Rarely are the likeliest few not enough: then all are sorted.
        return jax.lax.cond(
            found.all(),
            lambda: least,
            lambda: _least_by_sorting(logits, top_k, top_p),
        )

    def share() -> jax.Array:
        floor = logits.max(-1, keepdims=True) + jnp.log(min_p)
        return jnp.where(min_p > 0, floor, -jnp.inf)

    everything = jnp.full((*rows, 1), -jnp.inf)
    asked = (top_k > 0) | (top_p < 1)
    least = jnp.maximum(
        jax.lax.cond(asked.any(), find, lambda: everything),
        jax.lax.cond((min_p > 0).any(), share, lambda: everything),
    )
    return jnp.where(logits < least, -jnp.inf, logits)


def _least_by_sorting(
    logits: jax.Array, top_k: jax.Array, top_p: jax.Array
) -> jax.Array:
    """`_least` with all of `V` sorted, a branch at a time to save memory."""

    def one(logits, top_k, top_p):
        ordered = jnp.sort(logits, axis=-1, descending=True)
        return _least(logits, ordered, top_k, top_p)[0]

    if logits.ndim < 3:
        return one(logits, top_k, top_p)

    def body(branch, least):
        rows = [
            jax.lax.dynamic_index_in_dim(x, branch, 1)
            for x in (logits, top_k, top_p)
        ]
        return jax.lax.dynamic_update_slice_in_dim(
            least, one(*rows), branch, axis=1
        )

    # As `logits` are, where devices share the branches.
    start = logits[..., :1]
    return jax.lax.fori_loop(0, logits.shape[1], body, start)


def _likeliest(logits: jax.Array, number: int) -> jax.Array:
    """The `number` highest of `logits [..., V]`, in falling order."""

    def find(logits):
        return jax.lax.top_k(logits, number)[0]

    if logits.ndim < 3:
        return find(logits)
    # Left to itself, the compiler gathers all problems on each device.
    return sharding.on_shards(find, [("problems",)], logits)


def _least(
    logits: jax.Array,
    ordered: jax.Array,
    top_k: jax.Array,
    top_p: jax.Array,
) -> tuple[jax.Array, jax.Array]:
    """The lowest logit that `top_k`, and then `top_p`, keep.

    Args:
        logits: `[..., V]`.
        ordered: `[..., X]`, the highest of them in falling order.
        top_k: `[..., 1] int32`; 0 keeps all.
        top_p: `[..., 1] float32`; 1 keeps all.

    Returns:
        `[..., 1] float32`, and `[..., 1] bool`, whether `ordered` was enough
        to find it.
    """
    size = ordered.shape[-1]
    last = jnp.clip(top_k - 1, 0, size - 1)
    kth = jnp.take_along_axis(ordered, last, axis=-1)
    least = jnp.where(top_k > 0, kth, -jnp.inf)
    peak = ordered[..., :1]

    def weigh(values):
        return jnp.where(values < least, 0.0, jnp.exp(values - peak))

    whole = weigh(logits).sum(-1, keepdims=True)
    probabilities = weigh(ordered) / whole
    reached = jnp.cumsum(probabilities, axis=-1)
    kept = (reached - probabilities < top_p).sum(-1, keepdims=True)
    nucleus = jnp.take_along_axis(ordered, jnp.maximum(kept, 1) - 1, axis=-1)
    enough = (top_k > 0) | (reached[..., -1:] >= top_p) | (top_p >= 1)
    found = (top_k <= size) & enough
    return jnp.where(top_p < 1, jnp.maximum(least, nucleus), least), found
