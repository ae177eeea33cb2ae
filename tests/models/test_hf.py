"""Checkpoints in and out, and what is wrong with those that are refused."""

from __future__ import annotations

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from jaxlrm import testing
from jaxlrm.models import hf
from jaxlrm.models.transformer import forward, unembed

SHAPES = [
    {"value_head": True},
    {"attention_bias": True, "value_head": False},
    {"qk_norm": True, "hidden_act": "relu2", "rope_theta": 300.0},
    {"tie_word_embeddings": False, "value_head": False, "num_kv_heads": 4},
]


def noisy(seed=0, **changes):
    """A random model in which no parameter is a constant."""
    learned = testing.learned(seed, **changes)
    rng = np.random.default_rng(seed)
    values = jax.tree.map(
        lambda x: (x + 0.1 * rng.normal(size=x.shape)).astype(x.dtype),
        learned.params,
    )
    return learned.config, values


def assert_equal(first, second):
    assert jax.tree.structure(first) == jax.tree.structure(second)
    for a, b in zip(
        jax.tree.leaves(first), jax.tree.leaves(second), strict=True
    ):
        assert a.shape == b.shape and a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("changes", SHAPES, ids=str)
def test_what_is_saved_is_what_is_loaded(tmp_path, changes):
    config, values = noisy(**changes)
    hf.save(tmp_path / "model", config, values)
    found_config, found = hf.load(tmp_path / "model")
    assert found_config == config
    assert_equal(found, values)


def test_bfloat16_keeps_its_bits(tmp_path):
    config, values = noisy()
    half = jax.tree.map(
        lambda x: np.asarray(jnp.asarray(x, jnp.bfloat16)), values
    )
    hf.save(tmp_path, config, half)
    data = json.loads((tmp_path / "config.json").read_text())
    assert data["torch_dtype"] == "bfloat16"
    assert_equal(hf.load(tmp_path)[1], half)


@pytest.mark.parametrize("changes", SHAPES, ids=str)
def test_what_is_saved_loads_in_transformers(tmp_path, changes):
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    config, values = noisy(**changes)
    hf.save(tmp_path, config, values)
    model, report = transformers.AutoModelForCausalLM.from_pretrained(
        tmp_path, output_loading_info=True
    )
    head = {"score.weight", "score.bias"} if config.value_head else set()
    assert set(report["unexpected_keys"]) == head
    assert not report["missing_keys"]
    assert not report["mismatched_keys"]
    tokens = np.random.default_rng(1).integers(0, config.vocab_size, (2, 11))
    with torch.no_grad():
        wanted = model.eval()(torch.from_numpy(tokens)).logits.numpy()
    hidden, _ = jax.jit(forward, static_argnums=0)(
        config, values, tokens[:, None], jnp.arange(11), jnp.tri(11, dtype=bool)
    )
    found = unembed(values, hidden)[:, 0]
    np.testing.assert_allclose(found, wanted, atol=1e-4)


@pytest.fixture
def folder(tmp_path):
    config, values = noisy()
    hf.save(tmp_path, config, values)
    return tmp_path


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_missing_file(folder, name):
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=f"{name} is missing; a model"):
        hf.load(folder)


@pytest.mark.parametrize("keep", [0, 5, 300, -4])
def test_a_truncated_file(folder, keep):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ValueError, match="model.safetensors: .+"):
        hf.load(folder)


def change_tensors(folder, change):
    path = folder / "model.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file({k: np.ascontiguousarray(v) for k, v in tensors.items()}, path)


QUERY = "model.layers.1.self_attn.q_proj.weight"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda x: x.pop(QUERY),
            f"tensor {QUERY} is missing among 21; is config.json",
        ),
        (lambda x: x.pop("score.bias"), "tensor score.bias is missing"),
        (
            lambda x: x.update({"model.layers.2.mlp.up_proj.weight": x[QUERY]}),
            r"1 tensors are unknown to this config, such as model.layers.2.mlp",
        ),
        (
            # As many numbers, in another order.
            lambda x: x.update({QUERY: x[QUERY].T}),
            rf"tensor {QUERY} has shape \(16, 32\), .* asks for \(32, 16\)",
        ),
        (
            lambda x: x.update({"score.weight": x["score.weight"][0, :4]}),
            r"tensor score.weight has shape \(4,\), .* asks for \(1, 16\)",
        ),
    ],
)
def test_tensors_that_do_not_fit_the_config(folder, change, message):
    change_tensors(folder, change)
    with pytest.raises(ValueError, match=f"model.safetensors: {message}"):
        hf.load(folder)


def test_a_copy_of_tied_embeddings_is_let_pass(folder):
    change_tensors(
        folder,
        lambda x: x.update({"lm_head.weight": x["model.embed_tokens.weight"]}),
    )
    hf.load(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"model_type": "mamba"},
            "model_type 'mamba' is not supported; supported: llama, qwen2",
        ),
        ({"model_type": None}, "model_type None is not supported"),
        ({"vocab_size": ...}, "config.json lacks 'vocab_size'"),
        (
            {"rope_parameters": {"rope_type": "yarn", "factor": 4.0}},
            "rotary scaling .*yarn.* is not supported",
        ),
        (
            {"rope_scaling": {"type": "linear", "factor": 2.0}},
            "rotary scaling .*linear.* is not supported",
        ),
        (
            {
                "rope_parameters": {"rope_type": "default"},
                "rope_scaling": {"rope_type": "linear", "factor": 2.0},
            },
            "rotary scaling .*linear.* is not supported",
        ),
        (
            {
                "rope_parameters": {"rope_theta": 5e5},
                "rope_scaling": {"rope_type": "default"},
                "rope_theta": 1e4,
            },
            r"rope_theta \[10000.0, 500000.0\]; leave one of them out",
        ),
        ({"use_sliding_window": True}, "sliding-window attention"),
        (
            {"layer_types": ["full_attention", "sliding_attention"]},
            "sliding-window attention .'sliding_attention'. is not supported",
        ),
        ({"hidden_act": "swish7"}, "hidden_act 'swish7' is unknown; use one"),
        ({"num_key_value_heads": 3}, "num_heads 4 is not a multiple"),
    ],
)
def test_configs_of_other_models(folder, changes, message):
    path = folder / "config.json"
    data = {**json.loads(path.read_text()), **changes}
    data = {k: v for k, v in data.items() if v is not ...}
    path.write_text(json.dumps(data))
    with pytest.raises(ValueError, match=f"config.json: .*{message}"):
        hf.load(folder)


