"""Sampling a token from logits: pure functions, one random number a row.

How a row is sampled is data: rows of one call may differ in it, and another
temperature compiles nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp

Setting = jax.Array | float  # one for all rows, or one a row

_LARGE = (
    1 << 14
)  # a vocabulary of which a CPU searches a part, if that is enough
_GROUP, _GROUPS = 64, 64  # tokens of a group, groups of the part


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
        temperature: 0 takes the likeliest token, the first on a tie; the
            inverse of another must be finite. A number or an array that
            broadcasts to `[...]`, as the next three.
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

    def draw() -> jax.Array:
        positive = jnp.where(greedy, 1.0, temperature)
        least = threshold(logits, positive, top_k, top_p, min_p)
        peak = logits.max(-1, keepdims=True)
        weights = _weigh(logits, peak, positive[..., None], least)
        return _draw(weights, uniform)

    drawn = jax.lax.cond(greedy.all(), lambda: nothing, draw)
    return jnp.where(greedy, likeliest, drawn)


def _weigh(
    logits: jax.Array,
    peak: jax.Array,
    temperature: jax.Array,
    least: jax.Array,
) -> jax.Array:
    """`[..., V]`, in proportion to probability; 0 for logits below `least`."""
    # Scaled here, each time: else a loop would keep a copy of the logits.
    weights = jnp.exp((logits - peak) * (1 / temperature))
    return jnp.where(logits >= least, weights, 0.0)


def _draw(weights: jax.Array, uniform: jax.Array) -> jax.Array:
    """`[...] int32` tokens, each in proportion to its `weights [..., V]`."""
    # About the square root of V, and a power of two as a model axis is.
    vocabulary = weights.shape[-1]
    groups = math.gcd(vocabulary, 1 << vocabulary.bit_length() // 2)
    size = vocabulary // groups
    weights = weights.reshape(*uniform.shape, groups, size)
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


def threshold(
    logits: jax.Array,
    temperature: Setting,
    top_k: jax.Array | int,
    top_p: Setting,
    min_p: Setting = 0.0,
) -> jax.Array:
    """The least logit of each row that all limits keep.

    Args:
        logits: `[..., V] float32`.
        temperature: above 0, of the probabilities that `top_p` and `min_p`
            limit. A number or an array that broadcasts to `[...]`, as the next.
        top_k: see `sample`, as the other two.
        top_p: likewise.
        min_p: likewise.

    Returns:
        `[..., 1] float32`; minus infinity where there is no limit.
    """
    rows = logits.shape[:-1]

    def column(setting, dtype=jnp.float32) -> jax.Array:
        return jnp.broadcast_to(jnp.asarray(setting, dtype), rows)[..., None]

    temperature, top_p, min_p = map(column, (temperature, top_p, min_p))
    top_k = column(top_k, jnp.int32)
    peak = logits.max(-1, keepdims=True)

    def cut() -> jax.Array:
        def find(among: jax.Array = logits) -> jax.Array:
            return _cut(logits, peak, temperature, top_k, top_p, among)

        def quickly() -> jax.Array:
            among, rest = _likeliest(logits)
            found = find(among)
            sure = (found > rest) | ~asked
            return jax.lax.cond(sure.all(), lambda: found, find)

        vocabulary = logits.shape[-1]
        if vocabulary < _LARGE or vocabulary % _GROUP:
            return find()
        return jax.lax.platform_dependent(cpu=quickly, default=find)

    def share() -> jax.Array:
        return peak + jnp.log(min_p) * temperature  # minus infinity at 0

    asked = (top_k > 0) | (top_p < 1)
    return jnp.maximum(
        _where_asked(asked, cut, peak), _where_asked(min_p > 0, share, peak)
    )


def _where_asked(
    asked: jax.Array, find: Callable[[], jax.Array], like: jax.Array
) -> jax.Array:
    """What `find` returns, or minus infinity if no row asked for it."""
    everything = jnp.full_like(like, -jnp.inf)
    return jax.lax.cond(asked.any(), find, lambda: everything)


def _cut(
    logits: jax.Array,
    peak: jax.Array,
    temperature: jax.Array,
    top_k: jax.Array,
    top_p: jax.Array,
    among: jax.Array,
) -> jax.Array:
    """The least logit that `top_k` and `top_p` keep, `[..., 1]`.

    Args:
        logits: `[..., V] float32`.
        peak: `[..., 1]`, the highest of them.
        temperature: `[..., 1]`, as the next two; see `threshold`.
        top_k: see `sample`.
        top_p: likewise.
        among: `[..., C]`, logits that are searched: all of them, or at least
            those that are kept.
    """

    def weight(logits: jax.Array, least: jax.Array) -> jax.Array:
        weights = _weigh(logits, peak, temperature, least)
        return weights.sum(-1, keepdims=True)

    def kth() -> jax.Array:
        wanted = jnp.minimum(top_k, logits.shape[-1])

        def enough(least: jax.Array) -> jax.Array:
            number = (among >= least).sum(-1, keepdims=True, dtype=jnp.int32)
            return number >= wanted

        return jnp.where(top_k > 0, _highest(enough, peak), -jnp.inf)

    def nucleus() -> jax.Array:
        total = jax.lax.cond(
            ((top_k == 0) & (top_p < 1)).any(),
            lambda: weight(logits, least),
            lambda: weight(among, least),
        )
        found = _highest(
            lambda cut: weight(among, jnp.maximum(least, cut)) >= top_p * total,
            peak,
        )
        return jnp.where(top_p < 1, found, -jnp.inf)

    least = _where_asked(top_k > 0, kth, peak)
    return jnp.maximum(least, _where_asked(top_p < 1, nucleus, peak))


def _likeliest(logits: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Few logits with the likeliest tokens among them.

    Those of the groups whose best tokens are the likeliest.

    Args:
        logits: `[..., V]`.

    Returns:
        The logits `[..., C]`, and the highest of all others `[..., 1]`.
    """
    split = logits.reshape(*logits.shape[:-1], -1, _GROUP)
    best, groups = jax.lax.top_k(split.max(-1), _GROUPS + 1)
    few = jnp.take_along_axis(split, groups[..., :-1, None], axis=-2)
    return few.reshape(*logits.shape[:-1], -1), best[..., -1:]


def _highest(
    enough: Callable[[jax.Array], jax.Array], peak: jax.Array
) -> jax.Array:
    """The highest threshold of each row that is enough, at most `peak`.

    Bisects all floats from minus infinity on, 32 sums over the vocabulary:
    nothing as wide is sorted or stored, and devices that share it exchange
    sums alone.

    Args:
        enough: of thresholds `[..., 1] float32`: `[..., 1] bool`. If one is
            enough, so are those below; minus infinity is.
        peak: `[..., 1] float32`.

    Returns:
        `[..., 1] float32`.
    """

    def narrow(_, bounds):
        low, high = bounds
        middle = (low | high) - ((low ^ high) >> 1)  # their mean, rounded up
        kept = enough(_reorder(middle).view(jnp.float32))
        return jnp.where(kept, middle, low), jnp.where(kept, high, middle - 1)

    ends = jnp.full_like(peak, -jnp.inf), peak
    bounds = tuple(_reorder(x.view(jnp.int32)) for x in ends)
    low, _ = jax.lax.fori_loop(0, 32, narrow, bounds)
    return _reorder(low).view(jnp.float32)


def _reorder(bits: jax.Array) -> jax.Array:
    """`int32` bits of floats as integers of their order; its own inverse."""
    return jnp.where(bits < 0, bits ^ 0x7FFFFFFF, bits)
