"""How the problems of a call are laid out on the devices.

How many are searched side by side, in how many rows each, and what the caches
of their models are at the start. Pure functions of shapes: nothing is
allocated, and the devices need not be there.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
from jax.sharding import AbstractMesh, Mesh

from jaxlrm.config import SCORED, ModelConfig, SearchConfig
from jaxlrm.engine import binding, defaults, plan
from jaxlrm.search import base, lockstep, strategies
from jaxlrm.search.base import Strategy


@dataclasses.dataclass(frozen=True)
class Models:
    """The models of an engine, and the devices they are on.

    Attributes:
        generator: shape of the model that writes.
        judges: learned verifiers.
        dtype: of the parameters and caches.
        mesh: devices; abstract, of devices that are not there.
        platform: of the devices, as `jax.default_backend` names it.
        tables: bytes of the tokenizer's tables.
    """

    generator: ModelConfig
    judges: tuple[binding.Judge, ...]
    dtype: jax.typing.DTypeLike
    mesh: Mesh | AbstractMesh
    platform: str
    tables: int = 0

    @property
    def rewards(self) -> tuple[ModelConfig, ...]:
        """Shapes of the separate reward models."""
        return tuple(judge.config for judge in self.judges if judge.config)

    def asked(self, config: SearchConfig) -> tuple[binding.Judge, ...]:
        """The learned verifiers that a search listens to."""
        return self.judges if config.verifiers in SCORED else ()

    def likely(self, config: SearchConfig) -> bool:
        """Whether scores are in part likelihoods."""
        return any(judge.likelihood for judge in self.asked(config))

    def scores_steps(self, config: SearchConfig) -> bool:
        """Whether a strategy of whole chains wants scores of their steps."""
        scored = config.strategy in ("best_of_n", "weighted")
        return scored and (self.likely(config) or config.aggregate != "last")

    def strategy(self, config: SearchConfig) -> Strategy:
        """The search; a likelihood is of a step, never of a whole chain."""
        return strategies.build(config, by_step=self.likely(config))


class Layout(NamedTuple):
    """A search on the devices.

    Attributes:
        config: what is compiled, see `plan.compiled_for`.
        strategy: of that configuration.
        sizes: of the caches of one turn, at the start.
        turns: groups of problems that take turns at the devices.
        shared: whether devices share the branches of each problem.
        largest: slots of trunk and stem that the caches may grow to.
    """

    config: SearchConfig
    strategy: Strategy
    sizes: binding.Sizes
    turns: int
    shared: bool
    largest: tuple[int, int]


def arrange(
    models: Models,
    config: SearchConfig,
    *,
    problems: int,
    prompt: int,
    early: bool = False,
    limited: bool = False,
) -> Layout:
    """The layout of a search of so many problems.

    Args:
        models: of the engine.
        config: what the searches have in common, resolved.
        problems: how many there are.
        prompt: tokens of the longest prompt.
        early: whether a search may end early, see `defaults.ends_early`.
        limited: whether tokens are counted.
    """
    strategy, mesh = models.strategy(config), models.mesh
    platform, ways = models.platform, mesh.shape["data"]
    most = config.batch or defaults.batch(
        strategy, problems, early=early, platform=platform
    )
    wanted = min(most, problems)
    turns = 1
    if wanted >= 2 * ways:
        turns = defaults.turns(config, platform=platform)
    share = turns * ways
    slots = ways * min(-(-most // share), plan.bucket(-(-wanted // share)))
    rows = defaults.rows(strategy, slots, early=early, platform=platform)
    shared = problems < ways and defaults.shares_branches(
        config, strategy, mesh, limited=limited
    )
    if shared:
        slots, rows = wanted, strategy.branches
    static = plan.compiled_for(config, strategy)
    built = models.strategy(static)
    sizes = plan.plan(
        models.generator,
        config,
        built,
        problems=slots,
        prompt=prompt,
        rows=rows,
        platform=platform,
    )
    largest = plan.largest(config, built)
    return Layout(static, built, sizes, turns, shared, largest)


def bind(models: Models, layout: Layout) -> base.Model:
    """The models bound to the loop."""
    return binding.Binding(
        models.generator,
        models.asked(layout.config),
        layout.strategy,
        layout.sizes,
        counted=not layout.shared,
        dtype=models.dtype,
    ).model()


def first_state(models: Models, layout: Layout) -> Callable[[], base.State]:
    """Makes the state of one turn, with every slot empty."""
    model = bind(models, layout)
    return functools.partial(
        lockstep.initial, model, layout.strategy, layout.sizes.problems
    )
