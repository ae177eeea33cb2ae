"""The programs of an engine: compiled once for each size, kept, and counted."""

from __future__ import annotations

import collections
import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax

from jaxlrm.config import SCORED, ModelConfig, SearchConfig
from jaxlrm.engine import binding
from jaxlrm.engine.callback import Callback
from jaxlrm.search import base, lockstep, strategies

_SEARCHES = 8  # whose programs are kept


class Compiled(NamedTuple):
    """A search, compiled for its sizes.

    Attributes:
        strategy: of `plan.compiled_for`.
        start: makes its first state.
        programs: those of its rounds.
        callback: asks the host, where it is fused.
        rooms: slots of trunk and stem that it was compiled for.
    """

    strategy: strategies.Strategy
    start: Callable[[], base.State]
    programs: lockstep.Programs
    callback: Callback | None
    rooms: set[tuple[int, int]]


class Compiler:
    """Compiles the searches of one engine, each when it is first run."""

    def __init__(
        self,
        mesh: jax.sharding.Mesh,
        generator: ModelConfig,
        judges: Sequence[binding.Judge],
        dtype: jax.typing.DTypeLike,
    ):
        """Compiles nothing yet.

        Args:
            mesh: devices.
            generator: shape of the model that writes.
            judges: learned verifiers.
            dtype: of the parameters and caches.
        """
        self._mesh, self._dtype = mesh, dtype
        self._generator, self._judges = generator, judges
        self._kept: collections.OrderedDict[Any, Compiled] = (
            collections.OrderedDict()
        )
        self._prefills: dict[tuple[ModelConfig, ...], Callable[..., Any]] = {}
        self._forgotten = 0  # programs

    @property
    def programs(self) -> int:
        """Programs compiled so far that go through a model's layers."""
        searches = [found.programs.compiled for found in self._kept.values()]
        prefills = [each._cache_size() for each in self._prefills.values()]
        return self._forgotten + sum(searches) + sum(prefills)

    def get(
        self,
        config: SearchConfig,
        strategy: strategies.Strategy,
        sizes: binding.Sizes,
        counted: bool,
    ) -> Compiled:
        """The programs of a search.

        Args:
            config: of `plan.compiled_for`.
            strategy: of that configuration.
            sizes: of its caches at the start.
            counted: see `binding.Binding`.
        """
        key = config, sizes, counted
        if key not in self._kept:
            while len(self._kept) >= _SEARCHES:
                _, oldest = self._kept.popitem(last=False)
                self._forgotten += oldest.programs.compiled
            self._kept[key] = self._compile(config, strategy, sizes, counted)
        self._kept.move_to_end(key)
        return self._kept[key]

    def _compile(
        self,
        config: SearchConfig,
        strategy: strategies.Strategy,
        sizes: binding.Sizes,
        counted: bool,
    ) -> Compiled:
        judges = self._judges if config.verifiers in SCORED else ()
        model = binding.Binding(
            self._generator,
            tuple(judges),
            strategy,
            sizes,
            counted=counted,
            dtype=self._dtype,
        ).model()
        blank = functools.partial(
            lockstep.initial, model, strategy, sizes.problems
        )
        places = binding.placements(self._mesh, jax.eval_shape(blank))
        start = jax.jit(
            blank,
            out_shardings=places,
            compiler_options=lockstep.compile_quickly(),
        )
        fused = config.execution == "fused"
        callback = Callback(self._mesh, strategy) if fused else None
        readers = (self._generator, *(j.config for j in judges if j.config))
        read = self._prefills.setdefault(readers, jax.jit(model.prefill))

        def prefill(weights: binding.Weights, prompts: binding.Prompts):
            # What ends a step has another size for each kind of search.
            return read(weights._replace(tables=None, writer=None), prompts)

        programs = lockstep.compile_rounds(
            model, strategy, places, ask=callback, prefill=prefill
        )
        rooms = {(sizes.trunk, sizes.stem)}
        return Compiled(strategy, start, programs, callback, rooms)
