"""The engine: a generator, its verifiers and a search, bound together."""

from __future__ import annotations

import dataclasses
import functools
import importlib
from collections.abc import Callable, Sequence
from typing import Any

import jax

from jaxlrm import extend
from jaxlrm.config import CHECKED, SCORED, SearchConfig
from jaxlrm.engine import (
    binding,
    defaults,
    fitting,
    layout,
    memory,
    run,
    tables,
)
from jaxlrm.engine.compiled import Compiler
from jaxlrm.engine.host import Host
from jaxlrm.engine.learned import Learned, Own, require_alike, require_fit
from jaxlrm.engine.problems import Problem, any_runs_programs, read_all
from jaxlrm.engine.solution import ProgressCallback, Solution
from jaxlrm.models import params, sharding
from jaxlrm.models.fingerprint import fingerprint
from jaxlrm.text import Text
from jaxlrm.verify import judging
from jaxlrm.verify.programs.tools import Interpreter
from jaxlrm.verify.verifiers import (
    Checker,
    Verifiers,
    name_of,
    require_checker,
)
from jaxlrm.verify.workers import Pool

__all__ = ["Engine", "Learned", "Own"]


class Engine:
    """Solves problems by searching with a model and its verifiers.

    Use it in a `with` statement, or call `close`: it owns worker processes.

    Attributes:
        name: name or folder of the model.
        weights_hash: sha256 of its safetensors file, or of its shards one
            after the other, hexadecimal.
    """

    def __init__(
        self,
        generator: Learned,
        text: Text,
        *,
        rewards: Sequence[Learned | Own] = (),
        mesh: jax.sharding.Mesh | None = None,
        name: str = "",
        weights_hash: str = "",
        workers: int = 2,
        checkers: Sequence[Checker] = (),
        extensions: Sequence[str] = (),
        require_sandbox: bool = False,
    ):
        """Places the parameters on the mesh.

        Args:
            generator: the model that writes; with a value head it can judge
                its own steps.
            text: its tokenizer.
            rewards: learned verifiers, which score steps together by the
                weighted mean of their logits: reward models with a value head
                and the same tokenizer, and `Own`, the generator's own head.
                By default its own alone, if it has one.
            mesh: devices; by default the first one alone.
            name: for reports.
            weights_hash: for reports.
            workers: processes that check steps.
            checkers: symbolic verifiers beside the package's: top-level
                functions of importable modules, which run in the workers. Of
                one that fails `solve` warns once (RuntimeWarning).
            extensions: modules to import here and in the workers, which
                register families and rules of their own (docs/extend.md).
            require_sandbox: refuse to run programs on a host that cannot
                isolate them fully.

        Raises:
            ImportError: an extension cannot be imported.
            ValueError: the parts do not fit together, a reward has no positive
                weight, or a checker is none.
        """
        if not rewards and generator.config.value_head:
            rewards = (Own(),)
        require_fit(generator, rewards, text.vocab_size)
        for checker in checkers:
            require_checker(checker)
        for module in extensions:
            importlib.import_module(module)
        self.name, self.weights_hash = name, weights_hash
        self._text, self._workers = text, workers
        self._mesh = mesh or sharding.make_mesh()
        judges = tuple(
            binding.Judge(r.config, float(r.weight), r.likelihood)
            if isinstance(r, Learned)
            else binding.Judge(None, float(r.weight), generator.likelihood)
            for r in rewards
        )
        ends = tables.build(text, generator.config.vocab_size)
        self._models = layout.Models(
            generator.config,
            judges,
            generator.params.embedding.dtype,
            self._mesh,
            jax.default_backend(),
            tables=sum(leaf.nbytes for leaf in jax.tree.leaves(ends)),
        )
        self._weights = binding.Weights(
            self._place(generator),
            tuple(self._place(r) for r in rewards if isinstance(r, Learned)),
            ends,
        )
        self._ready: binding.Weights | None = None  # as they are decoded with
        self._checkers = tuple(checkers)
        self._extensions = tuple(extensions)
        self._require_sandbox = require_sandbox
        self._pool: Pool | None = None
        self._interpreter: Interpreter | None = None
        self._defaults = defaults.Defaults(
            name, generator.config, self._models.rewards, text, self.scores
        )
        self._compiler = Compiler(self._models)

    def _place(self, model: Learned) -> params.Transformer:
        places = params.shardings(model.config, self._mesh)
        # One dtype, so that all of them fit into the caches.
        values = jax.tree.map(
            lambda spec, x: x.astype(
                spec.dtype or self._models.dtype, copy=False
            ),
            params.specs(model.config),
            model.params,
            is_leaf=params.is_spec,
        )
        return jax.tree.map(jax.device_put, values, places)

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *exception) -> None:
        self.close()

    def close(self) -> None:
        """Ends the worker processes. May be repeated."""
        for owned in (self._pool, self._interpreter):
            if owned is not None:
                owned.close()
        self._pool = self._interpreter = None

    @property
    def tasks(self) -> tuple[str, ...]:
        """Families that the model was trained on; none if it is not said."""
        return self._text.tasks

    @property
    def scores(self) -> bool:
        """Whether it has a learned verifier: a value head, a reward model."""
        return bool(self._models.judges)

    @property
    def programs(self) -> int:
        """Programs compiled so far that go through a model's layers.

        Each takes as long to compile as the model is deep. Another temperature,
        seed or limit needs none; another size of a search or of its caches
        does, if it is in another bucket (`jaxlrm.engine.plan`).
        """
        return self._compiler.programs

    def grade(
        self, answers: Sequence[tuple[str, str | None, str | None, str]]
    ) -> list[bool]:
        """Which answers are right; they are compared in worker processes.

        Args:
            answers: of each problem its text, its task (None for none), the
                answer of a solution (None is wrong) and the right answer, as
                for `judging.is_correct`.

        Returns:
            False too where a comparison took too long.
        """
        jobs = [answer for answer in answers if answer[2] is not None]
        pool = self._workers_pool()
        found = iter(pool.map(judging.is_correct, jobs, plain=True))
        return [
            answer[2] is not None and next(found) is True for answer in answers
        ]

    def task_of(self, problem: str) -> str | None:
        """Name of the family, of its extensions, that phrases such problems."""
        reading = extend.recognise(problem, self._extensions)
        return reading and reading.family.name

    def update(self, values: params.Transformer) -> None:
        """Replaces the generator's parameters; nothing is compiled again.

        What they score is not calibrated: `load` multiplies a calibration into
        the value head.

        Args:
            values: of the shapes and dtypes of those that are replaced, on the
                host or on devices; they are copied. Of eight bits are those
                that `params.in_int8` makes.

        Raises:
            ValueError: an array is missing, of another shape or dtype, or has
                no place in the model; the message names it.
        """
        require_alike(values, self._weights.generator)
        places = params.shardings(self._models.generator, self._mesh)
        # A trainer may donate its own arrays to its next step.
        copy = functools.partial(jax.device_put, may_alias=False)
        generator = jax.tree.map(copy, values, places)
        self._weights = self._weights._replace(generator=generator)
        self._ready = None
        self.weights_hash = ""

    def solve(
        self,
        problems: Sequence[str],
        config: SearchConfig | Sequence[SearchConfig] | None = None,
        *,
        begun: Sequence[Sequence[str]] = (),
        planned: Callable[[memory.Plan], None] | None = None,
        progress: ProgressCallback | None = None,
        finished: Callable[[int, Solution], None] | None = None,
        **changes: Any,
    ) -> list[Solution]:
        """Searches for the answers of all problems.

            engine.solve(["Solve 3*x = 12 for x."], strategy="beam")

        Up to `config.batch` problems are searched side by side; a problem
        that ends makes room for the next. What is found does not depend on
        the batch, but for `tools` left at `auto`. A problem that cannot be
        read (empty, longer than the model's context, of unknown characters)
        is not solved and says why in its note.

        Args:
            problems: texts.
            config: the search, by default a beam; or one for each problem,
                which may differ in the seed and in what `limits.Limits` has.
            begun: of each problem, the steps that its chains begin with; none
                of any by default. They are judged with what follows, and are
                no part of the solutions.
            planned: called before the first round with what the search takes.
            progress: called after each round.
            finished: called with a problem's number and solution as it ends,
                in any order.
            **changes: fields of `config` to replace, such as `strategy`,
                `branches` or `seed`.

        Raises:
            TypeError: `problems` is one string, a problem is none, or a change
                has no field or another type.
            ValueError: `begun` or `config` has another length, configurations
                differ in what they must share, the model cannot serve one, or
                the search does not fit into the memory of the devices.
        """
        if isinstance(problems, str):
            raise TypeError("problems is one string; give a list of problems")
        for number, problem in enumerate(problems):
            if not isinstance(problem, str):
                raise TypeError(
                    f"problem {number} is {problem!r}; give each as a str"
                )
        begun = begun or [()] * len(problems)
        _require_one_each("begun", begun, problems)
        if config is None or isinstance(config, SearchConfig):
            configs = [config or SearchConfig()] * max(len(problems), 1)
        else:
            _require_one_each("config", config, problems)
            configs = list(config) or [SearchConfig()]
        configs = [dataclasses.replace(each, **changes) for each in configs]
        programs = any_runs_programs(problems, self._text, self._extensions)
        settle = functools.partial(self._settle, programs=programs)
        read = read_all(
            problems, begun, configs, self._text, settle, self._extensions
        )
        settled = [problem.config for problem in read]
        # Without a problem, too, a search that cannot be is refused.
        common = defaults.together(settled or [settle(configs[0])[0]])
        scored = common.verifiers in SCORED
        host = Host(
            read,
            common,
            self._models.strategy(common),
            self._text,
            Verifiers(
                self._workers_pool(),
                self._checkers if common.verifiers in CHECKED else (),
                patient=common.execution != "fused",
            ),
            tools=self._tools(common),
            readers=len(self._weights.rewards) if scored else 0,
            progress=progress,
            finished=finished,
        )
        asked = [problem for problem in read if not problem.note]
        if asked:
            with jax.set_mesh(self._mesh):
                self._search(common, asked, host, planned)
        return host.solutions()

    def plan(
        self,
        config: SearchConfig | None = None,
        *,
        problems: int = 1,
        prompt: int = 256,
        **changes: Any,
    ) -> memory.Plan:
        """What a search takes of the devices' memory; nothing is run.

        Args:
            config: the search, by default a beam.
            problems: how many there are to be solved.
            prompt: tokens of the longest prompt.
            **changes: fields of `config` to replace.

        Raises:
            ValueError: the model cannot serve the search.
        """
        config = dataclasses.replace(config or SearchConfig(), **changes)
        common = self._settle(config, programs=False)[0]
        arrange = self._arranging([common], problems, prompt)
        has = memory.available(self._models, self._ready is not None)
        return fitting.fit(self._models, common, arrange, has)[2]

    def _arranging(
        self, configs: Sequence[SearchConfig], problems: int, prompt: int
    ) -> Callable[[SearchConfig], layout.Layout]:
        """Lays out the searches of problems; see `layout.arrange`."""
        strategy = self._models.strategy(configs[0])
        early = defaults.ends_early(configs, strategy)
        return functools.partial(
            layout.arrange,
            self._models,
            problems=problems,
            prompt=prompt,
            early=early,
            limited=early or any(each.tokens for each in configs),
        )

    def _settle(
        self, config: SearchConfig, *, programs: bool
    ) -> tuple[SearchConfig, int]:
        """A configuration without open fields, and most tokens of a prompt."""
        found = self._defaults.resolve(config, programs=programs)
        return found, self._defaults.room(found, self._models.strategy(found))

    def identity(self) -> dict[str, Any]:
        """What the engine is made of, as JSON, to tell its results apart.

        Returns:
            `model`, 16 digits that stand for all weights, calibrated heads and
            reward models among them; `rewards`, for each learned verifier
            whether it is the generator's own, its weight and its share of the
            likelihood; the names of the `checkers` and the `extensions`.
        """
        return {
            "model": fingerprint(self._weights),
            "rewards": [
                [judge.config is None, *judge[1:]]
                for judge in self._models.judges
            ],
            "checkers": list(map(name_of, self._checkers)),
            "extensions": list(self._extensions),
        }

    def resolve(self, config: SearchConfig) -> SearchConfig:
        """The configuration with what it leaves to the model filled in.

        Such as temperature, tokens and verifiers; `tools` of `auto` are left,
        which go by the problems.

        Raises:
            ValueError: the model cannot serve it.
        """
        found = self._defaults.resolve(config)
        runs = found.tools == "python"
        return dataclasses.replace(
            found, tools=found.tools if runs else config.tools
        )

    def _workers_pool(self) -> Pool:
        """The processes that parse what models write."""
        if self._pool is None:
            modules = [checker.__module__ for checker in self._checkers]
            own = "jaxlrm.verify.judging"
            self._pool = Pool(
                workers=self._workers,
                modules=tuple(
                    dict.fromkeys((own, *self._extensions, *modules))
                ),
            )
        return self._pool

    def _tools(self, config: SearchConfig) -> Interpreter | None:
        if config.tools != "python":
            return None
        if self._interpreter is None:
            self._interpreter = Interpreter(
                workers=self._workers, require=self._require_sandbox
            )
        return self._interpreter

    def _search(
        self,
        config: SearchConfig,
        problems: Sequence[Problem],
        host: Host,
        planned: Callable[[memory.Plan], None] | None,
    ) -> None:
        """Runs the loop.

        Args:
            config: what the searches have in common.
            problems: those that can be searched.
            host: is asked, and told of the caches.
            planned: is told what the search takes.
        """
        arrange = self._arranging(
            [problem.config for problem in problems],
            len(problems),
            max(len(problem.prompt) for problem in problems),
        )
        has = memory.available(self._models, self._ready is not None)
        fitted, search, found = fitting.fit(self._models, config, arrange, has)
        if not found.fits:
            raise ValueError(
                fitting.refusal(self._models, config, arrange, found)
            )
        if planned:
            planned(found)
        if self._ready is None:
            self._ready = binding.prepare(self._weights)
        run.run(
            self._models,
            self._ready,
            self._compiler.get(search),
            self._text,
            search,
            fitted,
            problems,
            host,
        )


def _require_one_each(
    name: str, given: Sequence[Any], problems: Sequence[str]
) -> None:
    if len(given) != len(problems):
        raise ValueError(
            f"{name} has {len(given)} entries for {len(problems)} problems; "
            "give one for each"
        )
