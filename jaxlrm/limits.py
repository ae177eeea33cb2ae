"""What a problem's search may do and spend, as data.

Nothing here has a part in the shape of an array, so changing it compiles
nothing, and the problems of a batch may have different limits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from jaxlrm.config import SearchConfig

UNLIMITED = 1 << 30  # as a number of tokens or rounds


@struct.dataclass
class Limits:
    """Limits of one problem as numbers, or of `G` problems as arrays `[G]`.

    Attributes:
        temperature: `float32`, of sampling; 0 takes the likeliest token.
        top_k: `int32`, sample among so many likeliest tokens; 0 is all.
        top_p: `float32`, sample among the likeliest tokens of this total
            probability; 1 is all.
        min_p: `float32`, sample among tokens of at least this share of the
            likeliest one's probability; 0 is all.
        tokens: `int32`, most tokens that the generator writes.
        rounds: `int32`, most rounds of a stepwise strategy.
        chain_tokens: `int32`, most tokens of a chain.
        step_tokens: `int32`, most tokens that a branch writes in a round,
            a tool's before them not counted.
        think_tokens: `int32`, tokens of a chain after which thinking is ended.
    """

    temperature: Any = 1.0
    top_k: Any = 0
    top_p: Any = 1.0
    min_p: Any = 0.0
    tokens: Any = UNLIMITED
    rounds: Any = UNLIMITED
    chain_tokens: Any = UNLIMITED
    step_tokens: Any = UNLIMITED
    think_tokens: Any = UNLIMITED

    def typed(self) -> Limits:
        """As arrays."""
        return _typed(self, jnp.asarray)

    def spread(self, problems: int) -> Limits:
        """Arrays `[G]` for `G` problems with these same limits."""
        return jax.tree.map(lambda x: jnp.full(problems, x), self.typed())

    def columns(self) -> Limits:
        """Arrays `[G, 1]`, to go with `[G, B]`."""
        return jax.tree.map(lambda x: x[:, None], self)


def of(config: SearchConfig, *, whole: bool = False) -> Limits:
    """The limits, as numbers, of a search.

    Args:
        config: its configuration. What it leaves to the model of how tokens
            are sampled is as in `SearchConfig`.
        whole: whether a round writes whole chains.
    """
    step = config.chain_tokens if whole else config.step_tokens

    def given(value, otherwise):
        return otherwise if value is None else value

    return Limits(
        temperature=float(given(config.temperature, 1.0)),
        top_k=min(given(config.top_k, 0), UNLIMITED),
        top_p=float(given(config.top_p, 1.0)),
        min_p=float(given(config.min_p, 0.0)),
        tokens=_limit(config.tokens),
        rounds=_limit(config.rounds),
        chain_tokens=_limit(config.chain_tokens),
        step_tokens=_limit(step),
        think_tokens=_limit(config.think_tokens),
    )


def affordable(
    active: jax.Array, cost: jax.Array, left: jax.Array
) -> jax.Array:
    """`[..., R] bool`: the first active rows whose costs `left` suffices for.

    Args:
        active: `[..., R] bool`.
        cost: `[..., R] int32`, tokens.
        left: `[...] int32`, tokens. The first active row is affordable.
    """
    total = jnp.cumsum(jnp.where(active, cost, 0), -1)
    first = jnp.cumsum(active, -1) == 1
    return active & (first | (total <= left[..., None]))


def stack(limits: Sequence[Limits]) -> Limits:
    """Limits of single problems as numpy arrays `[G]`."""
    return _typed(jax.tree.map(lambda *x: np.stack(x), *limits), np.asarray)


def _typed(limits: Limits, array) -> Limits:
    """One dtype whatever the numbers were, or a program compiles twice."""
    real = ("temperature", "top_p", "min_p")
    return Limits(
        **{
            name: array(value, np.float32 if name in real else np.int32)
            for name, value in vars(limits).items()
        }
    )


def _limit(number: int) -> int:
    """A number of the configuration, in which 0 sets no limit."""
    return min(number or UNLIMITED, UNLIMITED)
