"""Folders that are converted: whole or not there, and equal to their source."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from jaxlrm import testing
from jaxlrm.models import convert, hf, streams
from jaxlrm.text import Text
from tests import gguf_files

ROOT = pathlib.Path(__file__).parents[2]
WEIGHTS = "model.safetensors"


@pytest.fixture
def model(tmp_path):
    learned = testing.learned()
    hf.save(tmp_path / "model", learned.config, learned.params)
    testing.text().save(tmp_path / "model")
    return tmp_path / "model"


@pytest.mark.parametrize("kind", ["F32", "F16", "BF16", "Q8_0", "Q4_0"])
def test_a_gguf_file_becomes_a_folder(tmp_path, kind):
    path = gguf_files.tiny(tmp_path / "x.gguf", kind)
    output = tmp_path / "new" / "folder"
    done = []
    found = convert.convert(
        str(path), output, report=lambda *args: done.append(args)
    )
    dtype = {"F32": "float32", "F16": "float16"}.get(kind, "bfloat16")
    assert found.dtype == dtype and found.tensors == 20
    config, values = hf.load(output)
    assert values.embedding.dtype == dtype
    assert config.head_dim == 8 and config.rms_norm_eps == 1e-5
    text = Text.load(output)
    assert text.context == 128 and text.template is not None
    assert [text.pieces[i] for i in text.encode("hello")] == [b"hello"]
    assert text.end == (text._tokenizer.token_to_id(gguf_files.END),)
    assert sorted(p.name for p in output.iterdir()) == [
        "config.json",
        "generation_config.json",
        WEIGHTS,
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    assert json.loads((output / "config.json").read_text())["eos_token_id"]
    assert done[0][0] == 0 and done[-1][0] == done[-1][1] == found.bytes
    mask = os.umask(0)
    os.umask(mask)
    assert output.stat().st_mode & 0o777 == 0o777 & ~mask


def test_another_dtype(tmp_path):
    path = gguf_files.tiny(tmp_path / "x.gguf", "Q8_0")
    for dtype in streams.DTYPES:
        found = convert.convert(str(path), tmp_path / dtype, dtype=dtype)
        assert found.dtype == dtype
    whole = load_file(tmp_path / "float32" / WEIGHTS)
    for dtype in streams.DTYPES:
        for name, value in load_file(tmp_path / dtype / WEIGHTS).items():
            np.testing.assert_array_equal(
                value, whole[name].astype(value.dtype)
            )


def test_a_folder_comes_back_bit_for_bit(model, tmp_path):
    (model / "calibration.json").write_text("{}")
    (model / "pytorch_model.bin").write_text("left behind")
    convert.convert(str(model), tmp_path / "again")
    before, after = (
        load_file(folder / WEIGHTS) for folder in (model, tmp_path / "again")
    )
    assert before.keys() == after.keys()
    for name, value in before.items():
        assert value.dtype == after[name].dtype
        np.testing.assert_array_equal(value, after[name])
    names = {path.name for path in model.iterdir()} - {"pytorch_model.bin"}
    assert {p.name for p in (tmp_path / "again").iterdir()} == names
    for name in names - {WEIGHTS, "config.json"}:
        again = tmp_path / "again" / name
        assert again.read_bytes() == (model / name).read_bytes()
    assert hf.load(model)[0] == hf.load(tmp_path / "again")[0]


def test_what_was_trained_here_loads_in_transformers(model, tmp_path):
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    convert.convert(str(model), tmp_path / "out", dtype="bfloat16")
    load = transformers.AutoModelForCausalLM.from_pretrained
    found = load(tmp_path / "out", dtype="auto").state_dict()
    wanted = load(model).state_dict()
    for name, value in wanted.items():
        assert torch.equal(found[name], value.to(torch.bfloat16)), name


def sharded(folder: pathlib.Path) -> pathlib.Path:
    """Two shards and their index."""
    tensors = load_file(folder / WEIGHTS)
    (folder / WEIGHTS).unlink()
    places = {}
    for shard, names in enumerate(np.array_split(sorted(tensors), 2)):
        file = f"model-{shard}.safetensors"
        save_file({name: tensors[name] for name in names}, folder / file)
        places |= {str(name): file for name in names}
    index = {"metadata": {}, "weight_map": places}
    (folder / hf.INDEX).write_text(json.dumps(index))
    return folder


def test_shards_become_one_file(model, tmp_path):
    before = load_file(model / WEIGHTS)
    convert.convert(str(sharded(model)), tmp_path / "again")
    after = load_file(tmp_path / "again" / WEIGHTS)
    assert before.keys() == after.keys()
    assert not (tmp_path / "again" / hf.INDEX).exists()


def test_a_folder_that_is_refused(model, tmp_path):
    def refused(error, message):
        with pytest.raises(error, match=message):
            convert.convert(str(model), tmp_path / "output")
        assert not (tmp_path / "output").exists()
        assert not list(tmp_path.glob(".*"))

    shard = sharded(model) / "model-1.safetensors"
    whole = shard.read_bytes()
    shard.write_bytes(whole[:-1])
    refused(ValueError, r"model-1.safetensors has .* bytes, and its header")
    shard.write_bytes(whole[:9])
    refused(ValueError, "is it a whole safetensors file?")
    shard.write_bytes(whole[:8] + b"x" + whole[9:])
    refused(ValueError, "not JSON")
    shard.write_bytes(whole.replace(b'"F32"', b'"I32"', 1))
    refused(ValueError, "is of type I32; weights are of type F64, F32")
    tensors = load_file(model / "model-0.safetensors")
    save_file(tensors, shard)
    refused(ValueError, "that are here or in model.safetensors.index.json")
    shard.unlink()
    refused(FileNotFoundError, "model-1.safetensors is missing")
    (model / hf.INDEX).unlink()
    refused(FileNotFoundError, "model.safetensors is missing; a model folder")
    config = json.loads((model / "config.json").read_text())
    config["model_type"] = "rwkv"
    (model / "config.json").write_text(json.dumps(config))
    save_file(tensors, model / WEIGHTS)
    refused(ValueError, "model_type 'rwkv' is not supported; supported: llama")


def test_numbers_that_are_refused(model, tmp_path):
    tensors = load_file(model / WEIGHTS)
    name = "model.norm.weight"
    tensors[name] = tensors[name] * np.float32(1e6) + 70_000
    save_file(tensors, model / WEIGHTS)
    with pytest.raises(ValueError, match=f"{name} holds numbers above 65,504"):
        convert.convert(str(model), tmp_path / "x", dtype="float16")
    tensors[name] = tensors[name] * np.nan
    save_file(tensors, model / WEIGHTS)
    with pytest.raises(ValueError, match=f"{name} holds NaN, an infinity"):
        convert.convert(str(model), tmp_path / "x")


def test_an_output_that_is_there(model, tmp_path):
    (tmp_path / "empty").mkdir()
    convert.convert(str(model), tmp_path / "empty")
    for output in (tmp_path / "empty", model / "config.json"):
        with pytest.raises(ValueError, match="is there and not an empty fold"):
            convert.convert(str(model), output)


def test_a_source_that_is_not_there(tmp_path):
    for source in ("", "no such", str(tmp_path / "x.gguf")):
        with pytest.raises(FileNotFoundError, match="no source '"):
            convert.convert(source, tmp_path / "output")


def test_a_full_disk_is_seen_first(model, tmp_path, monkeypatch):
    usage = type("Usage", (), {"free": 10})
    monkeypatch.setattr(convert.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(ValueError, match="the weights need .* GB, and the dis"):
        convert.convert(str(model), tmp_path / "output")


def test_what_is_interrupted_leaves_nothing(model, tmp_path):
    def interrupt(done, total, name):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convert.convert(str(model), tmp_path / "output", report=interrupt)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


KILLED = """
import os, sys
from jaxlrm.models import convert
convert.convert(sys.argv[1], sys.argv[2], report=lambda *_: os._exit(9))
"""
MEASURED = """
import resource, sys
from jaxlrm.models import convert
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
found = convert.convert(sys.argv[1], sys.argv[2], dtype="float32")
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(found.bytes, 1024 * (after - before), 'jax' in sys.modules)
"""


def run(script: str, *arguments) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=120
    )


def test_what_is_killed_does_not_look_whole(tmp_path):
    path = gguf_files.tiny(tmp_path / "x.gguf")
    assert run(KILLED, path, tmp_path / "output").returncode == 9
    assert not (tmp_path / "output").exists()
    for left in tmp_path.glob(".output.*.part"):
        assert not (left / "config.json").exists()


def test_memory_does_not_grow_with_the_model(tmp_path):
    """260 MB in float32, with less than half as much memory."""
    path = gguf_files.tiny(tmp_path / "x.gguf", "Q8_0", hidden=2048, layers=5)
    result = run(MEASURED, path, tmp_path / "output")
    assert result.returncode == 0, result.stderr
    size, grown, has_jax = result.stdout.split()
    assert int(size) > 260e6
    assert int(grown) < 130e6
    assert has_jax == "False"