def test_a_config_that_is_no_json(folder):
    (folder / "config.json").write_text('{"model_type": "lla')
    with pytest.raises(ValueError, match="config.json: Unterminated string"):
        hf.load(folder)


def test_fields_that_old_files_leave_out():
    """As in the first Llama: no key/value heads, no head_dim, untied."""
    config = hf.from_json(
        {
            "model_type": "llama",
            "vocab_size": 50,
            "hidden_size": 32,
            "num_hidden_layers": 1,
            "num_attention_heads": 4,
            "intermediate_size": 64,
        }
    )
    assert config.num_kv_heads == 4
    assert config.head_dim == 8
    assert config.rope_theta == 10000.0
    assert not config.tie_word_embeddings
    assert not config.attention_bias


def test_the_base_of_rotary_angles_may_stand_anywhere(folder):
    data = json.loads((folder / "config.json").read_text())
    rope = {"rope_type": "default", "rope_theta": 5e5}
    del data["rope_theta"]
    for places in (
        {"rope_theta": 5e5},
        {"rope_theta": 5e5, "rope_scaling": {"type": "default"}},
        {"rope_parameters": rope, "rope_scaling": None},
        {"rope_parameters": rope, "rope_scaling": rope},
    ):
        assert hf.from_json({**data, **places}).rope_theta == 5e5


def test_a_shape_that_no_architecture_has(tmp_path):
    config, values = noisy()
    config = dataclasses.replace(config, attention_bias=True, qk_norm=True)
    with pytest.raises(ValueError, match="no architecture has attention_bias"):
        hf.save(tmp_path, config, values)


# --- Several files ----------------------------------------------------------

SHARDS = [f"model-0000{n}-of-00002.safetensors" for n in (1, 2)]


@pytest.fixture
def sharded(folder):
    """The model of `folder`, its tensors in two files and an index."""
    path = folder / hf.WEIGHTS
    tensors = load_file(path)
    path.unlink()
    places = {name: SHARDS["mlp" in name] for name in tensors}
    for shard in SHARDS:
        part = {n: x for n, x in tensors.items() if places[n] == shard}
        save_file(part, folder / shard)
    write_index(folder, {"metadata": {}, "weight_map": places})
    return folder


def write_index(folder, data):
    (folder / hf.INDEX).write_text(json.dumps(data))


def test_shards_are_what_one_file_is(sharded):
    config, values = noisy()  # that of `folder`
    found_config, found = hf.load(sharded)
    assert found_config == config
    assert_equal(found, values)
    # A whole file beside them comes first, as in transformers.
    other = noisy(seed=1)[1]
    hf.save(sharded, config, other)
    assert_equal(hf.load(sharded)[1], other)


def test_shards_of_transformers(folder, tmp_path):
    pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    config, values = noisy(value_head=False)
    hf.save(folder, config, values)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder)
    model.save_pretrained(tmp_path / "shards", max_shard_size="8KB")
    assert len(hf.weight_files(tmp_path / "shards")) > 1
    assert_equal(hf.load(tmp_path / "shards")[1], values)


def test_a_missing_shard(sharded):
    (sharded / SHARDS[1]).unlink()
    with pytest.raises(FileNotFoundError, match=f"{SHARDS[1]} is missing; a"):
        hf.load(sharded)


def test_a_truncated_shard(sharded):
    path = sharded / SHARDS[1]
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(ValueError, match=f"{SHARDS[1]}: .+"):
        hf.load(sharded)


@pytest.mark.parametrize(
    "change",
    [
        lambda places: places.pop(QUERY),
        lambda places: places.update({QUERY: SHARDS[1]}),
        lambda places: places.update({QUERY + "s": SHARDS[0]}),
    ],
)
def test_an_index_of_other_shards(sharded, change):
    places = json.loads((sharded / hf.INDEX).read_text())["weight_map"]
    change(places)
    write_index(sharded, {"weight_map": places})
    message = f"{SHARDS[0]}: 1 tensors are here or in .*, such as {QUERY}"
    with pytest.raises(ValueError, match=message):
        hf.load(sharded)


@pytest.mark.parametrize(
    "data",
    [
        [],
        {},
        {"weight_map": [QUERY]},
        {"weight_map": {QUERY: 1}},
        {"weight_map": {QUERY: ""}},
        {"weight_map": {QUERY: "../model.safetensors"}},
    ],
)
def test_an_index_that_is_none(sharded, data):
    write_index(sharded, data)
    with pytest.raises(ValueError, match=f"{hf.INDEX}: .*; it holds"):
        hf.load(sharded)


def test_shards_of_another_model(sharded):
    path = sharded / "config.json"
    data = {**json.loads(path.read_text()), "vocab_size": 3}
    path.write_text(json.dumps(data))
    with pytest.raises(ValueError, match=f"{hf.INDEX}: tensor model.embed_to"):
        hf.load(sharded)
