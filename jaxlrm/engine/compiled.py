"""The programs of an engine: compiled once for each size, kept, and counted."""

from __future__ import annotations

import collections
from collections.abc import Callable
from typing import Any, NamedTuple

import jax

from jaxlrm.config import ModelConfig
from jaxlrm.engine import binding, layout
from jaxlrm.engine.callback import Callback
from jaxlrm.engine.layout import Layout, Models
from jaxlrm.search import base, lockstep

_SEARCHES = 8  # whose programs are kept


class Compiled(NamedTuple):
    """A search, compiled for its sizes.

    Attributes:
        start: makes its first state.
        programs: those of its rounds.
        callback: asks the host, where it is fused.
        rooms: slots of trunk and stem that it was compiled for.
    """

    start: Callable[[], base.State]
    programs: lockstep.Programs
    callback: Callback | None
    rooms: set[tuple[int, int]]


class Compiler:
    """Compiles the searches of one engine, each when it is first run."""

    def __init__(self, models: Models):
        """Compiles nothing yet."""
        self._models = models
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

    def get(self, search: Layout) -> Compiled:
        """The programs of a search."""
        key = search.config, search.sizes, search.shared
        if key not in self._kept:
            while len(self._kept) >= _SEARCHES:
                _, oldest = self._kept.popitem(last=False)
                self._forgotten += oldest.programs.compiled
            self._kept[key] = self._compile(search)
        self._kept.move_to_end(key)
        return self._kept[key]

    def _compile(self, search: Layout) -> Compiled:
        model = layout.bind(self._models, search)
        blank = layout.first_state(self._models, search)
        mesh, sizes = self._models.mesh, search.sizes
        places = binding.placements(mesh, jax.eval_shape(blank))
        start = jax.jit(
            blank,
            out_shardings=places,
            compiler_options=_quickly(),
        )
        callback = None
        if search.config.execution == "fused":
            callback = Callback(mesh, search.strategy)
        asked = self._models.asked(search.config)
        readers = tuple(judge.config for judge in asked if judge.config)
        readers = self._models.generator, *readers
        read = self._prefills.setdefault(readers, jax.jit(model.prefill))

        def prefill(weights: binding.Weights, prompts: binding.Prompts):
            # What ends a step has another size for each kind of search.
            return read(weights._replace(tables=None, writer=None), prompts)

        programs = lockstep.compile_rounds(
            model,
            search.strategy,
            places,
            ask=callback,
            prefill=prefill,
            options=_quickly(),
        )
        rooms = {(sizes.trunk, sizes.stem)}
        return Compiled(start, programs, callback, rooms)


def _quickly() -> dict[str, int] | None:
    """Compiler options of a program that runs for little of a round.

    On a CPU LLVM's optimiser is up to half of what compiling it takes, and
    saves a hundredth of a round (`mini`, 256 branches).
    """
    if jax.default_backend() != "cpu":
        return None
    return {"xla_backend_optimization_level": 0}
