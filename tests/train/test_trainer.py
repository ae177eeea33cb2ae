"""Training runs: killed, interrupted, gone on with, on several devices."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import re
import signal
import subprocess
import sys

import jax
import numpy as np
import pytest

from jaxlrm.config import OptimiserConfig, TrainConfig
from jaxlrm.models import hf, params, sharding
from jaxlrm.models.checkpoint import Checkpoints
from jaxlrm.testing import learned, model_config, text
from jaxlrm.text import Text
from jaxlrm.train import data, trainer
from tests import formulas

ROOT = pathlib.Path(__file__).parents[2]

CONFIG = TrainConfig(
    model=model_config(value_head=False),
    extensions=(formulas.__name__,),
    tasks=("sums",),
    rows=4,
    length=96,
    steps=24,
    optimiser=OptimiserConfig(warmup=2, decay=8),
    data=2,
    model_parallel=2,
    log_every=1,
    checkpoint_every=5,
)
# The same in a file, as the program takes it.
SOURCE = """
from jaxlrm.config import ModelConfig, OptimiserConfig, TrainConfig

def get_config():
    return {config}
"""
# A shell that starts the tests in the background may have SIGINT ignored. And
# steps take their time, so that a signal comes soon after the line it is for.
PROGRAM = """
import runpy, signal, time
from jaxlrm.train import data

signal.signal(signal.SIGINT, signal.default_int_handler)
draw = data.Stream.batch

def slow(stream, step):
    time.sleep(0.1)
    return draw(stream, step)

data.Stream.batch = slow
runpy.run_module("launch.train", run_name="__main__", alter_sys=True)
"""


def start(config_file, folder, *options) -> subprocess.Popen:
    return subprocess.Popen(
        [
            *(sys.executable, "-c", PROGRAM),
            *(f"--config={config_file}", f"--output={folder}", *options),
        ],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )


def run_until(process, words: str | None, number: int | None) -> str:
    """Sends the signal once a line starts with `words`; all that was said."""
    said = []
    for line in process.stderr:
        said.append(line)
        if words is not None and line.startswith(words):
            os.kill(process.pid, number)
            words = None
    assert process.wait(60) is not None
    assert words is None, "".join(said)
    return "".join(said)


@pytest.fixture(scope="module")
def config_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("config") / "tiny.py"
    path.write_text(SOURCE.format(config=repr(CONFIG)))
    return path


@pytest.fixture(scope="module")
def whole(config_file, tmp_path_factory):
    """The folder of a run that nothing disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    process = start(config_file, folder)
    said = run_until(process, None, None)
    assert process.returncode == 0, said
    return folder


@pytest.fixture(scope="module")
def disturbed(config_file, tmp_path_factory):
    """The folder of a run that was stopped again and again."""
    folder = tmp_path_factory.mktemp("disturbed")
    for words, number, code, resumed in (
        # Before its first checkpoint, and while it writes the second.
        ("step 3/", signal.SIGKILL, -9, None),
        ("step 10/", signal.SIGKILL, -9, None),
        ("step 12/", signal.SIGINT, 130, {5, 10}),
        ("step 17/", signal.SIGTERM, 130, {12, 13, 14}),
        # While it writes the last checkpoint and the model.
        ("step 24/", signal.SIGKILL, -9, {17, 18, 19}),
    ):
        process = start(config_file, folder)
        said = run_until(process, words, number)
        assert process.returncode == code, said
        at = re.findall(r"^resumed at step (\d+) of 24$", said, re.MULTILINE)
        assert len(at) == (resumed is not None), said
        assert set(map(int, at)) <= (resumed or set()), said
        if code == 130:
            assert "interrupted at step 1" in said
            assert "Traceback" not in said
    process = start(config_file, folder)
    said = run_until(process, None, None)
    assert process.returncode == 0, said
    return folder


def weights(folder) -> bytes:
    return (folder / "model" / "model.safetensors").read_bytes()


def metrics(folder) -> list[dict]:
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


@pytest.mark.slow
def test_a_run_that_was_killed_ends_with_the_same_parameters(whole, disturbed):
    assert weights(disturbed) == weights(whole)


@pytest.mark.slow
def test_a_run_that_was_killed_ends_with_the_same_state(whole, disturbed):
    mesh = sharding.make_mesh(2, 2)
    with jax.set_mesh(mesh):
        like = trainer.initial_state(CONFIG, mesh)
    first, second = (
        Checkpoints(folder / "checkpoints").restore(24, like)
        for folder in (whole, disturbed)
    )
    jax.tree.map(np.testing.assert_array_equal, first, second)
    assert int(first.step) == 24


