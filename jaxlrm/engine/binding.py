"""Binds a generator and a reward model to the search loop."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import struct
from jax.sharding import NamedSharding

from jaxlrm.config import ModelConfig
from jaxlrm.decode.write import Tables, Written, write_step
from jaxlrm.models import cache as cache_lib
from jaxlrm.models import sharding, transformer
from jaxlrm.models.cache import Cache, Context, Segment
from jaxlrm.models.params import Transformer
from jaxlrm.models.reward import read_step, value_logit
from jaxlrm.models.sharding import constrain
from jaxlrm.search import search, tree
from jaxlrm.search.strategies import Strategy
from jaxlrm.search.tree import Tree, Twigs


class Prompts(NamedTuple):
    """Prompts of `G` problems.

    Attributes:
        tokens: `[G, Q] int32`, left-aligned.
        length: `[G] int32`.
    """

    tokens: jax.Array
    length: jax.Array


class Weights(NamedTuple):
    """Parameters of the models, and the tokenizer's tables.

    Attributes:
        generator: parameters.
        rewards: parameters of each separate reward model.
        tables: which tokens end a step.
    """

    generator: Transformer
    rewards: tuple[Transformer, ...]
    tables: Tables


@struct.dataclass
class Memory:
    """The caches of the models.

    Attributes:
        generator: the generator's.
        rewards: those of the separate reward models that are asked.
    """

    generator: Cache
    rewards: tuple[Cache, ...]


class Judge(NamedTuple):
    """A learned verifier's part in the score of a step.

    The score is the sigmoid of the weighted mean of the judges' logits.

    Attributes:
        config: shape of a separate reward model; None is the generator's own
            value head.
        weight: positive.
        likelihood: how much of the step's log-likelihood is added to the logit
            of the value head, without what is looked ahead at.
    """

    config: ModelConfig | None
    weight: float = 1.0
    likelihood: float = 0.0


class Sizes(NamedTuple):
    """Sizes of a search in slots.

    Attributes:
        problems: `G`.
        prompt: `Q`.
        trunk: `P`.
        stem: `T`; 0 attends to the trunk by mask.
    """

    problems: int
    prompt: int
    trunk: int
    stem: int


def bind(
    generator: ModelConfig,
    judges: Sequence[Judge],
    strategy: Strategy,
    sizes: Sizes,
    *,
    lookahead: int = 0,
    counted: bool = True,
    dtype: jax.typing.DTypeLike = jnp.float32,
) -> search.Model:
    """The model side of the loop.

    Args:
        generator: shape of the generator.
        judges: who scores the steps; those of separate reward models in the
            order of `Weights.rewards`. Without any, all scores are 1/2.
        strategy: the search to be run.
        sizes: of the caches at the start; they may grow between rounds.
        lookahead: likeliest steps that are written after a step, for its
            score only: it is read at the end of the last of them.
        counted: whether the branches of a problem stop where together they
            have written its tokens. Not for devices that share the branches
            of one problem: they would wait for each other at each token.
        dtype: of the caches; that of the parameters.
    """
    rewards = [judge.config for judge in judges if judge.config is not None]

    def allocate(nodes: int) -> Memory:
        def one(config: ModelConfig) -> Cache:
            return cache_lib.allocate(
                config,
                sizes.problems,
                prompt=sizes.prompt,
                trunk=sizes.trunk,
                stem=sizes.stem,
                twig=strategy.step_tokens,
                branches=strategy.branches,
                groups=strategy.groups,
                nodes=nodes,
                dtype=dtype,
            )

        return Memory(one(generator), tuple(one(config) for config in rewards))

    def start(memory: Memory, prefilled, prompts: Prompts, mask) -> Memory:
        caches = [
            cache_lib.start(cache, mask, segment, prompts.length, hidden)
            for cache, (segment, hidden) in zip(
                [memory.generator, *memory.rewards], prefilled, strict=True
            )
        ]
        return Memory(caches[0], tuple(caches[1:]))

    def extend(weights: Weights, memory: Memory, trees: Tree, leaf, keys):
        start = tree.at(trees.end, leaf) + 1
        cache, context = _context(memory.generator, trees, leaf)
        forced, output = jnp.zeros(leaf.shape, jnp.int32), {}
        if strategy.output_tokens:
            forced = jnp.where(leaf < 0, 0, tree.at(trees.output_length, leaf))
            output = {"output": tree.at(trees.output, leaf), "forced": forced}
        written = write_step(
            generator,
            weights.generator,
            trees.limits,
            weights.tables,
            context,
            cache.twig,
            tree.at(cache.hidden, leaf),
            start,
            keys,
            leaf >= 0,
            reading(weights, trees, leaf),
            start - trees.end[:, :1] - 1,
            allowance=_left(trees),
            narrow=strategy.whole,
            **output,
        )
        if not strategy.whole:  # else nothing will read what was written
            cache = cache.replace(twig=written.twig, twig_hidden=written.hidden)
        memory = memory.replace(generator=cache)
        seen = written
        ahead = jnp.zeros(leaf.shape, jnp.int32)
        if judges and lookahead:
            seen = look_ahead(
                weights, context, written, start, keys, trees, leaf, forced
            )
            ahead = seen.valid.sum(-1) - written.valid.sum(-1)
        memory, logit, partial = judge(
            weights, memory, trees, leaf, start, seen, written, forced
        )
        ended = jnp.where(written.answered, tree.ANSWER, tree.STEP)
        kind = jnp.where(written.ended, ended, tree.OPEN)
        twigs = Twigs(
            leaf=leaf,
            key=keys,
            tokens=written.tokens,
            valid=written.valid,
            kind=kind.astype(jnp.int32),  # weakly typed it compiles twice
            score=jax.nn.sigmoid(logit),
            partial=jnp.where(written.ended, 0.0, partial),
            logp=written.logp,
            ahead=ahead.astype(jnp.int32),
            forced=forced,
            reading=written.reading,
        )
        return memory, twigs

    def reading(weights, trees: Tree, leaf):
        return jnp.where(
            leaf > 0, tree.at(trees.reading, leaf), weights.tables.start
        )

    def judge(
        weights,
        memory: Memory,
        trees: Tree,
        leaf,
        start,
        seen: Written,
        written: Written,
        forced,
    ):
        """What the learned verifiers make of the steps, read as `seen`.

        Returns:
            The memory with what the reward models read, the logits `[G, B]` of
            the scores, and what of each is due to the likelihood of the step.
        """
        if not judges:
            nothing = jnp.zeros(leaf.shape, jnp.float32)
            return memory, nothing, nothing
        longer = seen.tokens.shape[-1] != strategy.step_tokens
        caches, logits, likely = [], [], []
        number = 0
        for config, _, likelihood in judges:
            if config is None:
                logits.append(value_logit(weights.generator, seen.hidden))
                likely.append(likelihood * written.logp)
                continue
            cache, values = memory.rewards[number], weights.rewards[number]
            number += 1
            cache, context = _context(cache, trees, leaf)
            hidden, end, twig, said = read_step(
                config,
                values,
                seen.tokens,
                seen.valid,
                start,
                context,
                cache.twig.blank(seen.tokens.shape[-1])
                if longer
                else cache.twig,
                strategy.groups,
                tree.at(cache.hidden, leaf) if likelihood else None,
                forced if strategy.output_tokens else None,
                written.valid.sum(-1) if longer else None,
            )
            if longer:
                twig = twig.cut(0, strategy.step_tokens)
            caches.append(cache.replace(twig=twig, twig_hidden=end))
            logits.append(value_logit(values, hidden))
            likely.append(likelihood * said)
        shares = [judge.weight for judge in judges]

        def mean(parts):
            pairs = zip(parts, shares, strict=True)
            return sum(part * (share / sum(shares)) for part, share in pairs)

        partial = mean(likely) + tree.at(trees.partial, leaf)
        memory = memory.replace(rewards=tuple(caches))
        return memory, mean(logits) + partial, partial

    def _left(trees: Tree):
        """`[G]` tokens that may still be written, if they are counted."""
        return trees.limits.tokens - trees.spent if counted else None

    def look_ahead(
        weights,
        context,
        written: Written,
        start,
        keys,
        trees: Tree,
        leaf,
        forced,
    ):
        """The step and what would follow it, as if it were one step."""
        slots = lookahead * strategy.step_tokens
        left = _left(trees)
        length = written.valid.sum(-1)
        spent = (length - forced).sum(1)
        further = write_step(
            generator,
            weights.generator,
            trees.limits.likeliest(lookahead),
            weights.tables,
            [*context, Context(written.twig, written.valid[:, :, None])],
            written.twig.blank(slots),
            written.hidden,
            start + length,
            keys,
            (leaf >= 0) & ~written.answered,
            written.reading,
            start + length - trees.end[:, :1] - 1,
            lookahead,
            left - spent if counted else None,
        )
        return _join(written, further)

    def commit(memory: Memory, trees: Tree, twigs: Twigs, nodes):
        trees = _drop_what_does_not_fit(memory.generator, trees, twigs, nodes)
        alive = tree.has_live_descendant(trees)
        held = jnp.where(alive, trees.length, 0).sum(1)
        trees = trees.replace(peak=jnp.maximum(trees.peak, held))
        memory = jax.tree.map(
            lambda cache: cache_lib.commit(cache, nodes, twigs.valid, alive),
            memory,
            is_leaf=lambda x: isinstance(x, Cache),
        )
        return memory, trees

    read = functools.partial(prefill, (generator, *rewards))
    return search.Model(allocate, read, start, extend, commit)


def prefill(
    models: Sequence[ModelConfig], weights: Weights, prompts: Prompts
) -> list[tuple[Segment, jax.Array]]:
    """What each model remembers of the prompts: see `cache.start`.

    Args:
        models: shapes of the generator and of the reward models asked.
        weights: of all models.
        prompts: of any number of problems.
    """
    values = [weights.generator, *weights.rewards][: len(models)]
    return [
        _prefill(config, params, prompts)
        for config, params in zip(models, values, strict=True)
    ]


def _drop_what_does_not_fit(
    cache: Cache, trees: Tree, twigs: Twigs, nodes: jax.Array
) -> Tree:
    """Lets go of new nodes that find no room, those of low scores first."""
    slots, size = cache.owner.shape[1], trees.parent.shape[1]
    if not slots:
        return trees
    alive = tree.has_live_descendant(trees)
    needed = jnp.take_along_axis(alive, jnp.maximum(cache.owner, 0), axis=1)
    free = slots - ((cache.owner >= 0) & needed).sum(1)
    new = (nodes >= 0) & tree.at(trees.live, nodes)
    length = jnp.where(new, twigs.length, 0)
    order = jnp.argsort(-jnp.where(new, twigs.score, -1), axis=1, stable=True)

    def place(free, length):  # [G], of one branch after another
        fits = length <= free
        return free - jnp.where(fits, length, 0), fits

    lengths = jnp.take_along_axis(length, order, 1)
    _, fits = jax.lax.scan(place, free, lengths.T)
    rank = jnp.argsort(order, axis=1)
    dropped = new & ~jnp.take_along_axis(fits.T, rank, 1)
    target = jnp.where(dropped, nodes, size)
    trees = trees.replace(
        live=tree.put(trees.live, target, jnp.zeros_like(dropped)),
        dropped=trees.dropped + dropped.sum(1),
    )
    return tree.refresh(trees, jnp.where(dropped, nodes, -1))


def _join(first: Written, second: Written) -> Written:
    """One after the other; tokens are left-aligned, as in both."""
    slots = first.tokens.shape[-1] + second.tokens.shape[-1]
    length = first.valid.sum(-1)[..., None]
    slot = jnp.arange(slots)
    tokens = jnp.concatenate([first.tokens, second.tokens], -1)
    source = jnp.where(slot < length, slot, slot - length)
    source += jnp.where(slot < length, 0, first.tokens.shape[-1])
    tokens = jnp.take_along_axis(tokens, jnp.minimum(source, slots - 1), -1)
    whole = length + second.valid.sum(-1)[..., None]
    return second.replace(tokens=tokens, valid=slot < whole)


def _prefill(
    config: ModelConfig, params: Transformer, prompts: Prompts
) -> tuple[Segment, jax.Array]:
    """The prompts' keys and values, and the hidden states at their ends."""
    tokens = constrain(prompts.tokens, "problems", None)[:, None]
    hidden, segment = transformer.prefill(config, params, tokens)
    last = jnp.take_along_axis(
        hidden[:, 0], (prompts.length - 1)[:, None, None], axis=1
    )
    return segment, last[:, 0]


