"""A round of one problem: what is kept of its steps, and what it extends.

What all strategies have in common stands here, once: which steps are sound (not
INVALID, and the first of their equals), which nodes have room for more, and
when a proof or a spent budget ends the search.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from jaxlrm.config import DOUBT
from jaxlrm.search import select
from jaxlrm.search import tree as tree_lib
from jaxlrm.search.base import Reply, Strategy
from jaxlrm.search.retry import fits
from jaxlrm.search.tree import OPEN, STEP, Steps, Tree, Twigs, at

# The score of a chain from the score before its last step, the step's own and
# the number of steps before it; a first step's score is its chain's.
AGGREGATES = {
    # The last step speaks for the chain (Snell et al. 2024).
    "last": lambda before, own, number: own,
    # The weakest step does (Lightman et al. 2023).
    "min": lambda before, own, number: jnp.minimum(before, own),
    # The probability that all steps are right, were they independent.
    "product": lambda before, own, number: before * own,
    "mean": lambda before, own, number: before + (own - before) / (number + 1),
}


def update(
    strategy: Strategy, tree: Tree, twigs: Twigs, reply: Reply
) -> tuple[Tree, Twigs]:
    """Judges the steps that have ended, and keeps the best of them.

    A chain with a doubt keeps a quarter of its odds (`config.DOUBT`), however
    many steps of it are in doubt.

    Returns:
        The tree and the twigs, in which the rows of these steps are idle.
    """
    judged = to_judge(strategy, twigs)
    twigs = shorten(twigs, jnp.where(judged, reply.length, -1))
    before = at(tree.doubtful, twigs.leaf)
    doubtful = before | reply.doubt
    score = scale_odds(twigs.score, DOUBT, doubtful & ~before)
    twigs = twigs.replace(score=score)
    steps = _steps(strategy, tree, twigs, judged, reply.verdict)
    keep = strategy.keep(tree, steps)
    live = strategy.stay(tree, steps, keep)
    tree, nodes = tree_lib.add(
        tree.replace(live=jnp.where(judged.any(), live, tree.live)),
        twigs,
        keep,
        verdict=reply.verdict,
        doubtful=doubtful,
        count=steps.count,
        group=steps.group,
        output=reply.output,
        output_length=reply.output_length,
    )
    tree = strategy.learn(tree, steps, nodes)
    done = reply.stop | _is_done(strategy, tree, twigs)
    tree = tree.replace(live=tree.live & fits(tree) & ~done)
    idle = judged | ~tree.live.any()
    return tree, twigs.replace(leaf=jnp.where(idle, -1, twigs.leaf), node=nodes)


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
) -> Steps:
    """What a strategy sees of the steps."""
    rows = twigs.leaf.shape[0]
    group = jnp.array(strategy.group or [0] * rows, jnp.int32)
    first, count, known = tree_lib.compare(tree, twigs, judged, group)
    return Steps(
        leaf=jnp.where(judged, twigs.leaf, -1),
        kind=twigs.kind,
        score=twigs.score,
        verdict=verdict,
        group=group,
        count=count,
        first=first,
        sound=first & (verdict != tree_lib.INVALID),
        known=known,
    )


def _is_done(strategy: Strategy, tree: Tree, twigs: Twigs) -> jax.Array:
    """`bool`: an answer is proven, enough are found, or a budget is spent."""
    done = strategy.enough(tree) | (tree.spent >= tree.limits.tokens)
    if strategy.waits:  # else `choose` counts the rounds of each row
        done |= (tree.rounds >= tree.limits.rounds) & ~twigs.writing.any()
    if strategy.checked:
        done |= (tree.answers & (tree.verdict == tree_lib.VALID)).any()
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
    ready = idle
    if strategy.waits:
        ready = idle & idle.all()
    elif not strategy.whole:
        ready = idle & (twigs.begun < tree.limits.rounds)
    leaf = strategy.select(tree, idle).astype(jnp.int32)
    leaf = select.narrow(tree, twigs, jnp.where(ready, leaf, -1))
    ordinal = select.ordinals(tree, leaf)
    key = jax.vmap(jax.random.fold_in)(at(tree.key, leaf), ordinal)
    target = jnp.where(leaf < 0, tree.children.shape[0], leaf)
    tree = tree.replace(
        children=tree.children.at[target].add(1, mode="drop"),
        rounds=tree.rounds + (leaf >= 0).any(),
    )
    return tree, twigs.begin(leaf, key, ordinal)


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
    lowered, number = at(tree.score, twigs.leaf), at(tree.steps, twigs.leaf)
    # A doubt lowers the whole, not its parts.
    doubtful = at(tree.doubtful, twigs.leaf)
    before = scale_odds(lowered, 1 / DOUBT, doubtful)
    own = jax.nn.sigmoid(logit)
    after = AGGREGATES[strategy.aggregate](before, own, number)
    after = scale_odds(jnp.where(number > 0, after, own), DOUBT, doubtful)
    is_open = twigs.kind == OPEN
    score = jnp.where(is_open & (number > 0), lowered, after)
    return twigs.replace(
        score=jnp.where(judged, score, twigs.score),
        partial=jnp.where(judged & is_open, partial, 0.0),
    )
