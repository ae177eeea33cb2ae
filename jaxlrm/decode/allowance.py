"""How branches with few tokens left come to an end of their chains.

A chain goes on only if the tokens left would let all that go on become longer
by what they cost: what is to come is about what has been written, if nothing
else is known. So a search begins as wide as it may be, and as its
tokens run out it narrows to its best chain, instead of ending with many that
say nothing.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp


def affordable(
    active: jax.Array, cost: jax.Array, left: jax.Array
) -> jax.Array:
    """`[G, B] bool`: the first active rows whose costs `left` suffices for.

    Args:
        active: `[G, B] bool`.
        cost: `[G, B] int32`, tokens.
        left: `[G] int32`, tokens. The first active row is affordable.
    """
    total = jnp.cumsum(jnp.where(active, cost, 0), 1)
    first = jnp.cumsum(active, 1) == 1
    return active & (first | (total <= left[:, None]))
