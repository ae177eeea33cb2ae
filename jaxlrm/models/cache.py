"""Key/value memory of a search: segments shared by fewer and fewer branches.

| segment | groups per problem   | what a branch sees of it       |
|---------|----------------------|--------------------------------|
| prompt  | 1                    | its length                     |
| trunk   | 1                    | slots owned by its ancestors   |
| stem    | one a selected leaf  | its length                     |
| tail    | one a branch         | its step, of earlier rounds    |
| twig    | one a branch         | what it writes in this round   |

Steps that are written in one round have no tail.
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
from flax import struct
from jax.experimental.layout import Layout, with_layout_constraint

from jaxlrm.config import ModelConfig
from jaxlrm.models import sharding
from jaxlrm.models.segments import Context, Segment, each_layer

_BLOCK = 256  # slots of the trunk that a commit rewrites at a time
_LAYERS = 3  # layers that it goes through at a time, of so many tokens:
_TOKENS = 4096


@struct.dataclass
class Cache:
    """One model's memory of `G` problems.

    Attributes:
        prompt: `[G, 1, ...]` prompts of up to `Q` tokens.
        prompt_length: `[G] int32`.
        trunk: `[G, 1, ...]` `P` slots of kept steps, in no order.
        owner: `[G, P] int32`, the node that a slot belongs to; -1 is free.
        position: `[G, P] int32`, of a slot's token in its chain; None if no
            layer of the model has a window.
        stem: `[G, W, ...]` paths of this round's leaves; None if branches
            attend to the trunk directly.
        tail: `[G, B, ...]` of each branch's step what earlier rounds wrote, and
            after a round that as well; None if no step takes two. A ring:
            rounds write one part after another, of all branches the same.
        turn: `[] int32`, rounds so far.
        begun: `[G, B] int32`, the round in which each branch began its step.
        twig: `[G, B, ...]` what the branches write in a round.
        hidden: `[G, N, E]`, final hidden state of each node's last token.
        twig_hidden: `[G, B, E]`, the same of each branch.
    """

    prompt: Segment
    prompt_length: jax.Array
    trunk: Segment
    owner: jax.Array
    position: jax.Array | None
    stem: Segment | None
    tail: Segment | None
    turn: jax.Array
    begun: jax.Array
    twig: Segment
    hidden: jax.Array
    twig_hidden: jax.Array


def allocate(
    config: ModelConfig,
    problems: int,
    *,
    prompt: int,
    trunk: int,
    stem: int,
    tail: int,
    twig: int,
    branches: int,
    groups: int,
    nodes: int,
    dtype=jnp.float32,
) -> Cache:
    """An empty cache; sizes in slots.

    `stem=0` is to attend to the trunk, `tail=0` for steps of one round.
    """

    def segment(sharers: int, slots: int) -> Segment:
        keys = (problems, sharers, config.num_kv_heads, config.head_dim, slots)
        values = (*keys[:3], slots, config.head_dim)

        def layers(shape):
            return tuple(
                jnp.zeros(shape, dtype) for _ in range(config.num_layers)
            )

        return Segment(layers(keys), layers(values))

    size = config.hidden_size
    position = None
    if config.has_windows:
        position = jnp.zeros((problems, trunk), jnp.int32)
    return Cache(
        prompt=segment(1, prompt),
        prompt_length=jnp.zeros(problems, jnp.int32),
        trunk=segment(1, trunk),
        owner=jnp.full((problems, trunk), -1, jnp.int32),
        position=position,
        stem=segment(groups, stem) if stem else None,
        tail=segment(branches, tail) if tail else None,
        turn=jnp.zeros((), jnp.int32),
        begun=jnp.zeros((problems, branches), jnp.int32),
        twig=segment(branches, twig),
        hidden=jnp.zeros((problems, nodes, size), dtype),
        twig_hidden=jnp.zeros((problems, branches, size), dtype),
    )


def start(
    cache: Cache,
    mask: jax.Array,
    prompt: Segment,
    length: jax.Array,
    hidden: jax.Array,
) -> Cache:
    """Gives the problems in `mask [G] bool` new prompts and empty trunks.

    Args:
        cache: the cache.
        mask: which problems.
        prompt: `[G, 1, ...]`, its slots are the cache's `Q`.
        length: `[G] int32`.
        hidden: `[G, E]`, of each prompt's last token.
    """

    def pick(new, old):
        return jnp.where(mask.reshape(-1, *([1] * (old.ndim - 1))), new, old)

    return cache.replace(
        prompt=jax.tree.map(pick, prompt, cache.prompt),
        prompt_length=pick(length, cache.prompt_length),
        owner=pick(-1, cache.owner),
        hidden=cache.hidden.at[:, 0].set(pick(hidden, cache.hidden[:, 0])),
    )


def on_path(cache: Cache, ancestors: jax.Array) -> jax.Array:
    """`[G, W, P] bool`: the trunk slots that a leaf's path owns.

    Args:
        cache: the cache.
        ancestors: `[G, W, N] bool`, nodes on the path of each leaf.
    """
    owner = cache.owner[:, None, :]
    mine = jnp.take_along_axis(ancestors, jnp.maximum(owner, 0), axis=-1)
    return mine & (owner >= 0)


def gather_stem(cache: Cache, path: jax.Array) -> tuple[Cache, jax.Array]:
    """Copies each leaf's path out of the trunk, once for all its branches.

    Keys are stored rotated, so their order in the stem does not matter.

    Args:
        cache: the cache, with a stem.
        path: `[G, W, P] bool` of `on_path`.

    Returns:
        The cache and `[G, W] int32`, the length of each stem.
    """
    gather = functools.partial(_gather, cache.stem.slots)
    stem = sharding.on_branches(gather, cache.trunk, path)
    length = path.sum(-1, dtype=jnp.int32)
    return cache.replace(stem=stem), length


def stem_positions(cache: Cache, path: jax.Array, members: int) -> jax.Array:
    """`[G, B, T] int32`, positions of what `gather_stem` copies.

    Args:
        cache: the cache of a model that has layers with a window.
        path: `[G, W, P] bool` of `on_path`.
        members: branches that share a stem.
    """
    source = _numbers(path, cache.stem.slots)
    own = jnp.take_along_axis(cache.position[:, None], source, axis=-1)
    return jnp.repeat(own, members, axis=1)


def _gather(slots: int, trunk: Segment, path: jax.Array) -> Segment:
    """`[G, W, ...]` stems of so many slots, of paths `[G, W, P] bool`."""
    source = _numbers(path, slots)  # [G, W, T]
    problems, groups, _ = source.shape

    def take(trunk, source, axis):
        index = jnp.moveaxis(source.reshape(problems, -1, 1, 1, 1), 1, axis)
        taken = jnp.take_along_axis(trunk, index, axis)
        shape = (*taken.shape[:axis], groups, slots, *taken.shape[axis + 1 :])
        return jnp.moveaxis(taken.reshape(shape), axis, 1)[:, :, 0]

    # A TPU copies what it gathers from into another layout: one array after
    # the other, so that there is one such copy at a time.
    keys, values = [], []
    for pair in zip(trunk.keys, trunk.values, strict=True):
        for taken, layer, axis in zip(
            (keys, values), pair, (4, 3), strict=True
        ):
            layer, source = jax.lax.optimization_barrier(
                (take(layer, source, axis), source)
            )
            taken.append(layer)
    return Segment(tuple(keys), tuple(values))


def begin(cache: Cache, begins: jax.Array) -> Cache:
    """Notes the branches `begins [G, B] bool` that begin a step this round."""
    return cache.replace(begun=jnp.where(begins, cache.turn, cache.begun))


def look_back(
    cache: Cache, start: jax.Array, length: jax.Array, slots: int
) -> Context:
    """What branches have written of their steps in earlier rounds.

    Args:
        cache: the cache, with tails.
        start: `[G, B] int32`, position of each step's first token.
        length: `[G, B] int32`, tokens of each step so far.
        slots: how far to look back; no step is longer. Those of the whole tail
            are read where they are, fewer are copied.
    """
    size, whole = cache.twig.slots, cache.tail.slots
    slot, tail = jnp.arange(whole), cache.tail
    if slots < whole:
        slot = (cache.turn * size - slots + jnp.arange(slots)) % whole
        tail = Segment(
            tuple(jnp.take(x, slot, axis=4) for x in tail.keys),
            tuple(jnp.take(x, slot, axis=3) for x in tail.values),
        )
    token = _token(cache, slot)
    positions = None
    if cache.position is not None:
        positions = start[..., None] + token
    return Context(tail, (token < length[..., None])[:, :, None], positions)


def append(cache: Cache) -> Cache:
    """Puts the twigs into the tails, and ends the round."""
    size = cache.twig.slots
    first = cache.turn % (cache.tail.slots // size) * size

    def put(tail, twig, axis):
        return jax.lax.dynamic_update_slice_in_dim(tail, twig, first, axis)

    tail = each_layer(put, cache.tail, cache.twig)
    return cache.replace(tail=tail, turn=cache.turn + 1)


def _token(cache: Cache, slot: jax.Array) -> jax.Array:
    """`[G, B, X] int32`, which token of a branch's step a `slot [X]` has.

    Of a slot that has none of them it is a number beyond its length.
    """
    size = cache.twig.slots
    parts = cache.tail.slots // size
    part = (slot // size - cache.begun[..., None]) % parts
    return part * size + slot % size


def commit(
    cache: Cache,
    nodes: jax.Array,
    start: jax.Array,
    length: jax.Array,
    alive: jax.Array,
) -> Cache:
    """Frees the slots of dead nodes and stores the kept twigs.

    Slots are overwritten in place, layer by layer; nothing is moved. What
    finds no free slot is dropped: callers keep `free` above what they commit.

    Args:
        cache: the cache.
        nodes: `[G, B] int32`, the node that each twig became, or -1.
        start: `[G, B] int32`, position of each step's first token.
        length: `[G, B] int32`, tokens of each step.
        alive: `[G, N] bool`, nodes that may still be extended, or those below
            them (`search.tree.has_live_descendant`).
    """
    owned = cache.owner >= 0
    needed = jnp.take_along_axis(alive, jnp.maximum(cache.owner, 0), axis=1)
    owner = jnp.where(owned & needed, cache.owner, -1)

    capacity = alive.shape[1]
    kept = jnp.where(nodes >= 0, nodes, capacity)
    hidden = jax.vmap(
        lambda all, nodes, new: all.at[nodes].set(new, mode="drop")
    )(cache.hidden, kept, cache.twig_hidden)
    stored = jnp.take_along_axis(alive, jnp.maximum(nodes, 0), axis=1)
    stored &= nodes >= 0
    if owner.shape[1] == 0:  # a search of whole chains keeps only prompts
        return cache.replace(hidden=hidden)
    step = cache.twig if cache.tail is None else cache.tail
    token = jnp.arange(step.slots)
    if cache.tail is not None:
        token = _token(cache, token)
    stored = token < jnp.where(stored, length, 0)[..., None]
    stored = stored.reshape(nodes.shape[0], -1)
    # The first token to store goes into the first free slot, and so on.
    tokens = stored.shape[1]
    order = _numbers(stored, tokens, missing=-1)  # [G, B * S]
    free = owner < 0
    rank = jnp.cumsum(free, axis=1) - 1
    source = jnp.take_along_axis(order, jnp.clip(rank, 0, tokens - 1), axis=1)
    source = jnp.where(free & (rank < tokens), source, -1)  # [G, P]
    writer = jnp.take_along_axis(
        nodes, jnp.maximum(source, 0) // step.slots, axis=1
    )
    owner = jnp.where(source < 0, owner, writer)
    position = cache.position
    if position is not None:
        new = (start[..., None] + token).reshape(nodes.shape[0], -1)
        new = jnp.take_along_axis(new, jnp.maximum(source, 0), axis=1)
        position = jnp.where(source < 0, position, new)
    heads = ("problems", "branches", "kv_heads")
    trunk = sharding.on_shards(
        functools.partial(_store, nodes.shape[1]),
        (heads, heads, ("problems",)),
        cache.trunk,
        step,
        source,
    )
    return cache.replace(
        trunk=trunk, owner=owner, position=position, hidden=hidden
    )


def _store(
    branches: int, trunk: Segment, twig: Segment, source: jax.Array
) -> Segment:
    """Writes tokens of the twigs into the trunk, in place.

    A few layers at a time: a TPU copies the twigs into another layout to
    gather from them, and holds the copies for as long as `_store_layers` loops.

    Args:
        branches: `B`, also where devices have the twigs of some of them each.
        trunk: `[G, 1, ...]` with `P` slots.
        twig: `[G, B, ...]` with `S` slots.
        source: `[G, P] int32`, token of `B * S` to write in each slot, or -1.
    """
    own = twig.keys[0].shape[1]
    # Devices that share the branches have fewer twigs each, so they can take
    # more layers at a time, and exchange what is stored of them all at once.
    few = max(1, _LAYERS * _TOKENS // max(branches * twig.slots, _TOKENS))
    size = few * branches // own
    parts = [
        _store_layers(
            own < branches, *(x.layers(n, size) for x in (trunk, twig)), source
        )
        for n in range(0, len(trunk.keys), size)
    ]
    keys, values = zip(*((x.keys, x.values) for x in parts), strict=True)
    return Segment(sum(keys, ()), sum(values, ()))


def _store_layers(
    exchange: bool, trunk: Segment, twig: Segment, source: jax.Array
) -> Segment:
    """`_store` of some layers, in one loop over blocks of slots.

    One scatter would do, but a TPU wants the slots to come first for that, and
    copies all of them there and back.
    """
    slots = source.shape[1]
    size = min(slots, _BLOCK)
    blocks = jnp.zeros(-(-slots // size), bool)
    blocks = blocks.at[jnp.arange(slots) // size].max((source >= 0).any(0))
    order = jnp.flatnonzero(blocks, size=len(blocks))
    tokens = twig.keys[0].shape[1] * twig.slots
    data = sharding.LOGICAL_AXES["branches"]
    first = jax.lax.axis_index(data) * tokens if exchange else 0

    # The last block is shifted to end with the slots: it may write again what
    # one before it wrote.
    def write(number, trunk):
        def cut(x, axis):
            start = order[number] * size
            return jax.lax.dynamic_slice_in_dim(x, start, size, axis)

        index = cut(source, 1).reshape(-1, 1, size, 1, 1)

        def take(twig, axis):
            here = jnp.moveaxis(index - first, 2, axis)
            shape = list(twig.shape)
            shape[1], shape[axis] = 1, tokens
            flat = jnp.moveaxis(twig, 1, axis - 1).reshape(shape)
            new = jnp.take_along_axis(flat, jnp.clip(here, 0, tokens - 1), axis)
            return jnp.where((here >= 0) & (here < tokens), new, 0)

        new = each_layer(take, twig)
        if exchange:  # what other devices have is 0 here
            new = jax.lax.psum(new, data)

        def put(trunk, new, axis):
            # Or else the whole trunk takes the layout that a TPU gathers in.
            new = with_layout_constraint(new, Layout((0, 1, 2, 3, 4)))
            kept = jnp.moveaxis(index < 0, 2, axis)
            new = jnp.where(kept, cut(trunk, axis), new)
            return jax.lax.dynamic_update_slice_in_dim(
                trunk, new, order[number] * size, axis
            )

        return each_layer(put, trunk, new)

    return jax.lax.fori_loop(0, blocks.sum(), write, trunk)


def grow(cache: Cache, *, trunk: int, stem: int) -> Cache:
    """The cache with more slots in the trunk and in the stem.

    Array by array, each deleted once it is copied: there need not be room for
    two caches. What was given is of no use afterwards.
    """

    def pad(segment: Segment, slots: int) -> Segment:
        def one(x, axis: int):
            if x.shape[axis] == slots:
                return x
            widths = [(0, 0)] * x.ndim
            widths[axis] = (0, slots - x.shape[axis])
            wider = jax.block_until_ready(jnp.pad(x, widths))
            x.delete()
            return wider

        return each_layer(one, segment)

    more = (0, 0), (0, trunk - cache.owner.shape[1])
    position = cache.position
    return cache.replace(
        trunk=pad(cache.trunk, trunk),
        owner=jnp.pad(cache.owner, more, constant_values=-1),
        position=None if position is None else jnp.pad(position, more),
        stem=pad(cache.stem, stem) if cache.stem else None,
    )


def size_in_bytes(cache: Cache) -> int:
    """Bytes of all keys and values, all problems together."""
    segments = (
        cache.prompt,
        cache.trunk,
        cache.stem,
        cache.tail,
        cache.twig,
    )
    return sum(leaf.nbytes for leaf in jax.tree.leaves(segments))


def dense_bytes(cache: Cache, branches: int, slots: int) -> int:
    """Bytes of a problem if every branch had a cache of its own."""
    prompt = cache.prompt
    size = sum(leaf.nbytes for leaf in jax.tree.leaves(prompt))
    return branches * slots * size // (len(cache.prompt_length) * prompt.slots)


def _numbers(mask: jax.Array, size: int, missing: int = 0) -> jax.Array:
    """Indices where `mask [..., X]` holds, in order, as `[..., size]`.

    Cut at `size`, filled up with `missing`.
    """
    rank = jnp.cumsum(mask, axis=-1) - 1
    rank = jnp.where(mask, rank, size)

    def one(rank):
        index = jnp.arange(rank.shape[-1], dtype=jnp.int32)
        empty = jnp.full(size, missing, jnp.int32)
        return empty.at[rank].set(index, mode="drop")

    for _ in range(mask.ndim - 1):
        one = jax.vmap(one)
    return one(rank)