@pytest.mark.slow
def test_every_step_has_one_line_of_metrics(whole, disturbed):
    names = ("step", "loss", "accuracy", "tokens", "gradient_norm")
    first, second = (
        [[line[name] for name in names] for line in metrics(folder)]
        for folder in (whole, disturbed)
    )
    assert first == second
    assert [step for step, *_ in first] == list(range(1, 25))


@pytest.mark.slow
def test_what_a_run_leaves_behind(whole, config_file):
    assert sorted(path.name for path in whole.iterdir()) == [
        *("checkpoints", "config.json", "metrics.jsonl", "model", "text"),
    ]
    config, values = hf.load(whole / "model")
    assert config == CONFIG.model
    assert all(np.isfinite(x).all() for x in jax.tree.leaves(values))
    said = trainer.Text.load(whole / "model")
    assert said.tasks == ("sums",)
    assert said.extensions == (formulas.__name__,)


@pytest.mark.slow
def test_another_config_in_the_same_folder_is_refused(whole, config_file):
    before = weights(whole)
    process = start(config_file, whole, "--config.steps=30")
    said = run_until(process, None, None)
    assert process.returncode == 2
    assert "config.json is of another run" in said
    assert weights(whole) == before


# --- In this process --------------------------------------------------------


def assert_placed(leaf: jax.Array, place) -> None:
    same = leaf.sharding.is_equivalent_to(place, leaf.ndim)
    assert same, f"{leaf.shape} is {leaf.sharding}, not {place}"


def steps_of(config: TrainConfig, count: int):
    """Metrics and parameters of the first steps."""
    mesh = sharding.make_mesh(config.data, config.model_parallel)
    stream = data.Stream(
        text(),
        config.tasks,
        rows=config.rows,
        length=config.length,
        seed=config.seed,
    )
    found = []
    with jax.set_mesh(mesh):
        state = trainer.initial_state(config, mesh)
        places = jax.tree.map(lambda leaf: leaf.sharding, state)
        step = trainer.make_step(config)
        for number in range(count):
            batch = sharding.spread(mesh, stream.batch(number))
            state, measured = step(state, batch)
            found.append({k: float(v) for k, v in measured.items()})
        jax.tree.map(assert_placed, state, places)  # it stays where it was
    return found, state


@pytest.mark.slow
def test_a_mesh_trains_as_one_device():
    single = dataclasses.replace(CONFIG, data=1, model_parallel=1)
    one, state_of_one = steps_of(single, 4)
    many, state_of_many = steps_of(CONFIG, 4)
    for first, second in zip(one, many, strict=True):
        assert first == pytest.approx(second, rel=1e-3)
    jax.tree.map(
        lambda first, second: np.testing.assert_allclose(
            first, second, rtol=1e-3, atol=1e-3
        ),
        state_of_one.params,
        state_of_many.params,
    )
    mesh = sharding.make_mesh(2, 2)
    jax.tree.map(
        lambda leaf, place: (
            leaf.sharding.is_equivalent_to(place, leaf.ndim)
            or pytest.fail(f"{leaf.shape} is {leaf.sharding}, not {place}")
        ),
        state_of_many.params,
        params.shardings(CONFIG.model, mesh),
    )


@pytest.mark.slow
def test_products_in_bfloat16_of_parameters_in_float32():
    single = dataclasses.replace(CONFIG, data=1, model_parallel=1)
    exact, _ = steps_of(single, 4)
    half, state = steps_of(
        dataclasses.replace(single, compute_dtype="bfloat16"), 4
    )
    for first, second in zip(exact, half, strict=True):
        assert first["loss"] == pytest.approx(second["loss"], rel=0.01)
    assert exact != half
    dtypes = {leaf.dtype for leaf in jax.tree.leaves(state.params)}
    assert dtypes == {np.dtype("float32")}


def test_one_step_is_begun_before_the_last_one_ends(tmp_path, monkeypatch):
    begun = []
    ended = set()

    class Late(float):
        def block_until_ready(self):
            ended.add(int(self))

    def step(state, batch):
        del batch
        begun.append(len(begun))
        assert set(begun[:-2]) <= ended
        return state, {"loss": Late(begun[-1]), "accuracy": 0.5}

    monkeypatch.setattr(trainer, "make_step", lambda config: step)
    config = dataclasses.replace(CONFIG, log_every=24)
    assert trainer.train(config, tmp_path)["loss"] == np.mean(begun)
    assert len(begun) == 24


