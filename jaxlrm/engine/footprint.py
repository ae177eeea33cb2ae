"""Bytes that models, a search and its programs take on a device.

Folds over the shapes of what is allocated: the specs of the models' parameters,
and `lockstep.initial` as `jax.eval_shape` sees it. What a program takes beside
its arguments only the compiler knows: see `temporaries`.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxlrm.config import ModelConfig, SearchConfig
from jaxlrm.engine import binding, layout
from jaxlrm.engine.layout import Layout, Models
from jaxlrm.models import attention, params, reward


def of_model(models: Models, config: ModelConfig) -> int:
    """Bytes of a model's parameters on a device."""
    places = params.shardings(config, models.mesh)
    return _bytes(values(models, config), places)


def values(models: Models, config: ModelConfig) -> params.Transformer:
    """The shapes of a model's parameters."""
    return jax.tree.map(
        lambda spec: jax.ShapeDtypeStruct(
            spec.shape, spec.dtype or models.dtype
        ),
        params.specs(config),
        is_leaf=params.is_spec,
    )


def copied(models: Models) -> int:
    """Bytes of the copy of the generator that a CPU decodes with."""
    if not binding.copies(models.platform, models.mesh.size):
        return 0
    weights = values(models, models.generator)
    ready = jax.eval_shape(params.for_a_cpu, weights)
    return _size((ready.layers, ready.unembedding))  # the rest is as it was


def of_state(models: Models, search: Layout) -> dict[str, int]:
    """Bytes of the parts of a search's state, of all turns, on a device.

    Returns:
        `prompt`, `trunk`, `stem` and `twig`, keys and values of all models;
        `trees`, the rest: nodes with their hidden states, and rows.
    """
    parts = _of_turn(models, search.config, search.sizes, search.shared)
    return {name: search.turns * size for name, size in parts.items()}


@functools.lru_cache(maxsize=256)
def _of_turn(
    models: Models, config: SearchConfig, sizes: binding.Sizes, shared: bool
) -> dict[str, int]:
    """`of_state` of one turn, by what the programs of a search are kept by."""
    strategy = models.strategy(config)
    search = Layout(config, strategy, sizes, 1, shared, (0, 0))
    state = jax.eval_shape(layout.first_state(models, search))
    places = binding.placements(models.mesh, state)
    caches, where = (
        [x.cache.generator, *x.cache.rewards] for x in (state, places)
    )

    def size(*names: str) -> int:
        return sum(
            _bytes(getattr(cache, name), getattr(place, name))
            for cache, place in zip(caches, where, strict=True)
            for name in names
        )

    parts = {
        "prompt": size("prompt"),
        "trunk": size("trunk"),
        "stem": size("stem"),
        "twig": size("tail", "twig"),
    }
    return {**parts, "trees": _bytes(state, places) - sum(parts.values())}


def _size(shapes: Any) -> int:
    """Bytes of whole arrays."""
    return sum(
        math.prod(leaf.shape) * leaf.dtype.itemsize
        for leaf in jax.tree.leaves(shapes)
    )


def _bytes(shapes: Any, places: Any) -> int:
    """Bytes that a device holds of arrays."""

    def size(x, place) -> int:
        return math.prod(place.shard_shape(x.shape)) * x.dtype.itemsize

    return sum(jax.tree.leaves(jax.tree.map(size, shapes, places)))


class Step(NamedTuple):
    """What a token of all rows of a turn takes of each device, at least.

    Attributes:
        rows: of all devices together.
        read: bytes of weights and of the generator's cache.
        compute: operations of the generator's products.
        judged: those of the reward models, for the same tokens.
    """

    rows: int
    read: int
    compute: float
    judged: float


def step(models: Models, search: Layout) -> Step:
    """What decoding a token takes, by the sizes at the start."""
    # An embedding is not read, but for a few rows; an unembedding is.
    tied = dataclasses.replace(models.generator, tie_word_embeddings=True)
    alone = dataclasses.replace(models, judges=())
    cache = of_state(alone, search._replace(turns=1))
    read = of_model(models, tied) + cache["prompt"] + cache["twig"]
    rows = search.sizes.problems * search.sizes.rows
    judges = models.asked(search.config)
    readers = [judge.config for judge in judges if judge.config]
    heads = sum(params.count(each, embeddings=False) for each in readers)
    share = 2 * rows / models.mesh.size
    return Step(
        rows,
        read + (cache["stem"] or cache["trunk"]),
        share * params.count(tied),
        share * heads,
    )


def temporaries(models: Models, search: Layout) -> int:
    """About what the largest program of a round takes beside its arguments.

    Measured against what the compiler says of them (tests/engine/
    test_memory.py, tests/test_tpu.py): logits and their weights, what a layer
    computes of all tokens that go through it, copies that a CPU makes.

    Args:
        models: of the engine.
        search: how it is laid out.
    """
    generator, sizes, grid = models.generator, search.sizes, models.mesh.shape
    judges = models.asked(search.config)
    readers = [judge.config for judge in judges if judge.config]
    problems = max(sizes.problems // grid["data"], 1)
    rows = max(sizes.problems * sizes.rows // grid["data"], 1)
    state = of_state(models, search._replace(turns=1))

    def layer(config: ModelConfig, tokens: int, slots: int) -> int:
        heads = 2 * (config.num_heads + config.num_kv_heads) * config.head_dim
        logits = 2 * config.num_heads * min(slots, attention.BLOCK)
        wide = 2 * config.intermediate_size + heads + logits
        return 4 * tokens * (wide // grid["model"] + 3 * config.hidden_size)

    def scores(config: ModelConfig, tokens: int, arrays: int) -> int:
        return 4 * arrays * tokens * config.vocab_size // grid["model"]

    slots = max(sizes.prompt, sizes.stem or sizes.trunk, sizes.tail)
    write = layer(generator, rows, slots) + scores(generator, rows, 4)
    everyone = generator, *readers
    prefill = max(layer(each, *[sizes.prompt] * 2) for each in everyone)
    few = reward.TOKENS.get(models.platform, 512)
    read = problems * max(search.strategy.step_tokens, few)
    score = max((layer(each, read, slots) for each in readers), default=0)
    if any(judge.likelihood for judge in judges):
        score += max(scores(each, read, 2) for each in everyone)
    commit = 0.05 * sum(state.values())
    if models.platform == "cpu":
        layers = [_size(values(models, each).layers) for each in everyone]
        # Of layers that are stacked it takes each out, and widens bfloat16 for
        # that; its products read bfloat16 in another layout than it comes in.
        score += sum(layers[1:])
        parts = sizes.tail + sizes.chunk
        copied = max((n for n in sizes.seen if n < sizes.tail), default=0)
        write += state["twig"] * copied // parts
        if models.dtype == jnp.float32:
            prefill += max(layers) // generator.num_layers
        else:
            prefill += 2 * sum(layers)
            table = generator.vocab_size * generator.hidden_size
            write += 2 * layers[0] + 4 * table
            commit = 2 * state["twig"]
    prompts = state["prompt"] // problems
    largest = max(write, prefill, score, int(commit))
    return largest + prompts + state["trees"]
