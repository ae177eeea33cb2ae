"""A short name for the values of a model's weights."""

from __future__ import annotations

import hashlib

import jax
import jax.numpy as jnp


def fingerprint(values) -> str:
    """16 hexadecimal digits that tell pytrees of arrays apart.

    Computed where they lie, and the same on any mesh; it protects from
    mistakes, not from malice.
    """
    digest = hashlib.sha256()
    sums = jax.device_get(_mix(values))
    for (path, leaf), value in zip(
        jax.tree.leaves_with_path(values), jax.tree.leaves(sums), strict=True
    ):
        name = jax.tree_util.keystr(path)
        digest.update(f"{name} {leaf.shape} {leaf.dtype} {value}".encode())
    return digest.hexdigest()[:16]


@jax.jit
def _mix(values):
    """32 bits of each array; sums of integers do not depend on an order."""

    def mix(x):
        bits = x
        if x.dtype != bool:
            bits = jax.lax.bitcast_convert_type(x, f"uint{8 * x.itemsize}")
        bits = bits.astype(jnp.uint32)
        place = jnp.zeros(x.shape, jnp.uint32)
        for axis, size in enumerate(x.shape):
            number = jax.lax.broadcasted_iota(jnp.uint32, x.shape, axis)
            place = place * jnp.uint32(size) + number
        bits = (bits ^ (bits >> 16)) * jnp.uint32(0x85EBCA6B)
        bits = (bits ^ (bits >> 13)) * (2 * place + 1)
        return (bits ^ (bits >> 15)).sum(dtype=jnp.uint32)

    return jax.tree.map(mix, values)