def _context(
    cache: Cache, trees: Tree, leaf: jax.Array
) -> tuple[Cache, list[Context]]:
    """What branches that extend `leaf [G, B]` read beside their twig."""
    slot = jnp.arange(cache.prompt.slots)
    written = slot < cache.prompt_length[:, None]
    context = [Context(cache.prompt, written[:, None, None])]
    if cache.trunk.slots == 0:
        return cache, context
    if cache.stem is None:
        path = cache_lib.on_path(cache, tree.ancestors(trees, leaf))
        context.append(Context(cache.trunk, path[:, :, None]))
        return cache, context
    groups = cache.stem.keys[0].shape[1]
    members = leaf.shape[1] // groups
    leaders = leaf[:, ::members]  # branches of a group share their leaf
    path = cache_lib.on_path(cache, tree.ancestors(trees, leaders))
    cache, length = cache_lib.gather_stem(cache, path)
    length = jnp.repeat(length, members, axis=1)[..., None, None]
    mask = jnp.arange(cache.stem.slots) < length
    context.append(Context(cache.stem, mask))
    return cache, context


def grow(memory: Memory, *, trunk: int, stem: int) -> Memory:
    """A copy with more slots in the trunks and stems."""
    widen = functools.partial(cache_lib.grow, trunk=trunk, stem=stem)
    return jax.tree.map(widen, memory, is_leaf=lambda x: isinstance(x, Cache))


def placements(mesh: jax.sharding.Mesh, state):
    """A NamedSharding for every leaf of a search's state.

    Problems are shared over `data`, or else the twigs and stems of their
    branches; key/value heads over `model`.
    """

    def place(axes, leaf):
        axes = (*axes, *([None] * (leaf.ndim - len(axes))))
        wanted = sharding.partition(*axes)
        return NamedSharding(mesh, sharding.fit(wanted, leaf.shape, mesh))

    def node(x):
        heads = ("problems", "branches", "kv_heads")
        axes = heads if isinstance(x, cache_lib.Segment) else ("problems",)
        return jax.tree.map(functools.partial(place, axes), x)

    return jax.tree.map(
        node, state, is_leaf=lambda x: isinstance(x, cache_lib.Segment)
    )


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
