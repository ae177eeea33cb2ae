"""The forward pass of Llama and its descendants: one function.

It serves training, prefill, decoding and scoring: they differ in how many
tokens a row has and in what a token may attend to. What architectures differ
in is data: parameters that are there or not, and the kind of each layer
(`config.LayerKind`).
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp

from jaxlrm.config import ModelConfig
from jaxlrm.models import experts
from jaxlrm.models.attention import attend
from jaxlrm.models.params import Layers, Transformer, unstack
from jaxlrm.models.products import Turned, Weight, product
from jaxlrm.models.rope import Angles, rotary_angles, rotate
from jaxlrm.models.segments import Context, Part, Segment, within
from jaxlrm.models.sharding import constrain

# Queries and segments in, mixed values out: the contract is `attend`'s.
Attention = Callable[..., jax.Array]

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
    angles: Sequence[Angles] | None = None,
) -> tuple[jax.Array, Segment]:
    """Runs the decoder over `S` new tokens of each branch.

    Args:
        config: shape of the model.
        params: its parameters.
        tokens: `[G, B, S] int32`.
        positions: `[G, B, S] int32`, or broadcastable to that; consecutive
            where there is a twig.
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
    x = _embed_tokens(config, params, tokens)
    if angles is None:
        angles = rotary_angles(config, positions)
    slots = positions
    if twig is not None:
        slots = positions[..., :1] - index + jnp.arange(twig.slots)
    seen = {
        window: (
            [part.within(window, positions) for part in context],
            within(mask, window, positions, slots),
        )
        for window in {kind.window for kind in config.kinds}
    }
    own_keys, own_values = [], []
    for number, layer in enumerate(unstack(params.layers)):
        kind = config.kinds[number]
        turned = angles[config.ropes.index(kind.rope)]
        query, keys, values = _project(config, layer, x, turned)
        if twig is not None:
            keys, values = twig.write(number, keys, values, index)
        own_keys.append(keys)
        own_values.append(values)
        shared, own = seen[kind.window]
        parts = [part.layer(number) for part in shared]
        mixed = attention(
            query, [*parts, Part(keys, values, own)], **_logits(config)
        )
        x = _continue(config, layer, x, mixed)
    hidden = _norm(config, x, params.final_norm)
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
    positions = jnp.arange(tokens.shape[-1])
    mask = jnp.tri(tokens.shape[-1], dtype=bool)
    angles = rotary_angles(config, positions)
    kinds = tuple(dict.fromkeys(config.kinds))
    views = [
        (
            angles[config.ropes.index(kind.rope)],
            within(mask, kind.window, positions, positions),
        )
        for kind in kinds
    ]
    which = None  # of the kinds each layer is
    if len(kinds) > 1:
        which = jnp.array([kinds.index(kind) for kind in config.kinds])

    def body(x, scanned):
        layer, kind = scanned
        angles, mask = views[0]
        if kind is not None:
            angles, mask = jax.tree.map(
                lambda *view: jnp.stack(view)[kind], *views
            )
        query, keys, values = _project(config, layer, x, angles)
        mixed = attend(query, [Part(keys, values, mask)], **_logits(config))
        return _continue(config, layer, x, mixed), (keys, values)

    x = _embed_tokens(config, params, tokens)
    x, (keys, values) = jax.lax.scan(body, x, (params.layers, which))
    hidden = _norm(config, x, params.final_norm)
    return hidden, Segment(tuple(keys), tuple(values))


def unembed(
    config: ModelConfig, params: Transformer, hidden: jax.Array
) -> jax.Array:
    """Logits `[..., V] float32` of the next token."""
    weight = params.unembedding
    if weight is None:
        weight = Turned(params.embedding)
    logits = product(hidden, weight, dtype=jnp.float32)
    if cap := config.final_logit_softcapping:
        logits = cap * jnp.tanh(logits / cap)
    return logits


