"""Training: a pure step, and a loop around it that can be killed.

A run is a function of its configuration: the data of a step depends on the
seed and the step alone, and checkpoints hold all other state. So a run that is
killed and started again ends with the parameters it would have had.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import functools
import importlib
import json
import pathlib
import signal
import sys
import threading
import time

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import struct
from jax.sharding import NamedSharding, PartitionSpec

from jaxlrm import files, locks
from jaxlrm.config import TrainConfig, to_json
from jaxlrm.models import attention, hf, params, sharding
from jaxlrm.models.checkpoint import Checkpoints
from jaxlrm.text import Text
from jaxlrm.train import data, losses, optimiser

_TOKENS_AT_ONCE = 2048  # on a CPU


@struct.dataclass
class State:
    """What a checkpoint holds.

    Attributes:
        step: number of steps done, `int32`.
        params: parameters.
        moments: state of the optimiser.
    """

    step: jax.Array
    params: params.Transformer
    moments: optax.OptState


def make_step(config: TrainConfig):
    """The jitted `(state, batch) -> (state, metrics)` of a run."""
    optimise = optimiser.build(config.model, config.optimiser, config.steps)
    on_cpu = jax.default_backend() == "cpu"
    attend = attention.row_by_row if on_cpu else attention.attend
    dtype = config.compute_dtype

    @functools.partial(jax.jit, donate_argnums=0)
    def step(state: State, batch: data.Batch):
        def gradient(rows: data.Batch):
            def objective(values):
                return losses.loss(
                    config.model,
                    jax.tree.map(lambda x: x.astype(dtype), values),
                    rows,
                    config.value_weight,
                    attend,
                    whole=batch,
                )

            return jax.grad(objective, has_aux=True)(state.params)

        parts = _parts(batch.tokens.shape, config.data) if on_cpu else 1
        if parts == 1:
            gradients, metrics = gradient(batch)
        else:
            gradients, metrics = _sum_over(gradient, batch, parts)
        updates, moments = optimise.update(
            gradients, state.moments, state.params
        )
        values = optax.apply_updates(state.params, updates)
        metrics["gradient_norm"] = optax.tree.norm(gradients)
        return State(state.step + 1, values, moments), metrics

    return step


def _parts(shape: tuple[int, int], devices: int) -> int:
    """Into how many parts to cut a batch, so that one stays in the caches."""
    rows, length = shape
    wanted = max(1, rows * length // _TOKENS_AT_ONCE)
    each = rows // devices
    return max(n for n in range(1, each + 1) if each % n == 0 and n <= wanted)


def _sum_over(gradient, batch: data.Batch, parts: int):
    """The sum of `gradient` of all parts of the rows, one after another."""
    cut = jax.tree.map(lambda x: x.reshape(-1, parts, *x.shape[1:]), batch)
    cut = jax.tree.map(lambda x: x.swapaxes(0, 1), cut)
    shapes = jax.eval_shape(gradient, jax.tree.map(lambda x: x[0], cut))
    nothing = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)

    def add(total, rows):
        return jax.tree.map(jnp.add, total, gradient(rows)), None

    return jax.lax.scan(add, nothing, cut)[0]


def initial_state(config: TrainConfig, mesh) -> State:
    """Parameters drawn from the seed, or read from `config.init`."""
    places = params.shardings(config.model, mesh)
    if config.init:
        values = _read_init(config)
        values = jax.tree.map(jax.device_put, values, places)
    else:
        draw = jax.jit(
            functools.partial(params.init, config.model), out_shardings=places
        )
        values = draw(jax.random.key(config.seed))
    everywhere = NamedSharding(mesh, PartitionSpec())
    optimise = optimiser.build(config.model, config.optimiser, config.steps)
    # A moment lies where its parameter does: the end of its path is the
    # parameter's path. What is left is counters.
    known = dict(jax.tree.leaves_with_path(places))

    def place(path, _):
        ends = (path[start:] for start in range(len(path)))
        return next((known[end] for end in ends if end in known), everywhere)

    shapes = jax.eval_shape(optimise.init, values)
    moments = jax.jit(
        optimise.init, out_shardings=jax.tree.map_with_path(place, shapes)
    )(values)
    step = jax.device_put(jnp.zeros((), jnp.int32), everywhere)
    return State(step, values, moments)


def _read_init(config: TrainConfig) -> params.Transformer:
    shape, values = hf.load(config.init)
    if config.model.value_head and not shape.value_head:
        size = config.model.hidden_size
        head = params.ValueHead(np.zeros(size, "f"), np.zeros((), "f"))
        values = values.replace(value_head=head)
        shape = dataclasses.replace(shape, value_head=True)
    # Positions are rotated, not learned: a model may go on with longer texts.
    longest = config.model.max_position_embeddings
    shape = dataclasses.replace(shape, max_position_embeddings=longest)
    if shape != config.model:
        raise ValueError(
            f"the model in {config.init} has another shape than config.model: "
            f"{shape} against {config.model}"
        )
    return values


def train(config: TrainConfig, folder: str | pathlib.Path) -> dict[str, float]:
    """Runs, or goes on with, a training run in `folder`.

    Writes `config.json`, `text/` (the tokenizer), `checkpoints/`,
    `metrics.jsonl` (a line every `log_every` steps) and, at the end, `model/`
    with weights, configuration and tokenizer. Without a checkpoint there is
    nothing to go on with, and what an attempt has left is written again.
    Progress goes to standard error. Ctrl-C or SIGTERM saves a checkpoint and
    stops.

    Returns:
        The last metrics.

    Raises:
        ValueError: the folder is of another run, the tokenizer has more tokens
            than the model, no document fits a row, or a file that the
            configuration names cannot be read.
        BlockingIOError: another process writes into the folder.
        ImportError: an extension that the configuration names is missing.
        OSError: such a file is missing, or the folder cannot be written.
    """
    for module in config.extensions:
        importlib.import_module(module)
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with locks.lock(folder):
        return _train(config, folder)


def _train(config: TrainConfig, folder: pathlib.Path) -> dict[str, float]:
    checkpoints = Checkpoints(folder / "checkpoints")
    begin = checkpoints.latest() or 0
    _keep_config(config, folder / "config.json", begin)
    text = _text(config, folder / "text", begin)
    mesh = sharding.make_mesh(config.data, config.model_parallel)
    stream = data.Stream(
        text,
        config.tasks,
        rows=config.rows,
        length=config.length,
        seed=config.seed,
        long=config.long,
        levels=config.levels,
        easy_steps=round(config.easy * config.steps),
        rollouts=(
            data.read_rollouts(config.rollouts, text) if config.rollouts else ()
        ),
        rollout_share=config.rollout_share,
    )
    with jax.set_mesh(mesh):
        state = initial_state(config, mesh)
        if begin:
            state = checkpoints.restore(begin, state)
            _say(f"resumed at step {begin} of {config.steps}")
        metrics = _loop(config, mesh, stream, state, begin, checkpoints, folder)
    checkpoints.close()
    return metrics


def _keep_config(config: TrainConfig, path: pathlib.Path, begin: int) -> None:
    """Writes the configuration, or checks that the checkpoint is of it."""
    resolved = json.dumps(to_json(config), indent=2) + "\n"
    if not begin or not path.exists():
        whole = path.with_suffix(".tmp")  # never half a config
        whole.write_text(resolved)
        whole.replace(path)
    elif path.read_text() != resolved:
        raise ValueError(
            f"{path} is of another run; choose another --output, or delete it "
            "to go on from its checkpoint with this config"
        )


def _text(config: TrainConfig, folder: pathlib.Path, begin: int) -> Text:
    """The run's tokenizer: kept, since its families may change meanwhile."""
    if not begin:
        data.tokenizer(config).save(folder)
    text = Text.load(folder)
    if text.vocab_size > config.model.vocab_size:
        raise ValueError(
            f"the tokenizer has {text.vocab_size} tokens and model.vocab_size "
            f"is {config.model.vocab_size}; raise it to that"
        )
    return text


