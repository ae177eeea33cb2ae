"""Parameters: one declaration, everything else a fold over it.

`specs(config)` is a pytree of `ParamSpec`; initial values, shardings and the
memory plan are `jax.tree.map` over it. Layers are stacked on a leading axis.
"""

from __future__ import annotations

import dataclasses
import math

import jax
import jax.numpy as jnp
from flax import struct
from jax.sharding import Mesh, NamedSharding

from jaxlrm.config import ModelConfig
from jaxlrm.models import sharding
from jaxlrm.models.products import Int8, Turned, Weight


@dataclasses.dataclass(frozen=True)
class ParamSpec:
    """What one parameter is.

    Attributes:
        shape: its shape.
        logical_axes: one logical axis a dimension (`sharding.LOGICAL_AXES`).
        fan_in: standard deviation at the start is `1 / sqrt(fan_in)`;
            0 starts at zeros and -1 at ones.
        dtype: its own; by default that of the model.
    """

    shape: tuple[int, ...]
    logical_axes: tuple[str | None, ...]
    fan_in: int
    dtype: jnp.dtype | None = None


@struct.dataclass
class Layers:
    """The decoder's layers; every leaf has a leading axis `L`.

    Heads and head dimension are one axis, so that a projection is a plain
    matrix product: a TPU would copy `[E, H, D]` into another layout first. In
    layers of `for_a_cpu` the fields that are None are part of two others.
    """

    attention_norm: jax.Array | None  # [L, E]
    query: Weight  # [L, E, H * D]
    key: jax.Array | None  # [L, E, K * D]
    value: jax.Array | None  # [L, E, K * D]
    output: Weight  # [L, H * D, E]
    query_bias: jax.Array | None  # [L, H * D]
    key_bias: jax.Array | None  # [L, K * D]
    value_bias: jax.Array | None  # [L, K * D]
    query_norm: jax.Array | None  # [L, D], or over all heads [L, H * D]
    key_norm: jax.Array | None  # [L, D], or over all heads [L, K * D]
    attention_post_norm: jax.Array | None  # [L, E]
    mlp_norm: jax.Array | None  # [L, E]
    router: jax.Array | None  # [L, E, X]
    gate: Weight  # [L, E, F], of experts [L, X, E, F]
    up: jax.Array | None  # [L, E, F], of experts [L, X, E, F]
    down: Weight  # [L, F, E], of experts [L, X, F, E]
    mlp_post_norm: jax.Array | None  # [L, E]


@struct.dataclass
class ValueHead:
    """A scalar score read off a hidden state: a logit."""

    kernel: jax.Array  # [E]
    bias: jax.Array  # []


@struct.dataclass
class Transformer:
    """All parameters of a decoder, with its optional heads."""

    embedding: jax.Array  # [V, E]
    layers: Layers | tuple[Layers, ...]  # stacked, or one by one
    final_norm: jax.Array  # [E]
    unembedding: Weight | None  # [E, V], None if tied
    value_head: ValueHead | None


def specs(config: ModelConfig) -> Transformer:
    """The `ParamSpec` of every parameter of this shape of model."""
    c = config
    size, dim, mlp = c.hidden_size, c.head_dim, c.intermediate_size

    def stacked(axes: str, *shape: int, fan_in: int) -> ParamSpec:
        names = tuple(axes.split())
        return ParamSpec((c.num_layers, *shape), ("layers", *names), fan_in)

    def optional(wanted: bool, *args, **kwargs):
        return stacked(*args, **kwargs) if wanted else None

    # The residual stream is the sum of 2 L branches: keep its variance.
    depth = 2 * c.num_layers
    wide, narrow = c.num_heads * dim, c.num_kv_heads * dim
    ones = 0 if c.norm_offset else -1

    def norm(wanted: bool, axis: str = "embed", width: int = size):
        return optional(wanted, axis, width, fan_in=ones)

    if c.qk_norm_per_head:
        query_norm, key_norm = (norm(c.qk_norm, "head_dim", dim),) * 2
    else:
        query_norm = norm(c.qk_norm, "heads", wide)
        key_norm = norm(c.qk_norm, "kv_heads", narrow)
    each, experts = "", ()
    if c.num_experts:
        each, experts, mlp = (
            "experts ",
            (c.num_experts,),
            c.moe_intermediate_size,
        )
    layers = Layers(
        attention_norm=norm(c.pre_norm),
        query=stacked("embed heads", size, wide, fan_in=size),
        key=stacked("embed kv_heads", size, narrow, fan_in=size),
        value=stacked("embed kv_heads", size, narrow, fan_in=size),
        output=stacked("heads embed", wide, size, fan_in=depth * wide),
        query_bias=optional(c.attention_bias, "heads", wide, fan_in=0),
        key_bias=optional(c.attention_bias, "kv_heads", narrow, fan_in=0),
        value_bias=optional(c.attention_bias, "kv_heads", narrow, fan_in=0),
        query_norm=query_norm,
        key_norm=key_norm,
        attention_post_norm=norm(c.post_norm),
        mlp_norm=norm(c.pre_norm),
        router=optional(
            c.num_experts > 0,
            "embed experts",
            size,
            c.num_experts,
            fan_in=size,
        ),
        gate=stacked(each + "embed mlp", *experts, size, mlp, fan_in=size),
        up=stacked(each + "embed mlp", *experts, size, mlp, fan_in=size),
        down=stacked(
            each + "mlp embed", *experts, mlp, size, fan_in=depth * mlp
        ),
        mlp_post_norm=norm(c.post_norm),
    )
    unembedding = None
    if not c.tie_word_embeddings:
        unembedding = ParamSpec((size, c.vocab_size), ("embed", "vocab"), size)
    head = None
    if c.value_head:
        head = ValueHead(
            ParamSpec((size,), ("embed",), 0), ParamSpec((), (), 0)
        )
    declared = Transformer(
        embedding=ParamSpec((c.vocab_size, size), ("vocab", "embed"), size),
        layers=layers,
        final_norm=ParamSpec((size,), ("embed",), ones),
        unembedding=unembedding,
        value_head=head,
    )
    return _in_int8(declared) if c.weights == "int8" else declared


