"""The callback side of verification: programs that ask the host.

The only module of `verify` that knows JAX. An exception in a callback on one
of several devices leaves the others waiting for ever, so what is called here
never raises: it keeps the exception for whoever started the program.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.experimental import io_callback
from jax.sharding import PartitionSpec


class Host:
    """What a program calls; whom it calls may change from run to run.

    Attributes:
        failure: the first exception since `serve`, or None.
    """

    def __init__(self, fallback: Callable[..., Any]):
        """Nobody is served yet.

        Args:
            fallback: as the function of `serve`, but it cannot fail; answers
                in its place once it has failed.
        """
        self._fallback = self._function = fallback
        self.failure: BaseException | None = None

    def serve(self, function: Callable[..., Any]) -> None:
        """From now on `function(first, *rows)` answers."""
        self._function, self.failure = function, None

    def __call__(self, first, *rows):
        """Never raises."""
        if self.failure is None:
            try:
                return self._function(first, *rows)
            except BaseException as error:
                self.failure = error
        return self._fallback(first, *rows)


def call(host: Host, result, mesh: jax.sharding.Mesh, *rows):
    """Asks the host from inside a jitted program.

    Each shard of the `data` axis calls once, with its own rows; of the
    devices that share a shard only the first on the `model` axis does, and
    the others are told, so that they cannot disagree.

    Args:
        host: called with the number of the first row of the shard and numpy
            arrays; returns what `result` says.
        result: pytree of `jax.ShapeDtypeStruct`, integers `[G, ...]` for all
            rows.
        mesh: devices.
        *rows: pytrees of arrays `[G, ...]`.

    Returns:
        A pytree like `result`.
    """
    ways = mesh.shape["data"]

    def mine(shape: jax.ShapeDtypeStruct) -> jax.ShapeDtypeStruct:
        size = shape.shape[0] // ways
        return jax.ShapeDtypeStruct((size, *shape.shape[1:]), shape.dtype)

    local = jax.tree.map(mine, result)

    def of_shard(*rows):
        size = jax.tree.leaves(rows)[0].shape[0]
        first = jax.lax.axis_index("data") * size

        def ask():
            return io_callback(host, local, first, *rows)

        if mesh.shape["model"] == 1:
            return ask()
        answer = jax.lax.cond(
            jax.lax.axis_index("model") == 0,
            ask,
            lambda: jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), local),
        )
        return jax.lax.psum(answer, "model")

    shards = PartitionSpec("data")
    return jax.shard_map(
        of_shard,
        mesh=mesh,
        in_specs=shards,
        out_specs=shards,
        check_vma=False,
    )(*rows)
