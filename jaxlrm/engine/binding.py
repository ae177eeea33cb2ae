"""Binds a generator and a reward model to the search loop."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import struct
from jax.sharding import NamedSharding

from jaxlrm.config import ModelConfig
from jaxlrm.decode import write as decode
from jaxlrm.decode.write import Rows, Tables, Written
from jaxlrm.models import cache as cache_lib
from jaxlrm.models import params as params_lib
from jaxlrm.models import sharding, transformer
from jaxlrm.models.cache import Cache
from jaxlrm.models.params import Transformer
from jaxlrm.models.reward import read_step, value_logit
from jaxlrm.models.segments import Context, Segment
from jaxlrm.models.sharding import constrain
from jaxlrm.search import base, tree
from jaxlrm.search.base import Strategy
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
        writer: the generator's parameters as decoding reads them, see
            `prepare`; None is as they are.
    """

    generator: Transformer
    rewards: tuple[Transformer, ...]
    tables: Tables
    writer: Transformer | None = None


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
        rows: `R`.
        prompt: `Q`.
        trunk: `P`.
        stem: `T`; 0 attends to the trunk by mask.
        chunk: `C`, tokens that a row writes in a round, at most.
        tail: slots for a step that takes several rounds; 0 if none does.
        seen: slots of the tail that a round may look back to, see
            `loop.Model`.
    """

    problems: int
    rows: int
    prompt: int
    trunk: int
    stem: int
    chunk: int
    tail: int = 0
    seen: tuple[int, ...] = (0,)


@dataclasses.dataclass(frozen=True)
class Binding:
    """Models bound to the loop.

    Attributes:
        generator: shape of the generator.
        judges: who scores the steps; those of separate reward models in the
            order of `Weights.rewards`. Without any, all scores are 1/2.
        strategy: the search to be run.
        sizes: of the caches at the start; they may grow between rounds.
        counted: whether the rows of a problem stop where together they have
            written its tokens. Not for devices that share the rows of one
            problem: they would wait for each other at each token.
        dtype: of the caches; that of the parameters.
    """

    generator: ModelConfig
    judges: tuple[Judge, ...]
    strategy: Strategy
    sizes: Sizes
    counted: bool = True
    dtype: jax.typing.DTypeLike = jnp.float32

    @property
    def readers(self) -> tuple[ModelConfig, ...]:
        """Shapes of the separate reward models."""
        return tuple(judge.config for judge in self.judges if judge.config)

    def model(self) -> base.Model:
        """What the loop is given."""
        return base.Model(
            allocate=self.allocate,
            prefill=functools.partial(prefill, self.models),
            start=self.start,
            commit=self.commit,
            write=self.write,
            score=self.score,
            rows=self.sizes.rows,
            reads=bool(self.readers),
            seen=self.sizes.seen,
        )

    @property
    def models(self) -> tuple[ModelConfig, ...]:
        """Shapes of the generator and the reward models."""
        return (self.generator, *self.readers)

    def allocate(self, nodes: int) -> Memory:
        """Empty caches, for trees of so many nodes."""
        sizes, step = self.sizes, self.strategy.step_tokens

        def one(config: ModelConfig, twig: int, tail: int) -> Cache:
            return cache_lib.allocate(
                config,
                sizes.problems,
                prompt=sizes.prompt,
                trunk=sizes.trunk,
                stem=sizes.stem,
                tail=tail,
                twig=twig,
                branches=sizes.rows,
                groups=self.strategy.groups,
                nodes=nodes,
                dtype=self.dtype,
            )

        # A reward model reads a step as a whole, once it has ended.
        return Memory(
            one(self.generator, sizes.chunk, sizes.tail),
            tuple(one(config, step, 0) for config in self.readers),
        )

    def start(
        self, memory: Memory, prefilled, prompts: Prompts, mask: jax.Array
    ) -> Memory:
        """Gives the problems of `mask [G] bool` their new prompts."""
        caches = [
            cache_lib.start(cache, mask, segment, prompts.length, hidden)
            for cache, (segment, hidden) in zip(
                [memory.generator, *memory.rewards], prefilled, strict=True
            )
        ]
        return Memory(caches[0], tuple(caches[1:]))

    def write(
        self,
        weights: Weights,
        memory: Memory,
        trees: Tree,
        twigs: Twigs,
        seen: int,
    ) -> tuple[Memory, Twigs, jax.Array]:
        """Writes a chunk in each row that is in a step."""
        cache, context = _context(memory.generator, trees, twigs.leaf)
        if cache.tail is not None:
            begins = twigs.writing & (twigs.length == 0)
            cache = cache_lib.begin(cache, begins)
        if seen:
            start = _at(trees.end, twigs.leaf) + 1
            tail = cache_lib.look_back(cache, start, twigs.length, seen)
            context.append(tail)
        rows, twigs = self._rows(weights, cache, trees, twigs)
        written = decode.write(
            self.generator,
            weights.writer or weights.generator,
            trees.limits,
            weights.tables,
            context,
            cache.twig,
            rows,
            trees.limits.tokens - trees.spent if self.counted else None,
            narrow=self.strategy.whole,
        )
        cache = cache.replace(twig=written.twig, twig_hidden=written.hidden)
        if cache.tail is not None:
            cache = cache_lib.append(cache)
        left = _longest(self.strategy, trees, twigs) - twigs.length
        over = written.stopped | (written.length >= left)
        kind = jnp.where(written.answered, tree.ANSWER, tree.STEP)
        kind = jnp.where(written.ended, kind, tree.OPEN)
        ended = rows.active & (written.ended | over)
        twigs = twigs.replace(
            tokens=_behind(twigs, written),
            length=twigs.length + written.length,
            kind=jnp.where(ended, kind, twigs.kind).astype(jnp.int32),
            logp=twigs.logp + written.logp,
            reading=written.reading,
        )
        memory = memory.replace(generator=cache)
        return memory, twigs, written.steps.max()

    def _rows(
        self, weights: Weights, cache: Cache, trees: Tree, twigs: Twigs
    ) -> tuple[Rows, Twigs]:
        """What the rows are to write, and the twigs as they begin it."""
        leaf, begins = twigs.leaf, twigs.length == 0
        read = jnp.where(
            leaf > 0, _at(trees.reading, leaf), weights.tables.start
        )
        told = jnp.zeros((*leaf.shape, self.sizes.chunk), jnp.int32)
        if self.strategy.output_tokens:
            forced = jnp.where(leaf < 0, 0, _at(trees.output_length, leaf))
            twigs = twigs.replace(forced=forced)
            index = twigs.length[..., None] + jnp.arange(self.sizes.chunk)
            last = self.strategy.output_tokens - 1
            told = jnp.take_along_axis(
                _at(trees.output, leaf), jnp.minimum(index, last), -1
            )
        position = _at(trees.end, leaf) + 1 + twigs.length
        rows = Rows(
            active=twigs.writing,
            keys=twigs.key,
            hidden=jnp.where(
                begins[..., None], _at(cache.hidden, leaf), cache.twig_hidden
            ),
            reading=jnp.where(begins, read, twigs.reading),
            position=position,
            before=position - trees.end[:, :1] - 1,
            most=_longest(self.strategy, trees, twigs) - twigs.length,
            told=told,
            forced=jnp.maximum(twigs.forced - twigs.length, 0),
        )
        return rows, twigs

    def score(
        self,
        weights: Weights,
        memory: Memory,
        trees: Tree,
        twigs: Twigs,
        which: jax.Array,
    ) -> tuple[Memory, jax.Array, jax.Array]:
        """What the learned verifiers make of the steps `which [G, R] bool`.

        Returns:
            The memory with what the reward models read, the logits `[G, R]` of
            the scores, and what of each is due to the likelihood of the step.
        """
        leaf = twigs.leaf
        if not self.judges:
            nothing = jnp.zeros(leaf.shape, jnp.float32)
            return memory, nothing, nothing
        waiting = iter(zip(memory.rewards, weights.rewards, strict=True))
        caches, logits, likely = [], [], []
        for config, _, likelihood in self.judges:
            if config is None:
                hidden = memory.generator.twig_hidden
                logits.append(value_logit(weights.generator, hidden))
                likely.append(likelihood * twigs.logp)
                continue
            cache, values = next(waiting)
            cache, context = _context(cache, trees, leaf)
            hidden, twig, said = read_step(
                config,
                values,
                twigs.tokens,
                twigs.valid & which[..., None],
                _at(trees.end, leaf) + 1,
                context,
                cache.twig,
                self.strategy.groups,
                _at(cache.hidden, leaf) if likelihood else None,
                twigs.forced if self.strategy.output_tokens else None,
            )
            caches.append(cache.replace(twig=twig, twig_hidden=hidden))
            logits.append(value_logit(values, hidden))
            likely.append(likelihood * said)
        shares = [judge.weight for judge in self.judges]

        def mean(parts):
            pairs = zip(parts, shares, strict=True)
            return sum(part * (share / sum(shares)) for part, share in pairs)

        partial = mean(likely) + _at(trees.partial, leaf)
        memory = memory.replace(rewards=tuple(caches))
        return memory, mean(logits) + partial, partial

    def commit(
        self, memory: Memory, trees: Tree, twigs: Twigs
    ) -> tuple[Memory, Tree]:
        """Stores the kept steps, and frees those that lead nowhere."""
        if self.sizes.trunk:
            trees = jax.vmap(_drop_what_does_not_fit)(
                memory.generator.owner, trees, twigs
            )
        alive = jax.vmap(tree.has_live_descendant)(trees)
        held = jnp.where(alive, trees.length, 0).sum(1)
        trees = trees.replace(peak=jnp.maximum(trees.peak, held))
        start = _at(trees.end, twigs.node) + 1 - twigs.length
        steps = twigs.node, start, twigs.length
        memory = jax.tree.map(
            lambda cache: cache_lib.commit(cache, *steps, alive),
            memory,
            is_leaf=lambda x: isinstance(x, Cache),
        )
        return memory, trees


def prepare(weights: Weights) -> Weights:
    """The weights with those that a CPU decodes with: `params.for_a_cpu`.

    A copy, made once: inside a program it would be made in every call.
    """
    values = weights.generator
    devices = values.embedding.sharding.device_set
    if not copies(jax.default_backend(), len(devices)):
        return weights
    return weights._replace(writer=jax.jit(params_lib.for_a_cpu)(values))


def copies(platform: str, devices: int) -> bool:
    """Whether `prepare` makes a copy of the generator's weights."""
    return platform == "cpu" and devices == 1


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


