"""A round of one problem: what is kept of its steps, and what it extends.

What all strategies have in common stands here, once: which steps are sound (not
INVALID, and the first of their equals), which nodes have room for more, and
when a proof or a spent budget ends the search.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from jaxlrm.config import DOUBT
from jaxlrm.search import retry, select
from jaxlrm.search import tree as tree_lib
from jaxlrm.search.base import Reply
from jaxlrm.search.strategies import Strategy
from jaxlrm.search.tree import OPEN, STEP, Steps, Tree, Twigs, at, put


def update(
    strategy: Strategy, tree: Tree, twigs: Twigs, reply: Reply
) -> tuple[Tree, jax.Array, Twigs]:
    """Judges the steps that have ended, and keeps the best of them.

    A chain with a doubt keeps a quarter of its odds (`config.DOUBT`), however
    many steps of it are in doubt.

    Returns:
        The tree, `[R] int32` the node of each step, -1 if not kept, and the
        twigs, in which the rows of these steps are idle.
    """
    judged = to_judge(strategy, twigs)
    if strategy.output_tokens:
        twigs = shorten(twigs, jnp.where(judged, reply.length, -1))
    before = at(tree.doubtful, twigs.leaf)
    doubtful = before | reply.doubt
    score = scale_odds(twigs.score, DOUBT, doubtful & ~before)
    twigs = twigs.replace(score=score)
    steps, group = _steps(strategy, tree, twigs, judged, reply.verdict)
    keep = strategy.keep(tree, steps)
    live = strategy.stay(tree, steps, keep)
    live = jnp.where(judged.any(), live, tree.live)
    tree, nodes = tree_lib.add(
        tree.replace(live=live), twigs, keep, reply.verdict, steps.count, group
    )
    tree = tree.replace(doubtful=put(tree.doubtful, nodes, doubtful))
    if strategy.output_tokens:
        tree = tree.replace(
            output=put(tree.output, nodes, reply.output),
            output_length=put(tree.output_length, nodes, reply.output_length),
        )
    tree = strategy.learn(tree, steps, nodes)
    done = _is_done(strategy, tree, twigs)
    tree = tree.replace(live=tree.live & retry.fits(tree) & ~done)
    if strategy.goes_back:
        stuck = judged.any() & ~tree.live.any() & ~done
        if not strategy.checked:  # none is proven
            stuck &= ~tree.answers.any()
        tree = retry.step_back(tree, steps, stuck)
    if strategy.keeps_all:
        changed = jnp.where(nodes < 0, steps.leaf, nodes)
        tree = tree_lib.refresh(tree, changed)
    tree = tree.replace(live=tree.live & ~reply.stop)
    idle = jnp.where(judged | ~tree.live.any(), -1, twigs.leaf)
    return tree, nodes, twigs.replace(leaf=idle)


def to_judge(strategy: Strategy, twigs: Twigs) -> jax.Array:
    """`[R] bool`: steps that have ended, and need not wait for others."""
    waiting = strategy.waits & twigs.writing.any()
    return twigs.ended & ~waiting


def _steps(
    strategy: Strategy,
    tree: Tree,
    twigs: Twigs,
    judged: jax.Array,
    verdict: jax.Array,
) -> tuple[Steps, jax.Array]:
    """What a strategy sees of the steps, and the group of each row."""
    rows = twigs.leaf.shape[0]
    group = jnp.array(strategy.group or [0] * rows, jnp.int32)
    first, count = tree_lib.first_of_equals(twigs, judged, group)
    known = jnp.zeros_like(judged)
    if strategy.goes_back:
        known = tree_lib.has_child(tree, twigs)
    steps = Steps(
        leaf=jnp.where(judged, twigs.leaf, -1),
        kind=twigs.kind,
        score=twigs.score,
        verdict=verdict,
        first=first,
        sound=first & (verdict != tree_lib.INVALID),
        count=count,
        known=known,
    )
    return steps, group


def _is_done(strategy: Strategy, tree: Tree, twigs: Twigs) -> jax.Array:
    """`bool`: an answer is proven, or a budget is spent.

    Or enough answers were found.
    """
    done = strategy.enough(tree) | (tree.spent >= tree.limits.tokens)
    if strategy.waits:  # else `choose` counts the rounds of each row
        done |= (tree.rounds >= tree.limits.rounds) & ~twigs.writing.any()
    if strategy.checked:
        proven = tree.answers & (tree.verdict == tree_lib.VALID)
        done |= proven.any()
    return done


def shorten(twigs: Twigs, length: jax.Array) -> Twigs:
    """Twigs cut to `length [R]` tokens, then steps; -1 leaves one as it is.

    A tool's tokens before them are not counted.
    """
    cut = length >= 0
    kept = jnp.minimum(twigs.forced + length, twigs.length)
    return twigs.replace(
        length=jnp.where(cut, kept, twigs.length),
        kind=jnp.where(cut, STEP, twigs.kind),
        reading=jnp.where(cut, 0, twigs.reading),
    )


def scale_odds(score: jax.Array, factor: float, where: jax.Array) -> jax.Array:
    """The score whose odds are `factor` times as high, `where` that holds."""
    scaled = factor * score / (factor * score + 1 - score)
    return jnp.where(where, scaled, score)


def choose(strategy: Strategy, tree: Tree, twigs: Twigs) -> tuple[Tree, Twigs]:
    """Begins a step in each idle row that the strategy has a leaf for.

    Where tokens run short, some rows stay idle.
    """
    idle = twigs.leaf < 0
    ready = idle.all() | (not strategy.waits)
    leaf = strategy.select(tree, idle).astype(jnp.int32)
    if not (strategy.waits or strategy.whole):
        ready &= twigs.begun < tree.limits.rounds
    leaf = jnp.where(idle & ready, leaf, -1)
    leaf = select.narrow(tree, twigs, leaf)
    keys = at(tree.key, leaf)
    target = jnp.where(leaf < 0, tree.children.shape[0], leaf)
    ordinal = select.ordinals(tree, leaf)
    twigs = twigs.begin(leaf, jax.vmap(jax.random.fold_in)(keys, ordinal))
    rounds = tree.rounds + (leaf >= 0).any()
    if not strategy.waits:  # rows begin at different times
        rounds = twigs.begun.max()
    children = tree.children.at[target].add(1, mode="drop")
    return tree.replace(children=children, rounds=rounds), twigs


def settle_score(
    strategy: Strategy,
    tree: Tree,
    twigs: Twigs,
    judged: jax.Array,
    logit: jax.Array,
    partial: jax.Array,
) -> Twigs:
    """The scores of the chains, out of the logits of their last steps.

    One that the limit of tokens cuts leaves its chain the score that it had
    before; where no step was finished yet, the score at the cut stands in.
    """
    leaf = twigs.leaf
    lowered, number = at(tree.score, leaf), at(tree.steps, leaf)
    # A doubt lowers the whole, not its parts.
    doubtful = at(tree.doubtful, leaf)
    before = scale_odds(lowered, 1 / DOUBT, doubtful)
    own = jax.nn.sigmoid(logit)
    after = strategy.aggregate(before, number, own)
    after = scale_odds(after, DOUBT, doubtful)
    is_open = twigs.kind == OPEN
    score = jnp.where(is_open & (number > 0), lowered, after)
    return twigs.replace(
        score=jnp.where(judged, score, twigs.score),
        partial=jnp.where(judged & is_open, partial, 0.0),
    )
