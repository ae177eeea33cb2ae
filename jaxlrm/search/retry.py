"""Second tries: an optional wrapper around any strategy that rows wait in.

What the searches of this project add to those of the literature. Without it a
round in which nothing sound was written ends a beam, and a beam whose chains
all end without an answer has none.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from jaxlrm.search import tree as tree_lib
from jaxlrm.search.base import Strategy
from jaxlrm.search.tree import Steps, Tree, at, mark, pairs

TRIES = 8  # rounds of children that all are wrong before a leaf is let go
_NOWHERE = 1 << 30  # more than any number of a node


def second_tries(strategy: Strategy) -> Strategy:
    """The strategy, in which a leaf stays if nothing sound came of it.

    Other samples may be right. Where nodes stay as long as they are not
    extended, that goes for each leaf; else for all leaves of a subtree
    together.
    """

    def stay(tree: Tree, steps: Steps, keep: jax.Array) -> jax.Array:
        mates = pairs(steps.leaf) if strategy.keeps_all else pairs(steps.group)
        again = leaves(tree, steps, mates)
        if strategy.group:
            # All subtrees share the root, so its children do not tell how
            # often one of them has begun.
            again = again.at[0].set(tree.rounds < TRIES)
        return strategy.stay(tree, steps, keep) | again

    return strategy._replace(stay=stay)


def going_back(strategy: Strategy) -> Strategy:
    """The strategy, which goes back to an earlier step where it is stuck.

    That is where no node is left to extend and no answer is proven (or, where
    none can be, none was found). From the earlier step it goes on with others
    than before.
    """

    def keep(tree: Tree, steps: Steps) -> jax.Array:
        new = steps.sound & ~steps.known
        # Back at the problem it begins again with the same, if need be.
        again = steps.sound & (steps.leaf == 0) & ~new.any()
        return strategy.keep(tree, steps._replace(sound=new | again))

    def learn(tree: Tree, steps: Steps, nodes: jax.Array) -> Tree:
        tree = strategy.learn(tree, steps, nodes)
        stuck = (steps.leaf >= 0).any() & ~(tree.live & fits(tree)).any()
        if not strategy.checked:
            stuck &= ~tree.answers.any()
        return step_back(tree, steps, stuck)

    return strategy._replace(keep=keep, learn=learn)


def leaves(tree: Tree, steps: Steps, mates: jax.Array) -> jax.Array:
    """Leaves that are tried once more, `[N] bool`.

    Those of rows none of whose `mates [R, R] bool` wrote a sound step. Each is
    tried as often as in `TRIES` rounds that share the mates among their leaves.
    """
    active = steps.leaf >= 0
    failed = ~(mates & steps.sound).any(-1)
    again = pairs(steps.leaf) & mates & tree_lib.earlier(len(active))
    first = active & ~again.any(-1)
    number = jnp.maximum((mates & first).sum(-1), 1)
    most = TRIES * mates.sum(-1) // number
    tried = failed & active & (at(tree.children, steps.leaf) < most)
    return mark(tree, jnp.where(tried, steps.leaf, -1))


def step_back(tree: Tree, steps: Steps, stuck: jax.Array) -> Tree:
    """Where a beam is `stuck`, one node of its last paths is live again.

    It is the one that the fewest rows have extended, of several the latest:
    the beam goes back one step after another, to the problem in the end, which
    may be tried for as long as the budgets last (as in complete anytime beam
    search, Zhang 1998). The cache holds these paths, since their leaves were
    live until now.
    """
    last = tree.replace(live=mark(tree, steps.leaf))
    able = tree_lib.has_live_descendant(last) & fits(tree) & ~tree.answers
    number = jnp.arange(tree.live.shape[0])
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
