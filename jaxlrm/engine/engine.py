"""The engine: a generator, its verifiers and a search, bound together."""

from __future__ import annotations

import collections
import dataclasses
import functools
import hashlib
import importlib
import inspect
import math
import numbers
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxlrm import tasks
from jaxlrm.config import (
    CHECKED,
    LINE,
    PARAGRAPH,
    SCORED,
    WHOLE,
    ModelConfig,
    SearchConfig,
)
from jaxlrm.decode.write import Tables
from jaxlrm.engine import binding, plan
from jaxlrm.engine.callback import Callback
from jaxlrm.engine.inquiry import Checker, checker_name
from jaxlrm.engine.journal import Journal
from jaxlrm.engine.solution import ProgressCallback, Solution
from jaxlrm.models import params, sharding
from jaxlrm.models.cache import Cache, dense_bytes, size_in_bytes
from jaxlrm.models.fingerprint import fingerprint
from jaxlrm.search import loop, strategies
from jaxlrm.text import Text
from jaxlrm.verify import judging
from jaxlrm.verify.programs.tools import Interpreter
from jaxlrm.verify.workers import Pool

_CHAIN_TOKENS = 1024  # of a chain, where the context has room for it
_SEARCHES = 8  # whose programs are kept
_PROBLEMS = 8  # side by side, if nobody says how many
_ROWS = 64  # of them together on a CPU
_SHARING = 256  # likewise, where they share their tokens


@dataclasses.dataclass(frozen=True)
class Learned:
    """A model's shape and parameters.

    Attributes:
        config: shape.
        params: parameters, on the host or on devices.
        weight: of its logit, where it is one learned verifier of several.
        likelihood: how much of a step's log-likelihood its score has, see
            `calibrate`.
    """

    config: ModelConfig
    params: params.Transformer
    weight: float = 1.0
    likelihood: float = 0.0


@dataclasses.dataclass(frozen=True)
class Own:
    """The generator's value head as a learned verifier.

    Attributes:
        weight: of its logit.
    """

    weight: float = 1.0


