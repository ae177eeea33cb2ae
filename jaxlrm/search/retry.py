"""Second tries: of a step that was wrong, and from an earlier step.

What the searches of this project add to those of the literature.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from jaxlrm.search import tree as tree_lib
from jaxlrm.search.tree import Steps, Tree, at, mark, pairs

TRIES = 8  # rounds of children that all are wrong before a leaf is let go
_NOWHERE = 1 << 30  # more than any number of a node


def leaves(
    tree: Tree, steps: Steps, mates: jax.Array, sound: jax.Array
) -> jax.Array:
    """Leaves that are tried once more, `[N] bool`.

    Where none of a row's mates wrote a sound step, their leaves stay: other
    samples may be right. Each is tried as often as in `TRIES` rounds that
    share the mates among their leaves.

    Args:
        tree: the tree.
        steps: of the last round.
        mates: `[R, R] bool`, rows that try together.
        sound: `[R] bool`, steps that need no second try.
    """
    active = steps.leaf >= 0
    failed = ~(mates & sound).any(-1)
    rows = active.shape[0]
    again = pairs(steps.leaf) & mates & tree_lib.earlier(rows)
    first = active & ~again.any(-1)
    number = jnp.maximum((mates & first).sum(-1), 1)
    most = TRIES * mates.sum(-1) // number
    stay = failed & active & (at(tree.children, steps.leaf) < most)
    return mark(tree.live.shape[0], steps.leaf, stay)


def step_back(tree: Tree, steps: Steps, stuck: jax.Array) -> Tree:
    """Where a beam is `stuck`, one node of its last paths is live again.

    It is the one that the fewest rows have extended, of several the latest:
    the beam goes back one step after another, to the problem in the end, which
    may be tried for as long as the budgets last (as in complete anytime beam
    search, Zhang 1998). The cache holds these paths, since their leaves were
    live until now.
    """
    size = tree.live.shape[0]
    last = mark(size, steps.leaf, steps.leaf >= 0)
    able = tree_lib.has_live_descendant(tree.replace(live=last))
    able &= (tree.kind == tree_lib.STEP) | (tree.kind == tree_lib.OPEN)
    able &= fits(tree)
    number = jnp.arange(size)
    most = TRIES * steps.leaf.shape[0]
    able &= (number == 0) | (tree.children < most)
    fewest = jnp.where(able, tree.children, _NOWHERE)
    latest = jnp.where(fewest == fewest.min(), number, -1)
    one = able & (number == latest.max())
    return tree.replace(live=tree.live | (stuck & one))


def fits(tree: Tree) -> jax.Array:
    """`[N] bool`: a chain has room for a token after the node.

    And for what a tool wrote after it. A step that finds too little room is
    cut where the chain's tokens end.
    """
    return tree.written + tree.output_length < tree.limits.chain_tokens
