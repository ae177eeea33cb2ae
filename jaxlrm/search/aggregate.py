"""The score of a chain, out of those of its steps.

Each function takes the chain's score before a step, the number of steps that
it is of, and the step's own score, and gives the chain's score after it, all
`[R]`. Before the first step the number is 0 and the score means nothing.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp

Aggregate = Callable[[jax.Array, jax.Array, jax.Array], jax.Array]


def last(before: jax.Array, steps: jax.Array, score: jax.Array) -> jax.Array:
    """The last step speaks for the chain (Snell et al. 2024)."""
    del before, steps
    return score


def minimum(before: jax.Array, steps: jax.Array, score: jax.Array) -> jax.Array:
    """The weakest step does (Lightman et al. 2023)."""
    return jnp.where(steps > 0, jnp.minimum(before, score), score)


def product(before: jax.Array, steps: jax.Array, score: jax.Array) -> jax.Array:
    """The probability that all steps are right, were they independent."""
    return jnp.where(steps > 0, before * score, score)


def mean(before: jax.Array, steps: jax.Array, score: jax.Array) -> jax.Array:
    """The mean of the steps."""
    return jnp.where(steps > 0, before + (score - before) / (steps + 1), score)


BY_NAME: dict[str, Aggregate] = {
    "last": last,
    "min": minimum,
    "product": product,
    "mean": mean,
}
