"""The sizes that a search is compiled for, and when its caches grow.

Each size of an array is a program to compile, so all of them come from one
table: see `bucket`. What is no size is data, see `limits`.
"""

from __future__ import annotations

import bisect
import dataclasses

import jax
import jax.numpy as jnp

from jaxlrm.config import SCORED, ModelConfig, SearchConfig
from jaxlrm.engine import binding
from jaxlrm.models.cache import Cache
from jaxlrm.search import base, tree
from jaxlrm.search.base import Strategy
from jaxlrm.search.tree import Tree, Twigs

# Operations a byte that a device keeps up with: when sharing keys pays.
_BALANCE = {"cpu": 13.0, "gpu": 300.0, "tpu": 240.0}
# Powers of two, and halfway between them: at most a third is never used.
BUCKETS = tuple(sorted(n << k for k in range(24) for n in (2, 3)))
_SLOTS = 64  # at least, of any segment of a cache
_STEP = 8  # at least, `S`
_ROUNDS = 8  # at least, for which a tree has nodes
_SEEN = 128  # slots of a tail, at least, for which there is a program
_CHUNK = 32  # tokens that a row writes in a round, of steps longer than two
_STEM = 128  # slots of the first stems
_STEPS = 4  # as long as this many steps of every leaf is the first trunk


def bucket(size: int, least: int = 1) -> int:
    """The size that an array gets which needs `size`, and `least` or more."""
    size = max(size, least)
    return size if size <= 1 else BUCKETS[bisect.bisect_left(BUCKETS, size)]


def bucket_below(size: int) -> int:
    """The largest size of an array that is no more than `size`."""
    return 1 if size <= 1 else BUCKETS[bisect.bisect_right(BUCKETS, size) - 1]