_PRODUCTS = ("query", "key", "value", "output", "gate", "up", "down")


def _in_int8(declared: Transformer) -> Transformer:
    """The specs with the weights of all products in eight bits.

    The embedding is read token by token and stays as it is; a model that ties
    it gets an unembedding in eight bits beside it.
    """

    def of(spec: ParamSpec) -> Int8:
        *lead, size, outputs = spec.shape
        *axes, inside, outside = spec.logical_axes
        return Int8(
            ParamSpec(
                (*lead, outputs, size), (*axes, outside, inside), 0, jnp.int8
            ),
            ParamSpec((*lead, outputs), (*axes, outside), 0, jnp.float32),
        )

    layers, unembedding = declared.layers, declared.unembedding
    products = {
        name: of(spec)
        for name in _PRODUCTS
        if (spec := getattr(layers, name)) is not None
    }
    if unembedding is None:
        tied = declared.embedding
        unembedding = ParamSpec(tied.shape[::-1], tied.logical_axes[::-1], 0)
    return declared.replace(
        layers=layers.replace(**products), unembedding=of(unembedding)
    )


def unstack(layers: Layers | tuple[Layers, ...]) -> tuple[Layers, ...]:
    """The layers one by one, without the axis `L`."""
    if isinstance(layers, tuple):
        return layers
    return tuple(
        jax.tree.map(lambda leaf, n=number: leaf[n], layers)
        for number in range(jax.tree.leaves(layers)[0].shape[0])
    )


def for_a_cpu(values: Transformer) -> Transformer:
    """The parameters as a CPU decodes with them, unstacked.

    One weight serves all products of the same input: `query` is
    `[E, (H + 2 K) * D]`, with the keys' and the values' weights in it, and
    `gate` is `[..., E, 2 F]`, with those of `up`. Few products that are large
    take less time. In bfloat16 the weights are turned as well: see `Turned`.
    """
    turns = values.embedding.dtype == jnp.bfloat16

    def ready(*weights: Weight) -> Weight:
        if isinstance(weights[0], Int8):
            return Int8(
                jnp.concatenate([w.values for w in weights], axis=-2),
                jnp.concatenate([w.scale for w in weights], axis=-1),
            )
        weight = jnp.concatenate(weights, axis=-1)
        return Turned(jnp.swapaxes(weight, -1, -2)) if turns else weight

    def one(layer: Layers) -> Layers:
        return layer.replace(
            query=ready(layer.query, layer.key, layer.value),
            key=None,
            value=None,
            output=ready(layer.output),
            gate=ready(layer.gate, layer.up),
            up=None,
            down=ready(layer.down),
        )

    unembedding = values.unembedding
    if unembedding is not None:
        unembedding = ready(unembedding)
    layers = tuple(map(one, unstack(values.layers)))
    return values.replace(layers=layers, unembedding=unembedding)


def in_int8(config: ModelConfig, values: Transformer) -> Transformer:
    """Parameters as those of the same shape with `weights` "int8" are.

    Args:
        config: shape of the model.
        values: with stacked layers.
    """
    if values.unembedding is None:
        values = values.replace(unembedding=values.embedding.T)

    def of(spec, weight):
        return Int8.of(weight) if isinstance(spec, Int8) else weight

    return jax.tree.map(
        of,
        specs(dataclasses.replace(config, weights="int8")),
        values,
        is_leaf=lambda x: isinstance(x, Int8 | ParamSpec),
    )


def is_spec(x) -> bool:
    """Whether a node of the tree that `specs` returns is one parameter."""
    return isinstance(x, ParamSpec)


def init(config: ModelConfig, key: jax.Array) -> Transformer:
    """Draws initial parameters: normal, scaled by fan-in."""
    declared = specs(config)
    leaves, treedef = jax.tree.flatten(declared, is_leaf=is_spec)
    keys = jax.random.split(key, len(leaves))

    def draw(spec: ParamSpec, key):
        if spec.fan_in <= 0:
            return jnp.full(spec.shape, -spec.fan_in, jnp.float32)
        noise = jax.random.normal(key, spec.shape, jnp.float32)
        return noise / math.sqrt(spec.fan_in)

    return treedef.unflatten(
        draw(spec, key) for spec, key in zip(leaves, keys, strict=True)
    )


def shardings(config: ModelConfig, mesh: Mesh) -> Transformer:
    """A NamedSharding for every parameter."""
    sharding.check(config, mesh)
    whole = {"heads": config.num_heads, "kv_heads": config.num_kv_heads}

    def place(spec: ParamSpec):
        wanted = sharding.partition(*spec.logical_axes)
        units = [  # a head is never split
            whole.get(name, size)
            for name, size in zip(spec.logical_axes, spec.shape, strict=True)
        ]
        return NamedSharding(mesh, sharding.fit(wanted, units, mesh))

    return jax.tree.map(place, specs(config), is_leaf=is_spec)


def count(config: ModelConfig, *, embeddings: bool = True) -> int:
    """Number of parameters, with or without the (un)embeddings."""
    declared = specs(dataclasses.replace(config, weights=""))
    if not embeddings:
        declared = declared.replace(embedding=None, unembedding=None)
    return sum(
        math.prod(spec.shape)
        for spec in jax.tree.leaves(declared, is_leaf=is_spec)
    )
