"""How a fused search asks the host: a `Round` out, a `Reply` back.

An exception in a callback on one of several devices leaves the others waiting
for ever, so what a program calls never raises: the exception is kept for
whoever started the program.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import io_callback
from jax.sharding import PartitionSpec

from jaxlrm.search import base
from jaxlrm.search.base import Ask, Reply, Round, Strategy


class Callback:
    """Called by a program; passes on to whoever is served at the time.

    Attributes:
        failure: the first exception since `serve`, or None; the search has
            then ended early.
    """

    def __init__(self, mesh: jax.sharding.Mesh, strategy: Strategy):
        """Nobody is served yet.

        Args:
            mesh: devices that run the program.
            strategy: the search.
        """
        self._mesh, self._strategy = mesh, strategy
        self._ask: Ask | None = None
        self.failure: BaseException | None = None

    def serve(self, ask: Ask) -> None:
        """From now on rounds are passed on to `ask`."""
        self._ask, self.failure = ask, None

    def __call__(self, seen: Round) -> Reply:
        """Asks from inside a program, about traced arrays.

        Each shard of the `data` axis asks once, about its own problems; of the
        devices that share a shard only the first on the `model` axis does, and
        the others are told, so that they cannot disagree.
        """
        ways = self._mesh.shape["data"]
        problems, rows = seen.twigs.leaf.shape
        silence = self._silence(problems // ways, rows)
        local = jax.tree.map(
            lambda x: jax.ShapeDtypeStruct(x.shape, jnp.int32), silence
        )

        def of_shard(*rows):
            first = jax.lax.axis_index("data") * rows[0].shape[0]

            def ask():
                return io_callback(self._answer, local, first, *rows)

            if self._mesh.shape["model"] == 1:
                return ask()
            answer = jax.lax.cond(
                jax.lax.axis_index("model") == 0,
                ask,
                lambda: jax.tree.map(
                    lambda s: jnp.zeros(s.shape, s.dtype), local
                ),
            )
            return jax.lax.psum(answer, "model")

        *rows, _ = seen  # without `first`
        shards = PartitionSpec("data")
        reply = jax.shard_map(
            of_shard,
            mesh=self._mesh,
            in_specs=shards,
            out_specs=shards,
            check_vma=False,
        )(*rows)
        return reply._replace(
            doubt=reply.doubt.astype(bool), stop=reply.stop.astype(bool)
        )

    def _silence(self, problems: int, rows: int) -> Reply:
        return base.no_reply(problems, rows, self._strategy.output_tokens)

    def _answer(self, first, *rows) -> Reply:
        """Never raises; once asking has failed, ends all problems."""
        seen = Round(*jax.tree.map(np.asarray, rows), first=int(first))
        silence = self._silence(*seen.twigs.leaf.shape)
        reply = silence._replace(stop=~silence.stop)
        if self.failure is None and self._ask is not None:
            try:
                reply = self._ask(seen)
            except BaseException as error:
                self.failure = error
        return jax.tree.map(lambda x: x.astype(np.int32), reply)