def _loop(config, mesh, stream, state, begin, checkpoints, folder):
    step = make_step(config)
    log = _Log(folder / "metrics.jsonl", config, begin)
    with (
        concurrent.futures.ThreadPoolExecutor(1) as reader,
        _interrupts() as asked,
    ):
        coming = reader.submit(stream.batch, begin)
        metrics = None
        for number in range(begin + 1, config.steps + 1):
            batch = sharding.spread(mesh, coming.result())
            coming = reader.submit(stream.batch, number)
            before = metrics
            state, metrics = step(state, batch)
            jax.block_until_ready(before)  # a stop waits for all that is begun
            log.add(number, metrics)
            if number % config.checkpoint_every == 0 or asked.is_set():
                checkpoints.save(number, state)
            if asked.is_set():
                _say(f"interrupted at step {number}; run again to go on")
                raise KeyboardInterrupt
    if (checkpoints.latest() or 0) < config.steps:
        checkpoints.save(config.steps, state)
    model = folder / "model"
    hf.save(model, config.model, jax.device_get(state.params))
    stream.text.save(model)
    _say(f"done: {model}")
    return log.last


# What stops a program, and what Python does then unless told otherwise:
# Ctrl-C, and the notice that a machine is taken away.
_STOPS = {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGTERM: signal.SIG_DFL,
}