_at = jax.vmap(tree.at)  # of `[G, N, ...]` and `[G, R]`


def _longest(strategy: Strategy, trees: Tree, twigs: Twigs) -> jax.Array:
    """`[G, R] int32`, most tokens of the step, a tool's among them."""
    limits = trees.limits.columns()
    written = strategy.step_tokens - strategy.output_tokens
    longest = twigs.forced + jnp.minimum(limits.step_tokens, written)
    before = _at(trees.end, twigs.leaf) - trees.end[:, :1]
    return jnp.minimum(longest, limits.chain_tokens - before)


def _behind(twigs: Twigs, written: Written) -> jax.Array:
    """`[G, R, S]` tokens of the steps, with what was `written` behind."""
    slot = jnp.arange(twigs.tokens.shape[-1]) - twigs.length[..., None]
    last = written.tokens.shape[-1] - 1
    new = jnp.take_along_axis(written.tokens, jnp.clip(slot, 0, last), -1)
    here = (slot >= 0) & (slot < written.length[..., None])
    return jnp.where(here, new, twigs.tokens)


def _drop_what_does_not_fit(
    owner: jax.Array, trees: Tree, twigs: Twigs
) -> Tree:
    """Lets go of new nodes that find no room, those of low scores first.

    Of one problem; `owner [P] int32` is the node of each slot of the trunk.
    """
    alive = tree.has_live_descendant(trees)
    free = owner.shape[0] - ((owner >= 0) & tree.at(alive, owner)).sum()
    new = (twigs.node >= 0) & tree.at(trees.live, twigs.node)
    length = jnp.where(new, twigs.length, 0)
    order = jnp.argsort(-jnp.where(new, twigs.score, -1), stable=True)

    def place(free, length):
        fits = length <= free
        return free - jnp.where(fits, length, 0), fits

    fits = jax.lax.scan(place, free, length[order])[1]
    dropped = new & ~fits[jnp.argsort(order)]
    gone = jnp.where(dropped, twigs.node, -1)
    return trees.replace(
        live=tree.put(trees.live, gone, False),
        dropped=trees.dropped + dropped.sum(),
    )


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
    """What rows that extend `leaf [G, R]` read beside their own step."""
    known = cache.position is not None  # where the slots of the trunk are
    slot = jnp.arange(cache.prompt.slots)
    written = slot < cache.prompt_length[:, None]
    at = jnp.broadcast_to(slot, written.shape)[:, None] if known else None
    context = [Context(cache.prompt, written[:, None, None], at)]
    if cache.trunk.slots == 0:
        return cache, context
    ancestors = jax.vmap(tree.ancestors)
    if cache.stem is None:
        path = cache_lib.on_path(cache, ancestors(trees, leaf))
        at = cache.position[:, None] if known else None
        context.append(Context(cache.trunk, path[:, :, None], at))
        return cache, context
    groups = cache.stem.keys[0].shape[1]
    members = leaf.shape[1] // groups
    leaders = leaf[:, ::members]  # rows of a group share their leaf
    path = cache_lib.on_path(cache, ancestors(trees, leaders))
    at = cache_lib.stem_positions(cache, path, members) if known else None
    cache, length = cache_lib.gather_stem(cache, path)
    length = jnp.repeat(length, members, axis=1)[..., None, None]
    mask = jnp.arange(cache.stem.slots) < length
    context.append(Context(cache.stem, mask, at))
    return cache, context


def grow(memory: Memory, *, trunk: int, stem: int) -> Memory:
    """The caches with more slots in trunks and stems: see `cache.grow`."""
    widen = functools.partial(cache_lib.grow, trunk=trunk, stem=stem)
    return jax.tree.map(widen, memory, is_leaf=lambda x: isinstance(x, Cache))


def placements(mesh: jax.sharding.Mesh, state):
    """A NamedSharding for every leaf of a search's state.

    Problems are shared over `data`, or else the twigs and stems of their
    branches; key/value heads over `model`.
    """

    def place(axes, leaf):
        axes = (*axes[: leaf.ndim], *([None] * (leaf.ndim - len(axes))))
        wanted = sharding.partition(*axes)
        return NamedSharding(mesh, sharding.fit(wanted, leaf.shape, mesh))

    def node(x):
        heads = ("problems", "branches", "kv_heads")
        axes = heads if isinstance(x, Segment) else ("problems",)
        return jax.tree.map(functools.partial(place, axes), x)

    return jax.tree.map(node, state, is_leaf=lambda x: isinstance(x, Segment))
