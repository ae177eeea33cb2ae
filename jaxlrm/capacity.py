"""How many slots the caches of a search get, and when they grow.

A size of a cache is a program to compile: sizes are rounded up, and double.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from jaxlrm import lockstep
from jaxlrm.config import ModelConfig, SearchConfig
from jaxlrm.models.cache import Cache
from jaxlrm.search import search, tree
from jaxlrm.search.strategies import Strategy
from jaxlrm.search.tree import Tree, Twigs

# Operations a byte that a device keeps up with: when sharing keys pays.
_BALANCE = {"cpu": 13.0, "gpu": 300.0, "tpu": 240.0}
_BUCKET = 64
_STEM = 128  # slots of the first stems
_STEPS = 4  # as long as this many steps of every leaf is the first trunk


def plan(
    generator: ModelConfig,
    config: SearchConfig,
    strategy: Strategy,
    *,
    problems: int,
    prompt: int,
) -> lockstep.Sizes:
    """The sizes that a search begins with.

    Args:
        generator: shape of the generator.
        config: of the search.
        strategy: of the search.
        problems: `G`.
        prompt: tokens of the longest prompt.
    """
    prompt = _round_up(prompt)
    if strategy.whole:
        return lockstep.Sizes(problems, prompt, trunk=0, stem=0)
    fused = config.execution == "fused"  # then it cannot grow
    chain = config.chain_tokens
    stem = _round_up(chain if fused else min(chain, _STEM))
    coming = chain if fused else min(chain, _STEPS * strategy.step_tokens)
    coming *= strategy.groups
    if fused:
        # A tree search keeps what it does not extend.
        most = (strategy.nodes - 1) * strategy.step_tokens
        coming = most if strategy.keeps_all else min(coming, most)
    trunk = _limit(config, _round_up(coming))
    gather = lockstep.prefers_stem(
        generator,
        branches=strategy.branches,
        groups=strategy.groups,
        trunk=trunk,
        stem=stem,
        balance=_BALANCE.get(jax.default_backend(), 240.0),
    )
    return lockstep.Sizes(problems, prompt, trunk, stem if gather else 0)


@jax.jit
def needed(
    trees: Tree, nodes: jax.Array, twigs: Twigs, owner: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Slots of the trunk and of a stem that the next round needs.

    Args:
        trees: after `search.keep`.
        nodes: `[G, B] int32` of `search.keep`.
        twigs: of the last round.
        owner: `[G, P] int32`, whose the slots of the trunk are.
    """
    alive = tree.has_live_descendant(trees)
    kept = (owner >= 0) & tree.at(alive, owner)
    new = jnp.where((nodes >= 0) & tree.at(alive, nodes), nodes, -1)
    new = jnp.where(new < 0, 0, twigs.length)
    path = jnp.where(trees.live, trees.end - trees.end[:, :1], 0)
    return (kept.sum(1) + new.sum(1)).max(), path.max()


def make_room(
    strategy: Strategy,
    config: SearchConfig,
    before: search.State,
    state: search.State,
) -> search.State:
    """Grows the trunk or the stems if the next round would not fit.

    Args:
        strategy: the search.
        config: its configuration.
        before: after the last round. Where the most that it may add fits,
            nobody waits for what `search.keep` makes of it.
        state: the same with the trees and nodes of `search.keep`.
    """
    cache = state.cache.generator
    trunk, stem = of(cache)
    if not trunk:
        return state
    used = int((cache.owner >= 0).sum(1).max())
    longest = int((before.tree.end - before.tree.end[:, :1]).max())
    step = strategy.step_tokens
    fits = used + strategy.branches * step <= trunk
    if fits and (not stem or longest + step <= stem):
        return state
    wanted_trunk, wanted_stem = map(
        int, needed(state.tree, state.nodes, state.twigs, cache.owner)
    )
    if wanted_trunk > trunk:
        trunk = _limit(config, max(2 * trunk, _round_up(wanted_trunk)))
    if wanted_stem > stem > 0:
        # No builtin search extends a chain that has no room for a step.
        most = max(config.chain_tokens - step, wanted_stem)
        stem = min(max(2 * stem, wanted_stem), most)
    if (trunk, stem) == of(cache):
        return state
    memory = lockstep.grow(state.cache, trunk=trunk, stem=stem)
    return state.replace(cache=memory)


def of(cache: Cache) -> tuple[int, int]:
    """Slots of its trunk and of its stem."""
    return cache.trunk.slots, cache.stem.slots if cache.stem else 0


def _limit(config: SearchConfig, slots: int) -> int:
    """Slots of the trunk, as many as the configuration allows."""
    return min(slots, _round_up(config.trunk)) if config.trunk else slots


def _round_up(size: int) -> int:
    return -(-size // _BUCKET) * _BUCKET
