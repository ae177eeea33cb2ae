"""Engines out of model folders, and folders that are refused."""

from __future__ import annotations

import json
import pathlib
import shutil

import jax
import numpy as np
import pytest
import safetensors.numpy
import tokenizers

import jaxlrm
from jaxlrm import testing
from jaxlrm.config import SearchConfig
from jaxlrm.engine import loading
from jaxlrm.models import hf, params
from jaxlrm.text import Text
from tests import fakes

pytest.importorskip("jaxlrm.families")


@pytest.fixture
def folder(tmp_path):
    return shutil.copytree(loading.find(fakes.SMALL), tmp_path / "model")


def test_a_folder_is_loaded(folder):
    with jaxlrm.load(fakes.SMALL) as shipped, jaxlrm.load(folder) as loaded:
        assert loaded.weights_hash == shipped.weights_hash
        assert (loaded.name, shipped.name) == (str(folder), fakes.SMALL)
        assert len(loaded.weights_hash) == 64


def test_a_folder_of_shards_is_loaded(folder):
    (folder / hf.WEIGHTS).rename(folder / "only.safetensors")
    names = safetensors.numpy.load_file(folder / "only.safetensors")
    index = {"weight_map": dict.fromkeys(names, "only.safetensors")}
    (folder / hf.INDEX).write_text(json.dumps(index))
    with jaxlrm.load(fakes.SMALL) as shipped, jaxlrm.load(folder) as loaded:
        assert loaded.identity() == shipped.identity()
        assert loaded.weights_hash == shipped.weights_hash


def test_an_unknown_model():
    with pytest.raises(FileNotFoundError, match="'maxi'.*mini"):
        jaxlrm.load("maxi")


def test_only_a_bare_name_is_that_of_a_shipped_model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    own = tmp_path / fakes.SMALL
    for name in (f"./{fakes.SMALL}", pathlib.Path(fakes.SMALL), "", "mini/.."):
        with pytest.raises(FileNotFoundError, match="no model"):
            loading.find(name)
    own.mkdir()
    for name in (f"./{fakes.SMALL}", pathlib.Path(fakes.SMALL), str(own)):
        assert loading.find(name).resolve() == own
    assert loading.find(".").resolve() == tmp_path
    assert loading.find(fakes.SMALL) == loading.SHIPPED / fakes.SMALL
    with pytest.raises(FileNotFoundError, match=r"mini-linear.config\.json"):
        jaxlrm.load("mini", reward=pathlib.Path(fakes.SMALL))


@pytest.mark.parametrize(
    "name",
    ["config.json", "model.safetensors", "tokenizer.json"],
)
@pytest.mark.parametrize("size", [None, 0, 0.5])
def test_a_missing_or_truncated_file(folder, name, size):
    path = folder / name
    if size is None:
        path.unlink()
    else:
        content = path.read_bytes()
        path.write_bytes(content[: int(size * len(content))])
    error = FileNotFoundError if size is None else ValueError
    with pytest.raises(error, match=str(folder)):
        jaxlrm.load(folder)


def test_weights_of_another_shape(folder):
    config = json.loads((folder / "config.json").read_text())
    config["intermediate_size"] += 1
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match="shape"):
        jaxlrm.load(folder)


@pytest.mark.parametrize("layers", [-1, 1])
def test_weights_of_another_depth(folder, layers):
    config = json.loads((folder / "config.json").read_text())
    config["num_hidden_layers"] += layers
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match="missing|unknown"):
        jaxlrm.load(folder)


def test_a_tokenizer_of_another_model(folder):
    # More tokens than the model has rows for.
    words = [f"w{i}" for i in range(500)]
    other = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    other.add_tokens(words)
    other.save(str(folder / "tokenizer.json"))
    with pytest.raises(ValueError, match="not of one model"):
        jaxlrm.load(folder)


def test_a_tokenizer_without_the_end_token(folder):
    settings = json.loads((folder / "text.json").read_text())
    (folder / "text.json").write_text(json.dumps({**settings, "end": ["<x>"]}))
    with pytest.raises(ValueError, match="lacks the end tokens"):
        jaxlrm.load(folder)


