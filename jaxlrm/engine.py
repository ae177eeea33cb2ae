"""The engine: a generator, its verifiers and a search, bound together."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import os
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxlrm import calibrate, lockstep, sharding, tasks
from jaxlrm.config import STEPWISE, ModelConfig, SearchConfig
from jaxlrm.generate import Decoding, Tables
from jaxlrm.journal import Journal
from jaxlrm.models import hf, params
from jaxlrm.models.cache import size_in_bytes
from jaxlrm.search import search, strategies
from jaxlrm.solution import ProgressCallback, Solution
from jaxlrm.text import Text
from jaxlrm.verify.workers import Pool

SHIPPED = pathlib.Path(__file__).parent / "weights"
DEFAULT = "mini"

# Operations a byte that a device keeps up with: when sharing keys pays.
_BALANCE = {"cpu": 13.0, "gpu": 300.0, "tpu": 240.0}
_CHAIN_TOKENS = 1024  # of a chain, where the context has room for it
_BUCKET = 64  # prompts, trunks and stems come in multiples: few compilations


@dataclasses.dataclass(frozen=True)
class Learned:
    """A model's shape and parameters.

    Attributes:
        config: shape.
        params: parameters, on the host or on devices.
    """

    config: ModelConfig
    params: params.Transformer


class Engine:
    """Solves problems by searching with a model and its verifiers.

    Use it in a `with` statement, or call `close`: it owns worker processes.

    Attributes:
        name: name or folder of the model.
        weights_hash: sha256 of its safetensors file, hexadecimal.
    """

    def __init__(
        self,
        generator: Learned,
        text: Text,
        *,
        reward: Learned | None = None,
        mesh: jax.sharding.Mesh | None = None,
        name: str = "",
        weights_hash: str = "",
        workers: int = 2,
    ):
        """Places the parameters on the mesh.

        Args:
            generator: the model that writes; with a value head it can judge
                its own steps.
            text: its tokenizer.
            reward: a separate reward model with a value head and the same
                tokenizer.
            mesh: devices; by default the first one alone.
            name: for reports.
            weights_hash: for reports.
            workers: processes that check steps.

        Raises:
            ValueError: the parts do not fit together.
        """
        if text.vocab_size > generator.config.vocab_size:
            raise ValueError(
                f"the tokenizer has {text.vocab_size} tokens and the model "
                f"{generator.config.vocab_size}; they are not of one model"
            )
        if reward is not None and not reward.config.value_head:
            raise ValueError(
                "the reward model has no value head (value_head=False); "
                "train one, or leave reward out"
            )
        self.name, self.weights_hash = name, weights_hash
        self._text, self._workers = text, workers
        self._mesh = mesh or sharding.make_mesh()
        self._generator = generator.config
        self._reward = reward and reward.config
        self._dtype = generator.params.embedding.dtype
        self._weights = lockstep.Weights(
            self._place(generator),
            reward and self._place(reward),
            _tables(text, generator.config.vocab_size),
        )
        self._pool: Pool | None = None
        self._programs = functools.lru_cache(maxsize=8)(self._compile)

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
        if self._pool is not None:
            self._pool.close()
            self._pool = None

    def task_of(self, problem: str) -> str | None:
        """Name of the family that phrases problems like this one."""
        reading = tasks.recognise(problem)
        return reading and reading.family.name

    def solve(
        self,
        problems: Sequence[str],
        config: SearchConfig | None = None,
        *,
        progress: ProgressCallback | None = None,
        finished: Callable[[int, Solution], None] | None = None,
        **changes: Any,
    ) -> list[Solution]:
        """Searches for the answers of all problems.

            engine.solve(["Solve 3*x = 12 for x."], strategy="beam")

        Up to `config.batch` problems are searched side by side; a problem
        that ends makes room for the next. What is found does not depend on
        the batch. A problem that cannot be read (empty, longer than the
        model's context) is not solved and says why in its note.

        Args:
            problems: texts.
            config: the search; by default a beam.
            progress: called after each round.
            finished: called with a problem's number and solution as it ends,
                in any order.
            **changes: fields of `config` to replace, such as `strategy`,
                `branches` or `seed`.

        Raises:
            TypeError: `problems` is one string, or a change has no field.
            ValueError: the model cannot serve this configuration.
        """
        if isinstance(problems, str):
            raise TypeError("problems is one string; give a list of problems")
        config = dataclasses.replace(config or SearchConfig(), **changes)
        if (
            config.verifiers in ("learned", "both")
            and self._reward is None
            and not self._generator.value_head
        ):
            raise ValueError(
                f"verifiers {config.verifiers!r} need a value head or a "
                f"reward model, and {self.name or 'this model'} has neither; "
                "use symbolic or none"
            )
        context = self._generator.max_position_embeddings
        if not config.chain_tokens:
            longest = max(min(context // 2, _CHAIN_TOKENS), 1)
            config = dataclasses.replace(
                config,
                chain_tokens=longest,
                step_tokens=min(config.step_tokens, longest),
            )
        room = context - config.chain_tokens
        if config.strategy in STEPWISE:
            room -= config.step_tokens * (1 + config.lookahead)
        if room <= 0:
            raise ValueError(
                f"chain_tokens {config.chain_tokens} leaves no room for a "
                "problem: the model has "
                f"{self._generator.max_position_embeddings} positions"
            )
        journal = Journal(
            problems,
            config,
            self._text,
            self._checker(config),
            progress=progress,
            finished=finished,
        )
        prompts = self._read(problems, room, journal)
        if prompts:
            with jax.set_mesh(self._mesh):
                self._search(config, prompts, journal)
        return journal.solutions()

    def _read(
        self, problems: Sequence[str], room: int, journal: Journal
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
            reading = tasks.recognise(problem)
            asked = reading.question if reading else problem
            tokens = self._text.encode_prompt(asked)
            if len(tokens) > room:
                journal.refuse(
                    number,
                    f"the problem has {len(tokens)} tokens and this model "
                    f"has room for {room}; shorten it",
                )
            else:
                prompts.append((number, tokens))
        return prompts

    def _checker(self, config: SearchConfig) -> Pool | None:
        if config.verifiers not in ("symbolic", "both"):
            return None
        if self._pool is None:
            self._pool = Pool(workers=self._workers)
        return self._pool

    def _compile(self, config: SearchConfig, sizes: lockstep.Sizes):
        """Strategy, first state and jitted programs of a search."""
        strategy = strategies.build(config)
        decoding = Decoding(
            strategy.step_tokens,
            0.0 if strategy.greedy else config.temperature,
            config.top_k,
            config.top_p,
        )
        model = lockstep.bind(
            self._generator,
            self._reward,
            strategy,
            decoding,
            sizes,
            learned=config.verifiers in ("learned", "both"),
            lookahead=0 if strategy.whole else config.lookahead,
            tokens=config.tokens,
            dtype=self._dtype,
        )
        blank = functools.partial(
            search.initial, model, strategy, sizes.problems
        )
        places = lockstep.placements(self._mesh, jax.eval_shape(blank))
        start = jax.jit(blank, out_shardings=places)
        return strategy, start, search.compile_rounds(model, strategy, places)

    def _search(
        self,
        config: SearchConfig,
        prompts: Sequence[tuple[int, list[int]]],
        journal: Journal,
    ) -> None:
        ways = self._mesh.shape["data"]
        slots = -(-min(config.batch, len(prompts)) // ways) * ways
        longest = max(len(tokens) for _, tokens in prompts)
        sizes = self._sizes(config, slots, _round_up(longest))
        strategy, start, programs = self._programs(
            dataclasses.replace(config, seed=0, batch=1), sizes
        )
        weights = self._weights._replace(
            tables=_only_answers(self._weights.tables)
            if strategy.whole
            else self._weights.tables
        )
        root = jax.random.key(config.seed)
        queue = [
            (tokens, jax.random.fold_in(root, _digest(journal.problem(number))))
            for number, tokens in prompts
        ]

        def stack(rows: list[list[int]]) -> lockstep.Prompts:
            tokens = np.full((slots, sizes.prompt), self._text.padding)
            for row, ids in zip(tokens, rows, strict=True):
                row[: len(ids)] = ids
            length = np.array([len(ids) for ids in rows], np.int32)
            prompts = lockstep.Prompts(tokens.astype(np.int32), length)
            return sharding.spread(self._mesh, prompts)

        numbers = [number for number, _ in prompts]
        state = start()
        journal.begin(
            strategy,
            numbers,
            cache_bytes=size_in_bytes(state.cache.generator) // slots,
            dense_bytes=self._dense_bytes(config, strategy, sizes),
            separate_reward=state.cache.reward is not None,
        )
        rounds = search.run(
            programs,
            weights,
            state,
            queue,
            stack,
            journal.verify,
            functools.partial(_make_room, strategy, config),
        )
        for _, state in rounds:
            owner = state.cache.generator.owner
            journal.measure(
                np.asarray((owner >= 0).sum(1)),
                size_in_bytes(state.cache.generator) // slots,
            )

    def _sizes(
        self, config: SearchConfig, slots: int, prompt: int
    ) -> lockstep.Sizes:
        if config.strategy not in STEPWISE:
            return lockstep.Sizes(slots, prompt, trunk=0, stem=0)
        beams = strategies.build(config).groups
        stem = _round_up(min(config.chain_tokens, 128))
        trunk = _round_up(
            beams * min(config.chain_tokens, 4 * config.step_tokens)
        )
        gather = lockstep.prefers_stem(
            self._generator,
            branches=config.branches,
            groups=beams,
            trunk=trunk,
            stem=stem,
            balance=_BALANCE.get(jax.default_backend(), 240.0),
        )
        return lockstep.Sizes(slots, prompt, trunk, stem if gather else 0)

    def _dense_bytes(self, config, strategy, sizes: lockstep.Sizes) -> int:
        """Bytes of a cache of its own, prompt and chain, in every branch."""
        shape = self._generator
        slots = sizes.prompt + config.chain_tokens
        per_slot = 2 * shape.num_layers * shape.num_kv_heads * shape.head_dim
        return strategy.branches * slots * per_slot * self._dtype.itemsize


def load(
    name: str | os.PathLike = DEFAULT,
    *,
    reward: str | os.PathLike | None = None,
    mesh: jax.sharding.Mesh | None = None,
) -> Engine:
    """An engine with the model called `name`, or in that folder.

    Args:
        name: a shipped model, or a folder with config.json,
            model.safetensors, tokenizer.json and text.json.
        reward: the same for a separate reward model.
        mesh: devices; by default the first one alone.

    Raises:
        FileNotFoundError: no such model, or a file of it is missing.
        ValueError: a file cannot be read, or is of another model.
    """
    folder = find(name)
    generator = _read(folder)
    judge = _read(find(reward)) if reward is not None else None
    digest = hashlib.sha256((folder / "model.safetensors").read_bytes())
    return Engine(
        generator,
        Text.load(folder),
        reward=judge,
        mesh=mesh,
        name=str(name),
        weights_hash=digest.hexdigest(),
    )


def _read(folder: pathlib.Path) -> Learned:
    """A model, its scores calibrated as `calibration.json` says."""
    learned = Learned(*hf.load(folder))
    line = calibrate.read(folder)
    head = learned.params.value_head
    if head is None:
        return learned
    head = head.replace(
        kernel=head.kernel * np.float32(line.scale),
        bias=head.bias * np.float32(line.scale) + np.float32(line.bias),
    )
    values = learned.params.replace(value_head=head)
    return dataclasses.replace(learned, params=values)


def find(name: str | os.PathLike) -> pathlib.Path:
    """The folder of a model.

    Raises:
        FileNotFoundError: it is neither shipped nor a folder.
    """
    for folder in (SHIPPED / str(name), pathlib.Path(name)):
        if folder.is_dir():
            return folder
    shipped = sorted(p.name for p in SHIPPED.glob("*") if p.is_dir())
    raise FileNotFoundError(
        f"no model {str(name)!r}; give a folder or one of the shipped "
        f"models: {', '.join(shipped)}"
    )


def enable_compilation_cache() -> None:
    """Keeps compiled programs on disk, so that the next start is quick.

    For programs, not for libraries: it sets JAX's global configuration,
    unless the user has.
    """
    if jax.config.jax_compilation_cache_dir is None:
        base = os.environ.get("XDG_CACHE_HOME", "~/.cache")
        folder = pathlib.Path(base).expanduser() / "jaxlrm" / "xla"
        jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)


def _tables(text: Text, vocab_size: int) -> Tables:
    def pad(table: np.ndarray) -> jax.Array:
        return jnp.asarray(np.pad(table, (0, vocab_size - len(table))))

    delimiter = text.delimiter
    return Tables(
        known=pad(np.ones(text.vocab_size, bool)),
        ends_answer=pad(text.is_end),
        contains=pad(delimiter.contains),
        starts=pad(delimiter.starts),
        finishes=pad(delimiter.finishes),
    )


def _only_answers(tables: Tables) -> Tables:
    """Tables for steps that are whole chains: no delimiter ends them."""
    nothing = jnp.zeros_like(tables.contains)
    return tables.replace(contains=nothing, finishes=nothing)


def _make_room(
    strategy: strategies.Strategy, config: SearchConfig, state: search.State
) -> search.State:
    """Grows the trunk or the stem before the next round could fill it."""
    cache = state.cache.generator
    trunk, stem = cache.trunk.slots, cache.stem.slots if cache.stem else 0
    if not trunk:
        return state
    coming = strategy.groups * strategy.step_tokens
    used = int((cache.owner >= 0).sum(1).max())
    wanted_trunk, wanted_stem = trunk, stem
    while used + coming > wanted_trunk:
        wanted_trunk *= 2
    tree = state.tree
    longest = int((tree.end - tree.end[:, :1]).max()) + strategy.step_tokens
    while stem and min(longest, config.chain_tokens) > wanted_stem:
        wanted_stem *= 2
    if (wanted_trunk, wanted_stem) == (trunk, stem):
        return state
    memory = lockstep.grow(state.cache, trunk=wanted_trunk, stem=wanted_stem)
    return state.replace(cache=memory)


def _round_up(size: int) -> int:
    return -(-size // _BUCKET) * _BUCKET


def _digest(problem: str) -> int:
    """32 bits of the problem's text, for the key of its root."""
    return int.from_bytes(hashlib.sha256(problem.encode()).digest()[:4])
