"""Runs the searches of problems on the devices, and tells the host of them."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence

import jax
import numpy as np

from jaxlrm.config import SearchConfig
from jaxlrm.engine import binding, plan, tables
from jaxlrm.engine.compiled import Compiled
from jaxlrm.engine.host import Host
from jaxlrm.engine.layout import Layout, Models
from jaxlrm.engine.problems import Problem
from jaxlrm.limits import Limits
from jaxlrm.models import sharding
from jaxlrm.models.cache import Cache, dense_bytes, size_in_bytes
from jaxlrm.search import base, loop
from jaxlrm.text import Text


def run(
    models: Models,
    weights: binding.Weights,
    compiled: Compiled,
    text: Text,
    search: Layout,
    config: SearchConfig,
    problems: Sequence[Problem],
    host: Host,
) -> None:
    """Runs the loop until every problem is finished.

    Args:
        models: of the engine.
        weights: theirs, of `binding.prepare`.
        compiled: the programs of `search`.
        text: the generator's tokenizer.
        search: how the problems are laid out on the devices.
        config: what their searches have in common.
        problems: those that can be searched.
        host: is asked, and told of the caches.
    """
    strategy, sizes = models.strategy(config), search.sizes
    states = [compiled.start() for _ in range(search.turns)]
    callback = compiled.callback
    if callback is not None:
        callback.serve(host.ask)

    def stack(rows: Sequence[Sequence[int]]) -> binding.Prompts:
        tokens = np.full((len(rows), sizes.prompt), text.padding)
        for row, ids in zip(tokens, rows, strict=True):
            row[: len(ids)] = ids
        length = np.array([len(ids) for ids in rows], np.int32)
        prompts = binding.Prompts(tokens.astype(np.int32), length)
        return sharding.spread(models.mesh, prompts)

    whole = sizes.prompt + config.chain_tokens
    host.cache["dense"] = sum(
        dense_bytes(cache, strategy.branches, whole)
        for cache in _caches(states[0])
    )

    def measure(state: base.State) -> None:
        held = sum(map(size_in_bytes, _caches(state)))
        host.cache["bytes"] = held // sizes.problems

    measure(states[0])
    ends = tables.of_search(
        config,
        text,
        weights.tables,
        whole=strategy.whole,
        by_step=models.scores_steps(config),
    )
    rounds = loop.run(
        compiled.programs,
        weights._replace(tables=ends),
        states,
        _queue(models, problems),
        stack,
        host.ask,
        functools.partial(
            plan.make_room, search.strategy, config, compiled.rooms
        ),
        shares=1 if search.shared else models.mesh.shape["data"],
    )
    for _, lane in rounds:
        if callback is not None and callback.failure is not None:
            raise callback.failure
        measure(lane.state)


def _queue(
    models: Models, problems: Sequence[Problem]
) -> list[tuple[Sequence[int], jax.Array, Limits]]:
    """The prompt, the root key and the limits of each problem."""
    roots, limits = {}, {}
    for config in dict.fromkeys(problem.config for problem in problems):
        roots[config] = jax.random.key(config.seed)
        limits[config] = models.strategy(config).limits
    return [
        (
            problem.prompt,
            jax.random.fold_in(roots[problem.config], _digest(problem.text)),
            limits[problem.config],
        )
        for problem in problems
    ]


def _caches(state: base.State) -> list[Cache]:
    """Those of all models."""
    return [state.cache.generator, *state.cache.rewards]


def _digest(problem: str) -> int:
    """32 bits of the problem's text, for the key of its root."""
    return int.from_bytes(hashlib.sha256(problem.encode()).digest()[:4])