@contextlib.contextmanager
def _interrupts():
    """Ctrl-C or SIGTERM sets the event that this yields; a second one ends.

    An exception in the middle of a step would lose the state, which the step
    was given to overwrite.
    """
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    # Where others have said what a signal does, it is not for us to change.
    ours = [s for s, usual in _STOPS.items() if signal.getsignal(s) is usual]

    def restore():
        for number in ours:
            signal.signal(number, _STOPS[number])

    def ask(*_):
        restore()
        asked.set()

    for number in ours:
        signal.signal(number, ask)
    try:
        yield asked
    finally:
        restore()


class _Log:
    """Averages metrics over `log_every` steps, one JSON line each."""

    def __init__(self, path: pathlib.Path, config: TrainConfig, begin: int):
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path, self._config = path, config
        self._pending: list[dict] = []
        self._began = self._since = time.monotonic()
        self._begin = begin
        self.last: dict[str, float] = {}
        if path.exists():  # lines past the checkpoint will be written again
            lines = path.read_text().splitlines()
            kept = [s for s in lines if _step_of(s) <= begin]
            rewritten = path.with_suffix(".tmp")
            rewritten.write_text("".join(line + "\n" for line in kept))
            rewritten.replace(path)

    def add(self, step: int, metrics: dict) -> None:
        self._pending.append(metrics)
        if step % self._config.log_every and step != self._config.steps:
            return
        means = {
            name: float(np.mean([float(m[name]) for m in self._pending]))
            for name in metrics
        }
        now = time.monotonic()
        size = self._config.rows * self._config.length * len(self._pending)
        rate = size / (now - self._since)
        self.last = {"step": step, **means, "tokens_per_second": round(rate)}
        with self._path.open("a") as file:
            file.write(json.dumps(self.last) + "\n")
        done = (step - self._begin) or 1
        left = (now - self._began) / done * (self._config.steps - step)
        _say(
            f"step {step}/{self._config.steps}  loss {means['loss']:.4f}  "
            f"accuracy {means['accuracy']:.4f}  {rate:,.0f} tokens/s  "
            f"{left / 60:.0f} min left"
        )
        self._pending, self._since = [], now


def _step_of(line: str) -> int:
    """Step of a metrics line; one cut short by a kill sorts last."""
    try:
        fields = files.Fields(files.parse_json(line, "line"), "line")
        return fields.integer("step", 0)
    except (ValueError, AttributeError):  # or no object
        return sys.maxsize


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)
