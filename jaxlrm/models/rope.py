"""Rotary position embeddings (Su et al. 2021), plain and stretched."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp

from jaxlrm.config import ModelConfig, Rope, RopeScaling

Angles = tuple[jax.Array, jax.Array]


def rotary_angles(
    config: ModelConfig, positions: jax.Array
) -> tuple[Angles, ...]:
    """Cosines and sines `[..., 1, rotated / 2]` of positions `[...]`.

    Returns:
        Those of each of `config.ropes`; of none, a rotation by 0.
    """
    return tuple(_angles(config, rope, positions) for rope in config.ropes)


def rotate(x: jax.Array, angles: Angles) -> jax.Array:
    """`x [..., heads, D]`, its first dimensions rotated by the angles."""
    cos, sin = angles
    size = 2 * cos.shape[-1]
    first, second = jnp.split(x[..., :size].astype(jnp.float32), 2, axis=-1)
    rotated = jnp.concatenate(
        [first * cos - second * sin, second * cos + first * sin], axis=-1
    ).astype(x.dtype)
    if size == x.shape[-1]:
        return rotated
    return jnp.concatenate([rotated, x[..., size:]], axis=-1)


def _angles(
    config: ModelConfig, rope: Rope | None, positions: jax.Array
) -> Angles:
    size, scaling = config.rotary_dim, rope and rope.scaling
    exponent = jnp.arange(0, size, 2, dtype=jnp.float32)
    if rope is None:
        frequency = jnp.zeros_like(exponent)
    else:
        frequency = rope.theta ** (-exponent / size)
    if scaling is not None:
        frequency = _STRETCHED[scaling.rope_type](rope, frequency)
    angles = positions[..., None, None].astype(jnp.float32) * frequency
    cos, sin = jnp.cos(angles), jnp.sin(angles)
    if scaling is None or scaling.attention_factor == 1:
        return cos, sin
    return cos * scaling.attention_factor, sin * scaling.attention_factor


def _linear(rope: Rope, frequency: jax.Array) -> jax.Array:
    """Position interpolation (Chen et al. 2023)."""
    return frequency / rope.scaling.factor


def _llama3(rope: Rope, frequency: jax.Array) -> jax.Array:
    """Llama 3.1: long wavelengths are stretched, those between in part."""
    scaling = rope.scaling
    turns = scaling.original_max_position_embeddings * frequency / (2 * math.pi)
    low, high = scaling.low_freq_factor, scaling.high_freq_factor
    kept = jnp.clip((turns - low) / (high - low), 0, 1)
    return frequency * (kept + (1 - kept) / scaling.factor)


def _yarn(rope: Rope, frequency: jax.Array) -> jax.Array:
    """YaRN (Peng et al. 2023): as `_llama3`, by the number of a dimension."""
    scaling: RopeScaling = rope.scaling
    pairs = len(frequency)

    def dimension(turns: float) -> float:
        """The dimension that turns so often within the original length."""
        length = scaling.original_max_position_embeddings
        wanted = math.log(length / (turns * 2 * math.pi))
        return pairs * wanted / math.log(rope.theta)

    low, high = dimension(scaling.beta_fast), dimension(scaling.beta_slow)
    if scaling.truncate:
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, 2 * pairs - 1)
    if low == high:
        high += 0.001  # as in transformers: no division by zero
    stretched = jnp.clip((jnp.arange(pairs) - low) / (high - low), 0, 1)
    return frequency * (1 - stretched + stretched / scaling.factor)


def _longrope(rope: Rope, frequency: jax.Array) -> jax.Array:
    """LongRoPE (Ding et al. 2024) within the original length."""
    return frequency / jnp.array(rope.scaling.short_factor, jnp.float32)


_STRETCHED = {
    "linear": _linear,
    # Up to `max_position_embeddings`, where chains end.
    "dynamic": lambda rope, frequency: frequency,
    "llama3": _llama3,
    "yarn": _yarn,
    "longrope": _longrope,
}