def test_moments_lie_where_their_parameters_do():
    mesh = sharding.make_mesh(2, 2)
    with jax.set_mesh(mesh):
        state = trainer.initial_state(CONFIG, mesh)
    wide = [x for x in jax.tree.leaves(state.moments) if x.ndim == 3]
    assert wide
    for leaf in wide:  # Muon's momentum of the matrices
        assert not leaf.sharding.is_fully_replicated, leaf.shape


@pytest.mark.slow
def test_the_loss_falls_and_a_finished_run_stays_finished(tmp_path, capsys):
    config = dataclasses.replace(
        CONFIG,
        steps=20,
        data=1,
        model_parallel=1,
        log_every=8,
        checkpoint_every=50,
    )
    last = trainer.train(config, tmp_path)
    lines = metrics(tmp_path)
    assert [line["step"] for line in lines] == [8, 16, 20]
    assert lines[-1] == last
    assert lines[-1]["loss"] < 0.8 * lines[0]["loss"]
    assert Checkpoints(tmp_path / "checkpoints").latest() == 20
    before = weights(tmp_path)
    trainer.train(config, tmp_path)
    assert weights(tmp_path) == before
    assert metrics(tmp_path) == lines
    assert "resumed at step 20 of 20" in capsys.readouterr().err


def saved(folder, **changes):
    model = learned(5, **changes)
    hf.save(folder, model.config, model.params)
    text().save(folder)
    return model


@pytest.mark.slow
@pytest.mark.parametrize("mistake", ["tokenizer.json", "model.safetensors"])
def test_a_start_that_failed_is_corrected(tmp_path, mistake):
    """What it left would be another run's, or keep the wrong tokenizer."""
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for folder in (whole, broken):
        saved(folder, value_head=False)
    other = data.tokenizer(CONFIG)
    if mistake == "model.safetensors":
        other.save(broken)
    (broken / mistake).unlink()
    config = dataclasses.replace(
        CONFIG, init=str(broken), steps=10, data=1, model_parallel=1
    )
    output = tmp_path / "output"
    with pytest.raises(FileNotFoundError, match=mistake):
        trainer.train(config, output)
    trainer.train(dataclasses.replace(config, init=str(whole)), output)
    resolved = json.loads((output / "config.json").read_text())
    assert resolved["init"] == str(whole)
    model = Text.load(output / "model")
    assert not model.differences(text()) and model.differences(other)


def test_a_tokenizer_that_is_too_large_is_refused(tmp_path):
    config = dataclasses.replace(
        CONFIG, model=model_config(value_head=False, vocab_size=64)
    )
    with pytest.raises(ValueError, match=r"model\.vocab_size is 64; raise"):
        trainer.train(config, tmp_path)


def test_training_goes_on_from_a_model(tmp_path):
    model = saved(tmp_path, value_head=False)
    config = dataclasses.replace(CONFIG, init=str(tmp_path))
    mesh = sharding.make_mesh(2, 2)
    state = trainer.initial_state(config, mesh)
    jax.tree.map(np.testing.assert_array_equal, state.params, model.params)
    assert data.tokenizer(config).vocab_size == text().vocab_size


def test_a_value_head_is_added(tmp_path):
    model = saved(tmp_path, value_head=False)
    config = dataclasses.replace(
        CONFIG, init=str(tmp_path), model=model_config()
    )
    state = trainer.initial_state(config, sharding.make_mesh(2, 2))
    assert not state.params.value_head.kernel.any()
    np.testing.assert_array_equal(
        state.params.embedding, model.params.embedding
    )


def test_a_model_may_go_on_with_longer_texts(tmp_path):
    model = saved(tmp_path)
    longer = 2 * model_config().max_position_embeddings
    config = dataclasses.replace(
        CONFIG,
        init=str(tmp_path),
        model=model_config(max_position_embeddings=longer),
    )
    state = trainer.initial_state(config, sharding.make_mesh(2, 2))
    jax.tree.map(np.testing.assert_array_equal, state.params, model.params)


def test_a_model_of_another_shape_is_refused(tmp_path):
    saved(tmp_path, value_head=False, num_layers=1)
    config = dataclasses.replace(CONFIG, init=str(tmp_path))
    with pytest.raises(ValueError, match="another shape"):
        trainer.initial_state(config, sharding.make_mesh())