def rms_norm(
    x: jax.Array, weight: jax.Array, epsilon: float, offset: bool = False
) -> jax.Array:
    """Root mean square norm over the last axis (Zhang and Sennrich 2019).

    With an `offset` it multiplies by one plus the weight, in float32.
    """
    x32 = x.astype(jnp.float32)
    scale = jax.lax.rsqrt(jnp.mean(x32 * x32, -1, keepdims=True) + epsilon)
    if offset:
        return (x32 * scale * (1 + weight.astype(jnp.float32))).astype(x.dtype)
    return (x32 * scale).astype(x.dtype) * weight


def _norm(
    config: ModelConfig, x: jax.Array, weight: jax.Array | None
) -> jax.Array:
    """`rms_norm`, where the model has that norm."""
    if weight is None:
        return x
    return rms_norm(x, weight, config.rms_norm_eps, config.norm_offset)


def _embed_tokens(
    config: ModelConfig, params: Transformer, tokens: jax.Array
) -> jax.Array:
    x = _embed(params.embedding, tokens)
    if config.scale_embedding:
        x = x * jnp.asarray(math.sqrt(config.hidden_size), x.dtype)
    return constrain(x, "problems", None, None, None)


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


def _logits(config: ModelConfig) -> dict[str, float]:
    """What the logits of the attention are divided by, and their bound."""
    scalar = config.query_pre_attn_scalar or config.head_dim
    return {
        "divisor": math.sqrt(scalar),
        "cap": config.attn_logit_softcapping,
    }


def _project(config: ModelConfig, layer: Layers, x: jax.Array, angles):
    """Queries `[G, B, S, H, D]`, keys `[G, B, K, D, S]`, values
    `[G, B, K, S, D]`, both rotated where they should be."""
    normed = _norm(config, x, layer.attention_norm)
    wide = config.num_heads * config.head_dim
    narrow = config.num_kv_heads * config.head_dim
    query, keys, values = _products(
        normed, (layer.query, layer.key, layer.value), (wide, narrow, narrow)
    )
    if config.attention_bias:
        query = query + layer.query_bias
        keys = keys + layer.key_bias
        values = values + layer.value_bias
    if config.qk_norm and not config.qk_norm_per_head:
        query = _norm(config, query, layer.query_norm)
        keys = _norm(config, keys, layer.key_norm)
    # Without the barrier a TPU merges the split into heads with the product,
    # and copies the stacked weights into the layout that this takes.
    query, keys, values = (
        x.reshape(*x.shape[:3], -1, config.head_dim)
        for x in jax.lax.optimization_barrier((query, keys, values))
    )
    if config.qk_norm and config.qk_norm_per_head:
        query = _norm(config, query, layer.query_norm)
        keys = _norm(config, keys, layer.key_norm)
    query = constrain(
        rotate(query, angles), "problems", None, None, "heads", None
    )
    keys = rotate(keys, angles).transpose(0, 1, 3, 4, 2)
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
    mixed = product(mixed.reshape(*mixed.shape[:3], -1), layer.output)
    x = x + _norm(config, mixed, layer.attention_post_norm)
    read = _read(config, layer, _norm(config, x, layer.mlp_norm))
    x = x + _norm(config, read, layer.mlp_post_norm)
    return constrain(x, "problems", None, None, None)


def _read(config: ModelConfig, layer: Layers, x: jax.Array) -> jax.Array:
    """What the MLP, or some of its experts, makes of `x [G, B, S, E]`."""
    weights = layer.gate, layer.up, layer.down
    if not config.num_experts:
        return _mlp(config, x, weights, config.intermediate_size)
    shares = experts.route(
        product(x, layer.router),
        config.num_experts_per_tok,
        config.norm_topk_prob,
    )
    size = config.moe_intermediate_size
    read = functools.partial(_mlp, config, x, size=size)
    return experts.mix(read, weights, shares)


def _mlp(config: ModelConfig, x: jax.Array, weights, size: int) -> jax.Array:
    gate, up, down = weights
    gate, up = _products(x, (gate, up), (size, size))
    inner = _ACTIVATIONS[config.hidden_act](gate) * up
    inner = constrain(inner, "problems", None, None, "mlp")
    return product(inner, down)