def chunk(step: int) -> tuple[int, int]:
    """Tokens that a row writes in a round, and the slots of a tail.

    Args:
        step: `S`. Steps of up to two chunks are written in one round.
    """
    if step <= 2 * _CHUNK:
        return step, 0
    return _CHUNK, -(-step // _CHUNK) * _CHUNK


def look_back(tail: int, platform: str = "") -> tuple[int, ...]:
    """Slots of a tail for which there is a program that reads no more.

    A CPU reads half of a tail, or a quarter, from a copy made once a round. On
    other devices the copy would take memory that the cache should have.
    """
    sizes = [tail]
    on_cpu = (platform or jax.default_backend()) == "cpu"
    while on_cpu and sizes[-1] > _SEEN:
        sizes.append(sizes[-1] // 2)
    return tuple(sorted({0, *sizes}))


def compiled_for(config: SearchConfig, strategy: Strategy) -> SearchConfig:
    """What of a configuration is in its programs: equal ones share them.

    Args:
        config: with nothing left open.
        strategy: that of the configuration.

    Returns:
        A configuration whose strategy has the sizes of `bucket`, and whose
        limits mean nothing.
    """
    if ":" in config.strategy:  # from outside: it may read anything
        return dataclasses.replace(
            config,
            prompt="auto",
            system="",
            thinking="auto",
            seed=0,
            batch=1,
            seconds=0.0,
            confidence=0.0,
            vote="auto",
            trunk=0,
        )
    common = {"branches": strategy.branches, "execution": config.execution}
    if strategy.whole:  # they differ in their votes alone
        return SearchConfig(
            strategy="majority",
            verifiers="learned" if config.verifiers in SCORED else "none",
            chain_tokens=bucket(config.chain_tokens, _STEP),
            step_tokens=1,
            **common,
        )
    step = bucket(config.step_tokens, _STEP)
    return SearchConfig(
        strategy=config.strategy,
        width=config.width,
        chain_tokens=step,
        step_tokens=step,
        rounds=bucket(config.rounds, _ROUNDS),
        tools=config.tools,
        output_tokens=strategy.output_tokens,
        verifiers=config.verifiers,
        aggregate=config.aggregate,
        retry=config.retry,
        **common,
    )


def plan(
    generator: ModelConfig,
    config: SearchConfig,
    strategy: Strategy,
    *,
    problems: int,
    prompt: int,
    rows: int = 0,
    platform: str = "",
) -> binding.Sizes:
    """The sizes that a search begins with.

    Args:
        generator: shape of the generator.
        config: of the search.
        strategy: of `compiled_for`.
        problems: `G`.
        prompt: tokens of the longest prompt.
        rows: `R`; 0 is one for each branch.
        platform: of the devices; by default of those that are there.
    """
    platform = platform or jax.default_backend()
    prompt = bucket(prompt, _SLOTS)
    size, tail = chunk(strategy.step_tokens)
    sizes = binding.Sizes(
        problems=problems,
        rows=rows or strategy.branches,
        prompt=prompt,
        trunk=0,
        stem=0,
        chunk=size,
        tail=tail,
        seen=look_back(tail, platform),
    )
    if strategy.whole:
        return sizes
    trunk, stem = largest(config, strategy)
    if config.execution != "fused":  # which cannot grow
        coming = min(bucket(config.chain_tokens), _STEPS * strategy.step_tokens)
        coming *= strategy.groups
        trunk = limited(config, bucket(coming, _SLOTS))
        stem = min(stem, bucket(_STEM, _SLOTS))
    gather = prefers_stem(
        generator,
        branches=strategy.branches,
        groups=strategy.groups,
        trunk=trunk,
        stem=stem,
        balance=_BALANCE.get(platform, 240.0),
    )
    return sizes._replace(trunk=trunk, stem=stem if gather else 0)


def largest(config: SearchConfig, strategy: Strategy) -> tuple[int, int]:
    """Slots of the trunk and of a stem that a search may come to need.

    All leaves may have paths as long as a chain, of which no part is shared.

    Args:
        config: of the search.
        strategy: of `compiled_for`.
    """
    if strategy.whole:
        return 0, 0
    chain = bucket(config.chain_tokens)
    paths = chain * strategy.groups
    nodes = (strategy.nodes - 1) * strategy.step_tokens
    # A tree search keeps what it does not extend.
    trunk = nodes if strategy.keeps_all else min(paths, nodes)
    return limited(config, bucket(trunk, _SLOTS)), bucket(chain, _SLOTS)


def prefers_stem(
    config: ModelConfig,
    *,
    branches: int,
    groups: int,
    trunk: int,
    stem: int,
    balance: float,
) -> bool:
    """Whether gathering stems is cheaper than attending to the trunk.

    A decoded token reads `trunk` slots once for all branches, or `stem` slots
    a group; it computes with `trunk` or `stem` slots in every branch. The
    cost of each is the larger of its bytes and its operations / `balance`.

    Args:
        config: shape of the generator.
        branches: `B`.
        groups: `W`.
        trunk: slots occupied.
        stem: slots of the longest path.
        balance: operations a byte that the device can keep up with: about 13
            on a CPU, 240 to 300 on a v5e or an H100.
    """
    rows = branches * config.num_heads / config.num_kv_heads
    direct = max(trunk, trunk * rows / balance)
    gathered = max(groups * stem, stem * rows / balance)
    return gathered < direct


@jax.jit
def needed(
    trees: Tree, twigs: Twigs, owner: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Slots of the trunk and of a stem that the next round needs.

    Args:
        trees: after `update`.
        twigs: likewise.
        owner: `[G, P] int32`, whose the slots of the trunk are.
    """

    def one(trees, twigs, owner):
        alive = tree.has_live_descendant(trees)
        kept = (owner >= 0) & tree.at(alive, owner)
        new = (twigs.node >= 0) & tree.at(alive, twigs.node)
        slots = kept.sum() + jnp.where(new, twigs.length, 0).sum()
        return slots, jnp.where(trees.live, trees.written, 0).max()

    slots, path = jax.vmap(one)(trees, twigs, owner)
    return slots.max(), path.max()


def make_room(
    strategy: Strategy,
    config: SearchConfig,
    rooms: set[tuple[int, int]],
    before: base.State,
    state: base.State,
) -> base.State:
    """Grows the trunk or the stems if the next round would not fit.

    Args:
        strategy: of `compiled_for`.
        config: of the search.
        rooms: slots of trunk and stem that there are programs for; those that
            this one grows to are added. One of them is taken rather than one
            of half its size that is yet to be compiled.
        before: after the last round. Where the most that it may add fits,
            nobody waits for what `update` makes of it.
        state: the same with what `update` makes of it.
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
        int, needed(state.tree, state.twigs, cache.owner)
    )
    needs = max(limited(config, wanted_trunk), trunk), max(wanted_stem, stem)
    most = [
        max(slots, bucket(need, _SLOTS))
        for slots, need in zip(largest(config, strategy), needs, strict=True)
    ]
    if wanted_trunk > trunk:
        slots = bucket(max(2 * trunk, wanted_trunk), _SLOTS)
        trunk = max(limited(config, min(slots, most[0])), trunk)
    if wanted_stem > stem > 0:
        slots = bucket(max(2 * stem, wanted_stem), _SLOTS)
        stem = min(slots, most[1])
    if (trunk, stem) == of(cache):
        return state
    known = [
        (slots, longest)
        for slots, longest in rooms
        if needs[0] <= slots <= min(2 * trunk, most[0])
        and slots <= limited(config, slots)
        and (not stem or needs[1] <= longest <= min(2 * stem, most[1]))
    ]
    trunk, stem = min(known, default=(trunk, stem))
    rooms.add((trunk, stem))
    memory = binding.grow(state.cache, trunk=trunk, stem=stem)
    return state.replace(cache=memory)


def of(cache: Cache) -> tuple[int, int]:
    """Slots of its trunk and of its stem."""
    return cache.trunk.slots, cache.stem.slots if cache.stem else 0


def limited(config: SearchConfig, slots: int) -> int:
    """Slots of the trunk, as many as the configuration allows."""
    whole = -(-config.trunk // _SLOTS) * _SLOTS
    return min(slots, whole) if config.trunk else slots
