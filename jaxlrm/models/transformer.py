"""The forward pass of Llama, Qwen2 and Qwen3: one function.

It serves training, prefill, decoding and scoring: they differ in how many
tokens a row has and in what a token may attend to.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp

from jaxlrm.config import ModelConfig
from jaxlrm.models.attention import attend
from jaxlrm.models.params import Layers, Transformer, unstack
from jaxlrm.models.products import Turned, Weight, product
from jaxlrm.models.segments import Context, Part, Segment
from jaxlrm.models.sharding import constrain

# Queries and segments in, mixed values out: the contract is `attend`'s.
Attention = Callable[[jax.Array, Sequence[Part]], jax.Array]
Angles = tuple[jax.Array, jax.Array]

# One-hot products replace gathers in the embedding's gradient up to here: the
# scatter is serial on CPU, the product is not, but it grows with V.
_ONE_HOT_VOCABULARY = 4096

_ACTIVATIONS = {
    "silu": jax.nn.silu,
    "gelu": lambda x: jax.nn.gelu(x, approximate=False),
    "gelu_pytorch_tanh": lambda x: jax.nn.gelu(x, approximate=True),
    "relu2": lambda x: jnp.square(jax.nn.relu(x)),
}


def forward(
    config: ModelConfig,
    params: Transformer,
    tokens: jax.Array,
    positions: jax.Array,
    mask: jax.Array,
    context: Sequence[Context] = (),
    twig: Segment | None = None,
    index: int | jax.Array = 0,
    attention: Attention = attend,
    angles: Angles | None = None,
) -> tuple[jax.Array, Segment]:
    """Runs the decoder over `S` new tokens of each branch.

    Args:
        config: shape of the model.
        params: its parameters.
        tokens: `[G, B, S] int32`.
        positions: `[G, B, S] int32`, of the rotary embedding.
        mask: bool, broadcastable to `[G, B, S, slots]`: which of the branch's
            own slots each token sees. The slots are the twig's, or the tokens
            themselves if there is no twig.
        context: segments that are only read (prompt, stem or trunk).
        twig: private slots; the new tokens are written at `index` onwards.
        index: first slot to write.
        attention: an implementation of `attention.attend`.
        angles: `rotary_angles` of the positions, where they are at hand.

    Returns:
        `(hidden, own)`: hidden states `[G, B, S, E]` after the final norm, and
        the twig with the new tokens in it (without a twig: a segment of just
        the new tokens).
    """
    x = _embed(params.embedding, tokens)
    x = constrain(x, "problems", None, None, None)
    if angles is None:
        angles = rotary_angles(config, positions)
    own_keys, own_values = [], []
    for number, layer in enumerate(unstack(params.layers)):
        query, keys, values = _project(config, layer, x, angles)
        if twig is not None:
            keys, values = twig.write(number, keys, values, index)
        own_keys.append(keys)
        own_values.append(values)
        parts = [part.layer(number) for part in context]
        mixed = attention(query, [*parts, Part(keys, values, mask)])
        x = _continue(config, layer, x, mixed)
    hidden = rms_norm(x, params.final_norm, config.rms_norm_eps)
    return hidden, Segment(tuple(own_keys), tuple(own_values))


def prefill(
    config: ModelConfig, params: Transformer, tokens: jax.Array
) -> tuple[jax.Array, Segment]:
    """`forward` over whole texts, its layers in a loop.

    So it is compiled in the time of one layer. What is called once for a text
    may take the copies that a loop makes of its layer's weights.

    Args:
        config: shape of the model.
        params: its parameters, with stacked layers.
        tokens: `[G, B, S] int32`.

    Returns:
        As of `forward`.
    """
    size = tokens.shape[-1]
    mask = jnp.tri(size, dtype=bool)
    angles = rotary_angles(config, jnp.arange(size))

    def body(x, layer):
        query, keys, values = _project(config, layer, x, angles)
        mixed = attend(query, [Part(keys, values, mask)])
        return _continue(config, layer, x, mixed), (keys, values)

    x = constrain(
        _embed(params.embedding, tokens), "problems", None, None, None
    )
    x, (keys, values) = jax.lax.scan(body, x, params.layers)
    hidden = rms_norm(x, params.final_norm, config.rms_norm_eps)
    return hidden, Segment(tuple(keys), tuple(values))


def unembed(params: Transformer, hidden: jax.Array) -> jax.Array:
    """Logits `[..., V] float32` of the next token."""
    weight = params.unembedding
    if weight is None:
        weight = Turned(params.embedding)
    return product(hidden, weight, dtype=jnp.float32)


def rms_norm(x: jax.Array, weight: jax.Array, epsilon: float) -> jax.Array:
    """Root mean square norm over the last axis (Zhang and Sennrich 2019)."""
    x32 = x.astype(jnp.float32)
    scale = jax.lax.rsqrt(jnp.mean(x32 * x32, -1, keepdims=True) + epsilon)
    return (x32 * scale).astype(x.dtype) * weight


@jax.custom_vjp
def _embed(embedding: jax.Array, tokens: jax.Array) -> jax.Array:
    return embedding[tokens]


def _embed_forward(embedding, tokens):
    return embedding[tokens], (embedding, tokens)


def _embed_backward(saved, gradient):
    embedding, tokens = saved
    size = embedding.shape[0]
    if size > _ONE_HOT_VOCABULARY:
        update = jnp.zeros_like(embedding).at[tokens].add(gradient)
    else:
        one_hot = jax.nn.one_hot(tokens, size, dtype=gradient.dtype)
        update = jnp.einsum("...v,...e->ve", one_hot, gradient)
    return update, None


_embed.defvjp(_embed_forward, _embed_backward)


def rotary_angles(config: ModelConfig, positions: jax.Array) -> Angles:
    """Cosines and sines `[..., 1, D / 2]` of positions `[...]`.

    Rotary embedding (Su et al. 2021).
    """
    exponent = jnp.arange(0, config.head_dim, 2, dtype=jnp.float32)
    frequency = config.rope_theta ** (-exponent / config.head_dim)
    angles = positions[..., None, None].astype(jnp.float32) * frequency
    return jnp.cos(angles), jnp.sin(angles)


def _rotate(x: jax.Array, angles: Angles) -> jax.Array:
    cos, sin = angles
    first, second = jnp.split(x.astype(jnp.float32), 2, axis=-1)
    rotated = jnp.concatenate(
        [first * cos - second * sin, second * cos + first * sin], axis=-1
    )
    return rotated.astype(x.dtype)


def _project(config: ModelConfig, layer: Layers, x: jax.Array, angles):
    """Queries `[G, B, S, H, D]`, keys `[G, B, K, D, S]`, values
    `[G, B, K, S, D]`, both rotated where they should be."""
    normed = rms_norm(x, layer.attention_norm, config.rms_norm_eps)
    wide = config.num_heads * config.head_dim
    narrow = config.num_kv_heads * config.head_dim
    query, keys, values = _products(
        normed, (layer.query, layer.key, layer.value), (wide, narrow, narrow)
    )
    if config.attention_bias:
        query = query + layer.query_bias
        keys = keys + layer.key_bias
        values = values + layer.value_bias
    # Without the barrier a TPU merges the split into heads with the product,
    # and copies the stacked weights into the layout that this takes.
    query, keys, values = (
        x.reshape(*x.shape[:3], -1, config.head_dim)
        for x in jax.lax.optimization_barrier((query, keys, values))
    )
    if config.qk_norm:
        query = rms_norm(query, layer.query_norm, config.rms_norm_eps)
        keys = rms_norm(keys, layer.key_norm, config.rms_norm_eps)
    query = constrain(
        _rotate(query, angles), "problems", None, None, "heads", None
    )
    keys = _rotate(keys, angles).transpose(0, 1, 3, 4, 2)
    values = values.transpose(0, 1, 3, 2, 4)
    keys = constrain(keys, "problems", None, "kv_heads", None, None)
    values = constrain(values, "problems", None, "kv_heads", None, None)
    return query, keys, values


def _products(
    x: jax.Array, weights: Sequence[Weight | None], sizes: Sequence[int]
) -> list[jax.Array]:
    """Products of `x [G, B, S, E]` with weights, the first alone if joined."""
    products = [product(x, weight) for weight in weights if weight is not None]
    if len(products) == len(weights):
        return products
    (joined,) = products
    ends = itertools.accumulate(sizes[:-1])
    return jnp.split(joined, list(ends), axis=-1)


def _continue(
    config: ModelConfig, layer: Layers, x: jax.Array, mixed: jax.Array
) -> jax.Array:
    """A layer, once its attention has `mixed` the values."""
    mixed = mixed.reshape(*mixed.shape[:3], -1)
    x = x + product(mixed, layer.output)
    x = x + _mlp(config, layer, x)
    return constrain(x, "problems", None, None, None)


def _mlp(config: ModelConfig, layer: Layers, x: jax.Array) -> jax.Array:
    normed = rms_norm(x, layer.mlp_norm, config.rms_norm_eps)
    size = config.intermediate_size
    gate, up = _products(normed, (layer.gate, layer.up), (size, size))
    inner = _ACTIVATIONS[config.hidden_act](gate) * up
    inner = constrain(inner, "problems", None, None, "mlp")
    return product(inner, layer.down)
