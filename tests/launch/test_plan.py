"""A plan for devices that are not there, beside what is known of them."""

from __future__ import annotations

import importlib.util
import json
import platform
import re

import pytest

from jaxlrm.config import ModelConfig
from jaxlrm.engine import lowering
from jaxlrm.models import hf_config, params
from launch import devices, shapes
from tests import fakes

# Billions, as the models' cards have them; 0.49 for one of 0.494.
PARAMETERS = {
    "Llama-3.2-1B": 1.236,
    "Llama-3.2-3B": 3.213,
    "Llama-3.1-8B": 8.030,
    "Llama-3.3-70B": 70.554,
    "Qwen2.5-0.5B": 0.494,
    "Qwen2.5-1.5B": 1.544,
    "Qwen2.5-7B": 7.616,
    "Qwen2.5-Math-1.5B": 1.544,
    "Qwen2.5-Math-7B": 7.616,
    "Qwen3-0.6B": 0.596,
    "Qwen3-1.7B": 1.721,
    "Qwen3-4B": 4.022,
    "Qwen3-8B": 8.191,
}


@pytest.mark.parametrize("name", shapes.SHAPES)
def test_shapes_have_the_parameters_that_the_models_have(name):
    config = hf_config.from_json(shapes.SHAPES[name].to_json())
    assert params.count(config) / 1e9 == pytest.approx(
        PARAMETERS[name], abs=6e-4
    )


def test_a_search_that_fits():
    result = fakes.run_launch(
        "plan",
        "--model=Llama-3.1-8B",
        "--reward=Llama-3.1-8B",
        "--device=v5e",
        "--mesh=1x8",
        "--branches=64",
        "--batch=1",
        "--price=1.2",
    )
    assert result.returncode == 0, result.stderr
    assert "Llama-3.1-8B: 8.03 billion parameters" in result.stdout
    # An eighth of 16 GB each; a reward model has a head of 4,097 parameters.
    assert "weights 2.01 GB, rewards 2.01 GB" in result.stdout
    assert re.search(r"fits as well, .*branches=[\d,]+", result.stdout)
    assert re.search(r"at most [\d,]+ tokens/s", result.stdout)
    assert re.search(r"device hours at that rate, .* at 1.2 an", result.stdout)


def test_a_search_that_does_not_fit():
    result = fakes.run_launch(
        "plan", "--model=Llama-3.1-8B", "--device=laptop:16"
    )
    assert result.returncode == 1, result.stderr
    assert "take a smaller model" in result.stdout


@pytest.mark.parametrize("name", ["v7", "laptop", "laptop:x", "v5e:3"])
def test_a_device_that_is_unknown(name):
    with pytest.raises(ValueError, match="use one of v5e, .* laptop:16"):
        devices.find(name)


def test_collectives_are_counted_with_their_bytes():
    text = """
      %a = bf16[8,4]{1,0} all-reduce(%x), channel_id=1
      %b = (f32[2]{0}, f32[16]{0}) all-gather-start(%y), dimensions={0}
      %c = f32[16]{0} all-gather-done(%b)
      %d = (bf16[8,4]{1,0}, pred[3]{0}) all-reduce(%x, %z), channel_id=2
    """
    assert lowering.collectives(text) == {
        "all-reduce": (2, 64 + 64 + 3),
        "all-gather": (1, 64),
    }


@pytest.mark.slow
def test_the_compiler_finds_what_is_planned(tmp_path):
    """All of a round, of a reward model too, on eight TPUs."""
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        pytest.skip("libtpu, the TPU compiler, is for Linux on x86-64 only")
    if importlib.util.find_spec("libtpu") is None:
        pytest.skip("libtpu is not installed (it is in the extra 'test')")
    config = ModelConfig(
        vocab_size=32768,
        hidden_size=1024,
        num_layers=2,
        num_heads=8,
        num_kv_heads=4,
        head_dim=128,
        intermediate_size=2048,
    )
    shape = json.dumps(hf_config.to_json(config))
    (tmp_path / "config.json").write_text(shape)
    result = fakes.run_launch(
        "plan",
        f"--model={tmp_path}",
        f"--reward={tmp_path}",
        "--topology=v5e:2x4",
        "--mesh=4x2",
        "--branches=64",
        "--chain_tokens=512",
        "--step_tokens=64",
    )
    assert result.returncode == 0, result.stderr
    print(result.stdout)
    found = re.search(
        r"most: arguments ([\d.]+) MB, planned ([\d.]+) MB; "
        r"temporaries ([\d.]+) MB, planned ([\d.]+) MB",
        result.stdout,
    )
    arguments, held, needed, planned = map(float, found.groups())
    assert held == pytest.approx(arguments, rel=0.1)
    assert needed <= planned
    assert re.search(r"score: .*all-reduce", result.stdout)