class _Compiled(NamedTuple):
    """A search, compiled for its sizes.

    Attributes:
        strategy: of `plan.compiled_for`.
        start: makes its first state.
        programs: those of its rounds.
        callback: asks the host, where it is fused.
        rooms: slots of trunk and stem that it was compiled for.
    """

    strategy: strategies.Strategy
    start: Callable[[], loop.State]
    programs: loop.Programs
    callback: Callback | None
    rooms: set[tuple[int, int]]


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
        if text.vocab_size > generator.config.vocab_size:
            raise ValueError(
                f"the tokenizer has {text.vocab_size} tokens and the model "
                f"{generator.config.vocab_size}; they are not of one model"
            )
        if not rewards and generator.config.value_head:
            rewards = (Own(),)
        for judge in rewards:
            _check_weight(judge.weight)
        separate = [r for r in rewards if isinstance(r, Learned)]
        heads = [generator] if len(separate) < len(rewards) else []
        for model in heads + separate:
            if not model.config.value_head:
                what = "generator" if model is generator else "reward model"
                raise ValueError(
                    f"the {what} has no value head (value_head=False); "
                    "train one, or leave it out of the rewards"
                )
        for model in separate:
            if text.vocab_size > model.config.vocab_size:
                raise ValueError(
                    f"the tokenizer has {text.vocab_size} tokens and a reward "
                    f"model {model.config.vocab_size}; a reward model needs "
                    "the tokenizer of the generator"
                )
        for checker in checkers:
            _check_checker(checker)
        for module in extensions:
            importlib.import_module(module)
        self.name, self.weights_hash = name, weights_hash
        self._text, self._workers = text, workers
        self._mesh = mesh or sharding.make_mesh()
        self._generator = generator.config
        self._judges = tuple(
            binding.Judge(r.config, float(r.weight), r.likelihood)
            if isinstance(r, Learned)
            else binding.Judge(None, float(r.weight), generator.likelihood)
            for r in rewards
        )
        self._dtype = generator.params.embedding.dtype
        self._weights = binding.Weights(
            self._place(generator),
            tuple(map(self._place, separate)),
            _tables(text, generator.config.vocab_size),
        )
        self._checkers = tuple(checkers)
        self._extensions = tuple(extensions)
        self._require_sandbox = require_sandbox
        self._pool: Pool | None = None
        self._interpreter: Interpreter | None = None
        self._compiled: collections.OrderedDict[Any, _Compiled] = (
            collections.OrderedDict()
        )
        self._prefills: dict[tuple[ModelConfig, ...], Callable[..., Any]] = {}
        self._forgotten = 0  # programs

    def _place(self, model: Learned) -> params.Transformer:
        places = params.shardings(model.config, self._mesh)
        # One dtype, so that all of them fit into the caches.
        values = jax.tree.map(
            lambda x: x.astype(self._dtype, copy=False), model.params
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
        return bool(self._judges)

    @property
    def programs(self) -> int:
        """Programs compiled so far that go through a model's layers.

        Each takes as long to compile as the model is deep. Another temperature,
        seed or limit needs none; another size of a search or of its caches
        does, if it is in another bucket (`jaxlrm.engine.plan`).
        """
        searches = [
            found.programs.compiled for found in self._compiled.values()
        ]
        prefills = [each._cache_size() for each in self._prefills.values()]
        return self._forgotten + sum(searches) + sum(prefills)

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
        """Name of the family that phrases problems like this one."""
        reading = tasks.recognise(problem)
        return reading and reading.family.name

    def solve(
        self,
        problems: Sequence[str],
        config: SearchConfig | None = None,
        *,
        begun: Sequence[Sequence[str]] = (),
        progress: ProgressCallback | None = None,
        finished: Callable[[int, Solution], None] | None = None,
        **changes: Any,
    ) -> list[Solution]:
        """Searches for the answers of all problems.

            engine.solve(["Solve 3*x = 12 for x."], strategy="beam")

        Up to `config.batch` problems are searched side by side; a problem
        that ends makes room for the next. What is found does not depend on
        the batch, but for `adaptive`, and `tools` left at `auto`. A problem
        that cannot be read (empty, longer than the model's context, of unknown
        characters) is not solved and says why in its note.

        Args:
            problems: texts.
            config: the search; by default a beam.
            begun: of each problem, the steps that its chains begin with; none
                of any by default. They are judged with what follows, and are
                no part of the solutions.
            progress: called after each round.
            finished: called with a problem's number and solution as it ends,
                in any order.
            **changes: fields of `config` to replace, such as `strategy`,
                `branches` or `seed`.

        Raises:
            TypeError: `problems` is one string, a problem is none, or a change
                has no field or another type.
            ValueError: `begun` has another length, or the model cannot serve
                this configuration.
        """
        if isinstance(problems, str):
            raise TypeError("problems is one string; give a list of problems")
        for number, problem in enumerate(problems):
            if not isinstance(problem, str):
                raise TypeError(
                    f"problem {number} is {problem!r}; give each as a str"
                )
        begun = begun or [()] * len(problems)
        if len(begun) != len(problems):
            raise ValueError(
                f"begun has {len(begun)} entries for {len(problems)} problems; "
                "give each its steps, () for none"
            )
        config = dataclasses.replace(config or SearchConfig(), **changes)
        config = self._resolve(config, problems)
        strategy = self._strategy(config)
        context = self._context(config)
        room = context - config.chain_tokens
        if not strategy.whole:
            room -= strategy.step_tokens * config.lookahead
        if room <= 0:
            raise ValueError(
                f"chain_tokens {config.chain_tokens} leaves no room for a "
                f"problem: the models have {context} positions; set it lower, "
                "or to 0 to go by the model"
            )
        journal = Journal(
            problems,
            config,
            self._text,
            self._workers_pool(),
            checkers=self._checkers,
            tools=self._tools(config),
            begun=begun,
            progress=progress,
            finished=finished,
        )
        prompts = self._read(problems, begun, config, room, journal)
        if prompts:
            with jax.set_mesh(self._mesh):
                self._search(config, strategy, prompts, journal)
        return journal.solutions()

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
                [judge.config is None, *judge[1:]] for judge in self._judges
            ],
            "checkers": list(map(checker_name, self._checkers)),
            "extensions": list(self._extensions),
        }

    def resolve(self, config: SearchConfig) -> SearchConfig:
        """The configuration with what it leaves to the model filled in.

        Such as temperature, tokens and verifiers; `tools` of `auto` are left,
        which go by the problems.

        Raises:
            ValueError: the model cannot serve it.
        """
        found = self._resolve(config, ())
        runs = found.tools == "python"
        return dataclasses.replace(
            found, tools=found.tools if runs else config.tools
        )

    def _resolve(
        self, config: SearchConfig, problems: Sequence[str]
    ) -> SearchConfig:
        """The configuration with what it leaves open filled in.

        Raises:
            ValueError: the model cannot serve it.
        """
        if config.verifiers == "auto":
            both = "both" if self.scores else "symbolic"
            config = dataclasses.replace(config, verifiers=both)
        if config.verifiers in SCORED and not self.scores:
            raise ValueError(
                f"verifiers {config.verifiers!r} need a value head or a "
                f"reward model, and {self.name or 'this model'} has neither; "
                "set verifiers=auto, verifiers=symbolic or verifiers=none, or "
                "name a reward model"
            )
        if config.tools == "auto" and config.prompt == "tir":
            config = dataclasses.replace(config, tools="python")
        if config.tools == "auto":
            programs = "programs" in self._text.tasks and any(
                self.task_of(problem) == "programs" for problem in problems
            )
            tools = "python" if programs else "none"
            config = dataclasses.replace(config, tools=tools)
        if config.tools == "python" and config.lookahead:
            raise ValueError(
                f"lookahead is {config.lookahead} and tools 'python': the "
                "model would make up what a program prints; set lookahead=0 "
                "or tools=none"
            )
        ways = self._mesh.shape["data"]
        if config.adaptive and config.execution == "fused" and ways > 1:
            raise ValueError(
                f"adaptive is True and a fused search is shared by {ways} "
                "devices, which would take of the tokens left in no order; "
                "use execution stepped"
            )
        if config.think_tokens and self._text.thinking is None:
            raise ValueError(
                f"think_tokens is {config.think_tokens}, and the tokenizer "
                "has no token </think> to end thinking with; set it to 0"
            )
        longest = config.chain_tokens
        if not longest:
            context = self._context(config)
            longest = max(min(context // 2, _CHAIN_TOKENS), 1)
        lines = self._text.step.count("\n") == 1
        step = config.step_tokens or (LINE if lines else PARAGRAPH)
        output = config.output_tokens or (LINE if lines else PARAGRAPH // 2)
        return dataclasses.replace(
            config,
            chain_tokens=longest,
            step_tokens=min(step, longest),
            output_tokens=output,
            **self._sampled(config),
        )

    def _sampled(self, config: SearchConfig) -> dict[str, float]:
        """How tokens are sampled: as asked, else as the folder says."""
        said = dataclasses.asdict(self._text.sampling)
        asked = {name: getattr(config, name) for name in said}
        return {
            name: said[name] if value is None else value
            for name, value in asked.items()
        }

    def _context(self, config: SearchConfig) -> int:
        """Positions that all models have that read a chain."""
        models = [self._generator]
        if config.verifiers in SCORED:
            models += [j.config for j in self._judges if j.config is not None]
        context = min(model.max_position_embeddings for model in models)
        return min(context, self._text.context or context)

    def _read(
        self,
        problems: Sequence[str],
        begun: Sequence[Sequence[str]],
        config: SearchConfig,
        room: int,
        journal: Journal,
    ) -> list[tuple[int, list[int]]]:
        """`(number, tokens)` of the problems that can be searched."""
        prompts = []
        for number, problem in enumerate(problems):
            if not problem.strip():
                journal.refuse(number, "the problem is empty")
                continue
            try:
                problem.encode()
            except UnicodeEncodeError as error:
                journal.refuse(number, f"the problem is no text: {error}")
                continue
            if not self._text.encode(problem):
                journal.refuse(
                    number, "the tokenizer knows none of its characters"
                )
                continue
            reading = tasks.recognise(problem)
            asked = problem
            if reading and reading.family.name in self._text.tasks:
                asked = reading.question  # as the model was trained
            tokens = self._text.encode_prompt(
                asked, config.prompt, config.system, config.thinking
            )
            for step in begun[number]:
                tokens += self._text.encode(step + self._text.step)
            if len(tokens) > room:
                journal.refuse(
                    number,
                    f"the problem has {len(tokens)} tokens and this model "
                    f"has room for {room}; shorten it",
                )
            else:
                prompts.append((number, tokens))
        return prompts

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

    def _strategy(self, config: SearchConfig) -> strategies.Strategy:
        """The search; a likelihood is of a step, never of a whole chain."""
        return strategies.build(config, by_step=self._likely(config))

    def _likely(self, config: SearchConfig) -> bool:
        """Whether scores are in part likelihoods."""
        scored = config.verifiers in SCORED
        return scored and any(judge.likelihood for judge in self._judges)

    def _scores_steps(self, config: SearchConfig) -> bool:
        """Whether a strategy of whole chains wants scores of their steps."""
        scored = config.strategy in ("best_of_n", "weighted")
        return scored and (self._likely(config) or config.aggregate != "last")

    def _tools(self, config: SearchConfig) -> Interpreter | None:
        if config.tools != "python":
            return None
        if self._interpreter is None:
            self._interpreter = Interpreter(
                workers=self._workers, require=self._require_sandbox
            )
        return self._interpreter

    def _programs(
        self, config: SearchConfig, sizes: binding.Sizes, counted: bool
    ) -> _Compiled:
        """The programs of a search, compiled when they are first called.

        Args:
            config: of `plan.compiled_for`.
            sizes: of its caches at the start.
            counted: see `binding.bind`.
        """
        key = config, sizes, counted
        if key not in self._compiled:
            while len(self._compiled) >= _SEARCHES:
                _, oldest = self._compiled.popitem(last=False)
                self._forgotten += oldest.programs.compiled
            self._compiled[key] = self._compile(config, sizes, counted)
        self._compiled.move_to_end(key)
        return self._compiled[key]

    def _compile(
        self, config: SearchConfig, sizes: binding.Sizes, counted: bool
    ) -> _Compiled:
        strategy = self._strategy(config)
        judges = self._judges if config.verifiers in SCORED else ()
        model = binding.Binding(
            self._generator, judges, strategy, sizes, counted, self._dtype
        ).model()
        blank = functools.partial(
            loop.initial, model, strategy, sizes.problems
        )
        places = binding.placements(self._mesh, jax.eval_shape(blank))
        start = jax.jit(
            blank,
            out_shardings=places,
            compiler_options=loop.compile_quickly(),
        )
        fused = config.execution == "fused"
        callback = Callback(self._mesh, strategy) if fused else None
        readers = [self._generator, *(j.config for j in judges if j.config)]
        read = self._prefills.setdefault(tuple(readers), jax.jit(model.prefill))

        def prefill(weights: binding.Weights, prompts: binding.Prompts):
            # What ends a step has another size for each kind of search.
            return read(weights._replace(tables=None), prompts)

        programs = loop.compile_rounds(
            model, strategy, places, ask=callback, prefill=prefill
        )
        rooms = {(sizes.trunk, sizes.stem)}
        return _Compiled(strategy, start, programs, callback, rooms)

    def _search(
        self,
        config: SearchConfig,
        strategy: strategies.Strategy,
        prompts: Sequence[tuple[int, list[int]]],
        journal: Journal,
    ) -> None:
        ways = self._mesh.shape["data"]
        most = config.batch or plan.bucket_below(
            _batch(strategy, config.adaptive)
        )
        wanted = min(most, len(prompts))
        turns = _turns(config) if wanted >= 2 * ways else 1
        share = turns * ways
        slots = ways * min(-(-most // share), plan.bucket(-(-wanted // share)))
        shared = len(prompts) < ways and self._shares_branches(config, strategy)
        if shared:
            slots = wanted
        static = plan.compiled_for(config, strategy)
        sizes = plan.plan(
            self._generator,
            config,
            self._strategy(static),
            problems=slots,
            prompt=max(len(tokens) for _, tokens in prompts),
        )
        compiled = self._programs(static, sizes, counted=not shared)
        callback = compiled.callback
        lanes = loop.begin(
            [compiled.start() for _ in range(turns)], compiled.strategy
        )
        if callback is not None:
            callback.serve(journal.ask)
        weights = self._weights._replace(
            tables=self._tables_of(config, strategy)
        )
        root = jax.random.key(config.seed)
        queue = [
            (
                tokens,
                jax.random.fold_in(root, _digest(journal.problem(number))),
                strategy.limits,
            )
            for number, tokens in prompts
        ]

        def stack(rows: Sequence[list[int]]) -> binding.Prompts:
            tokens = np.full((len(rows), sizes.prompt), self._text.padding)
            for row, ids in zip(tokens, rows, strict=True):
                row[: len(ids)] = ids
            length = np.array([len(ids) for ids in rows], np.int32)
            prompts = binding.Prompts(tokens.astype(np.int32), length)
            return sharding.spread(self._mesh, prompts)

        caches = _caches(lanes[0].state)
        whole = sizes.prompt + config.chain_tokens
        journal.begin(
            strategy,
            [number for number, _ in prompts],
            cache_bytes=sum(map(size_in_bytes, caches)) // slots,
            dense_bytes=sum(
                dense_bytes(cache, strategy.branches, whole) for cache in caches
            ),
            readers=len(caches) - 1,
            opening="<think>" if self._opens_thinking(config) else "",
        )
        del caches  # or they would be held beside those to come
        rounds = loop.run(
            compiled.programs,
            weights,
            lanes,
            queue,
            stack,
            journal.ask,
            functools.partial(
                plan.make_room, compiled.strategy, config, compiled.rooms
            ),
            shares=1 if shared else ways,
        )
        for _, lane in rounds:
            if callback is not None and callback.failure is not None:
                raise callback.failure
            cache_bytes = sum(map(size_in_bytes, _caches(lane.state)))
            journal.measure(cache_bytes // slots)

    def _opens_thinking(self, config: SearchConfig) -> bool:
        return self._text.opens_thinking(
            config.prompt, config.system, config.thinking
        )

    def _tables_of(
        self, config: SearchConfig, strategy: strategies.Strategy
    ) -> Tables:
        """What ends a step of this search."""
        breaks = "fences" if config.tools == "python" else "steps"
        if strategy.whole:
            breaks = "none"
        elif config.strategy in WHOLE and not self._scores_steps(config):
            # Their chains are in parts for tools alone; where lines are steps,
            # a line may be a program.
            breaks = "fences" if "\n" in self._text.steps else "programs"
        tables = self._weights.tables
        if breaks != "steps":
            tables = _tables(self._text, self._generator.vocab_size, breaks)
        start = len(tables.following) * self._opens_thinking(config)
        return tables.replace(start=jnp.asarray(start, jnp.int32))

    def _shares_branches(
        self, config: SearchConfig, strategy: strategies.Strategy
    ) -> bool:
        """Whether devices share the branches of fewer problems than devices.

        Not where they would count tokens together, each ask the host, or part
        branches that read one stem.
        """
        ways = self._mesh.shape["data"]
        alone = config.execution == "stepped" and not config.tokens
        whole = strategy.groups == 1 or strategy.groups % ways == 0
        even = whole and strategy.branches % ways == 0
        return alone and even and sharding.can_share_branches(self._mesh)


def _check_weight(weight: float) -> None:
    """Refuses what `--reward` refuses, too."""
    if not isinstance(weight, numbers.Real) or not 0 < weight < math.inf:
        raise ValueError(
            f"a reward has no positive weight: {weight!r}; give it a number, "
            'as in reward={"prm": 2}'
        )


def _check_checker(checker: Checker) -> None:
    module = checker.__module__
    name = getattr(checker, "__qualname__", repr(checker))
    if module == "__main__" or not name.isidentifier():
        raise ValueError(
            f"checker {module}:{name} cannot be imported by the "
            "workers; put it at the top level of a module of its own"
        )
    try:
        signature = inspect.signature(checker)
    except ValueError:  # some builtins have none
        return
    try:
        signature.bind("", (), False)
    except TypeError as error:
        raise ValueError(
            f"checker {module}:{name} takes {signature}; it must take "
            f"(problem, steps, ended): {error}"
        ) from None


def _tables(text: Text, vocab_size: int, breaks: str = "steps") -> Tables:
    """What ends a step of a search; see `Text.automaton` for `breaks`."""

    def pad(table: np.ndarray) -> jax.Array:
        spare = vocab_size - table.shape[-1]
        return jnp.asarray(
            np.pad(table, [(0, 0)] * (table.ndim - 1) + [(0, spare)])
        )

    automaton = text.automaton(breaks)
    tables = Tables.without_thinking(
        known=pad(text.known),
        ends_answer=pad(text.is_end),
        following=pad(automaton.following),
        ends_step=pad(automaton.ends),
    )
    if text.thinking is None:
        return tables
    begin, end = text.thinking
    blank = [*text.encode("\n\n"), *text.end][0]
    return tables.replace(
        opens=tables.opens.at[begin].set(True),
        closes=tables.closes.at[end].set(True),
        enough=jnp.array([end, blank], jnp.int32),
    )


def _batch(strategy: strategies.Strategy, adaptive: bool) -> int:
    """Problems side by side where the configuration leaves it open.

    More rows than a CPU needs to be busy only wait for each other's longest
    step, and for the last problems: 1.3 times as much processor time with 128
    rows as with 64 (mini, 11 problems, 64 branches); no difference for mini-xs
    (benchmarks/batch.py).
    With `adaptive` a problem gets what others leave only while it is searched.
    """
    if jax.default_backend() != "cpu":
        return _PROBLEMS
    rows = _SHARING if adaptive else _ROWS
    return max(1, min(rows // strategy.branches, 2 * _PROBLEMS))


def _turns(config: SearchConfig) -> int:
    """How many groups of problems take turns at the device.

    With two of them the host verifies what the one has written while the
    other writes. On a CPU both would want the same cores.
    """
    asks = config.verifiers in CHECKED
    alone = config.execution == "fused" or jax.default_backend() == "cpu"
    return 2 if asks and not alone else 1


def _caches(state: loop.State) -> list[Cache]:
    """Those of all models."""
    return [state.cache.generator, *state.cache.rewards]


def _digest(problem: str) -> int:
    """32 bits of the problem's text, for the key of its root."""
    return int.from_bytes(hashlib.sha256(problem.encode()).digest()[:4])