def test_a_reward_model_with_another_tokenizer():
    with pytest.raises(
        ValueError,
        match="in .*mini-linear has another.* in .*mini-xs .vocabulary",
    ):
        jaxlrm.load("mini-xs", reward="mini-linear")


def test_a_reward_model_with_another_delimiter(folder):
    settings = json.loads((folder / "text.json").read_text())
    (folder / "text.json").write_text(json.dumps({**settings, "step": ";"}))
    with pytest.raises(ValueError, match=r"\(step delimiter\)"):
        jaxlrm.load(fakes.SMALL, reward={"own": 1.0, folder: 2.0})


def test_a_reward_model_without_a_tokenizer(folder, tmp_path):
    for name in Text.FILES:
        (folder / name).unlink()
    jaxlrm.load(fakes.SMALL, reward=folder).close()
    few = testing.learned(vocab_size=64)
    hf.save(tmp_path / "few", few.config, few.params)
    with pytest.raises(ValueError, match=r"few has.*\(vocab_size 64\)"):
        jaxlrm.load(fakes.SMALL, reward=tmp_path / "few")


def test_what_is_saved_is_loaded(tmp_path):
    model = testing.learned()
    hf.save(tmp_path, model.config, model.params)
    testing.text().save(tmp_path)
    config, values = hf.load(tmp_path)
    assert config == model.config
    jax.tree.map(np.testing.assert_array_equal, values, model.params)
    assert Text.load(tmp_path).vocab_size == testing.text().vocab_size


def test_weights_in_eight_bits(folder):
    """Half the memory of bfloat16, as planned; other weights may follow."""
    problem = "Solve for t: 13*t = 65"
    search = SearchConfig(branches=8, rounds=2, verifiers="none")
    with jaxlrm.load(folder, weights="int8") as engine:
        (first,) = engine.solve([problem], search)
        assert first.tokens["generator"] > 0
        programs = engine.programs
        rounded = params.in_int8(*hf.load(folder))
        planned = engine.plan(search).weights
        held = sum(x.nbytes for x in jax.tree.leaves(rounded))
        assert held < planned < 1.1 * held + 200_000  # with tables
        engine.update(jax.tree.map(np.asarray, rounded))
        (second,) = engine.solve([problem], search)
        assert engine.programs == programs
    assert second.thoughts == first.thoughts


def test_weights_of_other_bits(folder):
    with pytest.raises(ValueError, match="weights 'int3' is unknown; use one"):
        jaxlrm.load(folder, weights="int3")


@pytest.mark.slow
def test_the_shipped_judge_fits_its_generator():
    with jaxlrm.load("mini-xs", reward="mini-prm") as engine:
        (found,) = engine.solve(
            ["Solve for t: 13*t = 65"],
            branches=8,
            rounds=4,
            chain_tokens=96,
            aggregate="product",
            verifiers="learned",
        )
    assert found.tokens["verifier"] == found.tokens["generator"] > 0
    best = max(found.thoughts, key=lambda thought: thought.score)
    assert best.text == "t = 5"


def test_a_folder_never_chooses_code_to_run(folder):
    path = folder / "text.json"
    said = json.loads(path.read_text())
    path.write_text(json.dumps({**said, "extensions": ["os.path"]}))
    with pytest.raises(ValueError, match="needs the extension 'os.path'; if"):
        jaxlrm.load(folder)
    with jaxlrm.load(folder, extensions=["os.path"]) as engine:
        assert engine.identity()["extensions"] == ["os.path"]
    path.write_text(json.dumps({**said, "extensions": ["jaxlrm.families"]}))
    with jaxlrm.load(folder) as engine:
        assert engine.identity()["extensions"] == ["jaxlrm.families"]


def test_a_gguf_file_is_converted_first():
    with pytest.raises(FileNotFoundError, match="launch.convert --source=x.g"):
        loading.find("x.gguf")
