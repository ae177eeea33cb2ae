"""How a fused search asks the host: a `Round` out, a `Reply` back."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from jaxlrm.engine import bridge
from jaxlrm.search import loop
from jaxlrm.search.loop import Ask, Reply, Round
from jaxlrm.search.strategies import Strategy


class Callback:
    """Called by a program; passes on to whoever is served at the time."""

    def __init__(self, mesh: jax.sharding.Mesh, strategy: Strategy):
        """Nobody is served yet.

        Args:
            mesh: devices that run the program; each part of the `data` axis
                asks about its own problems.
            strategy: the search.
        """
        self._mesh, self._strategy = mesh, strategy
        self._host = bridge.Host(self._give_up)

    @property
    def failure(self) -> BaseException | None:
        """What was raised while serving; the search has then ended early."""
        return self._host.failure

    def serve(self, ask: Ask) -> None:
        """From now on rounds are passed on to `ask`."""

        def pass_on(first, *rows) -> Reply:
            rows = jax.tree.map(np.asarray, rows)
            return _integers(ask(Round(*rows, first=int(first))))

        self._host.serve(pass_on)

    def __call__(self, seen: Round) -> Reply:
        """Asks from inside a program, about traced arrays."""
        silence = self._silence(seen.nodes)
        shapes = jax.tree.map(
            lambda x: jax.ShapeDtypeStruct(x.shape, jnp.int32), silence
        )
        *rows, _ = seen
        reply = bridge.call(self._host, shapes, self._mesh, *rows)
        return reply._replace(
            doubt=reply.doubt.astype(bool), stop=reply.stop.astype(bool)
        )

    def _silence(self, nodes) -> Reply:
        return loop.no_reply(*nodes.shape, self._strategy.output_tokens)

    def _give_up(self, first, problems, nodes, *rows) -> Reply:
        """Ends all problems."""
        del first, problems, rows
        silence = self._silence(nodes)
        return _integers(silence._replace(stop=~silence.stop))


def _integers(reply: Reply) -> Reply:
    return jax.tree.map(lambda x: x.astype(np.int32), reply)
