"""Checkpoints in and out, and what is wrong with those that are refused."""

from __future__ import annotations

import dataclasses
import json
import math
import pathlib
import re
import struct

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
    found = unembed(config, values, hidden)[:, 0]
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
            rf"missing tensors \(1\): {QUERY}; is config.json of",
        ),
        (
            lambda x: x.update({"model.layers.2.mlp.up_proj.weight": x[QUERY]}),
            r"tensors unknown to config.json \(1\): model.layers.2.mlp.up_proj",
        ),
        (
            # As many numbers, in another order.
            lambda x: x.update({QUERY: x[QUERY].T}),
            rf"tensors of another shape than it asks for \(1\): {QUERY} "
            r"\(16, 32\), not \(32, 16\); is",
        ),
        (
            lambda x: x.update({"score.weight": x["score.weight"][0, :4]}),
            r"tensors of .+: score.weight \(4,\), not \(1, 16\)",
        ),
        (  # all that is wrong at once
            lambda x: x.update(
                {
                    "score.weight": x.pop("score.bias"),
                    "model.layers.2.mlp.up_proj.weight": x.pop(QUERY),
                }
            ),
            rf"missing tensors \(2\): {QUERY}, score.bias; tensors unknown .+ "
            r"\(1\): model.layers.2.mlp.up_proj.weight; tensors of .+ \(1\): "
            r"score.weight \(1,\), not \(1, 16\); is config.json of the same",
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


CASES = [
    json.loads(line)
    for line in (pathlib.Path(__file__).parents[1] / "cases/configs.jsonl")
    .read_text("utf-8")
    .splitlines()
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_configs(folder, case):
    """The changes of `cases/configs.jsonl`: read, or refused in one line.

    `expected` holds fields of the `ModelConfig`; `error` is part of the
    message. A change to "MISSING" leaves the field out.
    """
    path = folder / "config.json"
    data = {**json.loads(path.read_text()), **case["changes"]}
    data = {k: v for k, v in data.items() if v != "MISSING"}
    path.write_text(json.dumps(data))
    if "error" in case:
        with pytest.raises(ValueError, match=re.escape(case["error"])) as error:
            hf.load(folder)
        message = str(error.value)
        assert message.startswith(str(path)) and message.isprintable()
    else:
        config = hf.from_json(json.loads(path.read_text()))
        found = {name: getattr(config, name) for name in case["expected"]}
        assert json.loads(json.dumps(found)) == case["expected"]


@pytest.mark.parametrize(
    "field",
    [
        "vocab_size",
        "hidden_size",
        "num_hidden_layers",
        "num_attention_heads",
        "num_key_value_heads",
        "head_dim",
        "intermediate_size",
        "hidden_act",
        "rms_norm_eps",
        "rope_theta",
        "max_position_embeddings",
        "tie_word_embeddings",
        "value_head",
        "rope_scaling",
        "rope_parameters",
        "layer_types",
        "use_sliding_window",
        "attention_bias",
        "mlp_bias",
        "architectures",
        "model_type",
        "quantization_config",
        "partial_rotary_factor",
    ],
)
@pytest.mark.parametrize(
    "value",
    ["6", "", [], [1], {}, {"a": []}, 1.5, -1, 0, math.nan, math.inf, 10**400],
    ids=str,
)
def test_a_value_of_any_kind_loads_or_names_its_field(folder, field, value):
    data = json.loads((folder / "config.json").read_text())
    try:
        hf.from_json({**data, field: value})
    except ValueError as error:
        assert str(error).startswith("config.json: ")
        assert field in str(error) or field.removeprefix("num_") in str(error)


@pytest.mark.parametrize(
    "data", [[], [1], None, 5, "x", math.nan, True], ids=str
)
def test_a_config_that_is_no_object(folder, data):
    with pytest.raises(ValueError, match="config.json holds .+; it must be an"):
        hf.from_json(data)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b'{"model_type": "lla', "config.json: not JSON: Unterminated string"),
        (b"", "config.json: not JSON"),
        (b"[" * 10**5, "config.json: brackets are nested more than 64 deep"),
        (b'{"a":' * 10**5, "config.json: brackets are nested more than"),
        (b"version https://git-lfs.github.com/spec/v1\n", "pointer of git-lfs"),
        (b'{"vocab_size": 1, "vocab_size": 2}', "'vocab_size' is there twice"),
        (b"\xff\xfe{\x00}\x00", "config.json is UTF-16"),
    ],
)
def test_a_config_that_is_no_json(folder, text, message):
    (folder / "config.json").write_bytes(text)
    with pytest.raises(ValueError, match=message):
        hf.load(folder)


def test_a_byte_order_mark_is_read(folder):
    path = folder / "config.json"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert hf.load(folder)[0] == noisy()[0]


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
    message = rf"{SHARDS[0]}: tensors that are .* \(1\): {QUERY}"
    with pytest.raises(ValueError, match=message):
        hf.load(sharded)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], r"holds \[\]; it must be an object"),
        ({}, "lacks 'weight_map'"),
        ({"weight_map": [QUERY]}, "weight_map is .* it must be an object"),
        ({"weight_map": {QUERY: 1}}, f"{QUERY} is 1; it must be text"),
        ({"weight_map": {QUERY: ""}}, "it must be a file beside the index"),
        ({"weight_map": {QUERY: ".."}}, "it must be a file beside|is missing"),
        (
            {"weight_map": {"\x1b[2J": "../model.safetensors"}},
            r"␛\[2J is '../model.safetensors'; it must be a file beside",
        ),
    ],
)
def test_an_index_that_is_none(sharded, data, message):
    write_index(sharded, data)
    with pytest.raises(
        (ValueError, FileNotFoundError), match=f"{hf.INDEX}.*{message}|is miss"
    ):
        hf.load(sharded)


def test_an_index_that_is_deep(sharded):
    (sharded / hf.INDEX).write_text('{"weight_map":' * 10**5)
    with pytest.raises(ValueError, match=f"{hf.INDEX}: brackets are nested"):
        hf.load(sharded)


def test_shards_of_another_model(sharded):
    path = sharded / "config.json"
    data = {**json.loads(path.read_text()), "vocab_size": 3}
    path.write_text(json.dumps(data))
    with pytest.raises(
        ValueError, match=f"{hf.INDEX}: tensors of .*: model.embed_to"
    ):
        hf.load(sharded)


# --- Checkpoints as others write them ---------------------------------------


def test_buffers_of_old_files_are_computed_anew(folder):
    change_tensors(
        folder,
        lambda x: x.update(
            {
                "model.layers.0.self_attn.rotary_emb.inv_freq": np.ones(2),
                "model.rotary_emb.inv_freq": np.ones(2),
            }
        ),
    )
    assert_equal(hf.load(folder)[1], noisy()[1])


def test_tensors_without_the_prefix(folder):
    """As `AutoModel` saves them: a tied model needs no head."""

    def strip(tensors):
        for name in list(tensors):
            tensors[name.removeprefix("model.")] = tensors.pop(name)

    change_tensors(folder, strip)
    assert_equal(hf.load(folder)[1], noisy()[1])


def test_a_file_without_its_head(tmp_path):
    config, values = noisy(tie_word_embeddings=False)
    hf.save(tmp_path, config, values)
    change_tensors(tmp_path, lambda x: x.pop("lm_head.weight"))
    with pytest.raises(
        ValueError, match=r"missing tensors .1.: lm_head.weight; .*AutoM"
    ):
        hf.load(tmp_path)


def test_another_head_in_the_file_of_a_tied_model(folder):
    """It is the head, as in transformers 5."""
    head = np.full_like(noisy()[1].embedding, 0.5)
    change_tensors(folder, lambda x: x.update({"lm_head.weight": head}))
    config, values = hf.load(folder)
    assert not config.tie_word_embeddings
    np.testing.assert_array_equal(values.unembedding, head.T)


def test_a_head_of_another_shape_is_not_let_pass(folder):
    head = np.ones((3, 16), np.float32)
    change_tensors(folder, lambda x: x.update({"lm_head.weight": head}))
    with pytest.raises(
        ValueError, match=r"lm_head.weight \(3, 16\), not \(128, 16\)"
    ):
        hf.load(folder)


@pytest.mark.parametrize("dtype", ["int32", "bool", "uint8", "complex64"])
def test_weights_that_are_no_floats(folder, dtype):
    change_tensors(folder, lambda x: x.update({QUERY: x[QUERY].astype(dtype)}))
    with pytest.raises(
        ValueError, match=rf"tensor {QUERY} is of type \w+; wei"
    ):
        hf.load(folder)


def test_float64_is_read_as_float32(folder):
    change_tensors(
        folder, lambda x: x.update({QUERY: x[QUERY].astype("float64")})
    )
    assert_equal(hf.load(folder)[1], noisy()[1])


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, -1e38])
def test_weights_that_are_not_finite(folder, dtype, bad):
    def spoil(tensors):
        wide = tensors[QUERY].astype(jnp.dtype(dtype))
        wide[3, 4] = bad
        tensors[QUERY] = wide

    with np.errstate(over="ignore"):
        change_tensors(folder, spoil)
    with pytest.raises(ValueError, match=f"tensor {QUERY} holds NaN, an infin"):
        hf.load(folder)


def write_header(path, header, data=b""):
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


@pytest.mark.parametrize("dtype", ["F8_E4M3", "F8_E5M2"])
def test_weights_of_eight_bits(folder, dtype):
    header = {QUERY: {"dtype": dtype, "shape": [2], "data_offsets": [0, 2]}}
    write_header(folder / hf.WEIGHTS, header, b"ab")
    with pytest.raises(
        ValueError, match=f"{QUERY} .{dtype}. is of a quantised"
    ):
        hf.load(folder)


@pytest.mark.parametrize(
    "name",
    [
        "model.layers.0.self_attn.q_proj.qweight",
        "model.layers.0.self_attn.q_proj.weight_scale_inv",
        "model.layers.0.mlp.up_proj.weight.absmax",
        "model.layers.0.mlp.up_proj.SCB",
        "model.layers.0.mlp.up_proj.weight_packed",
    ],
)
def test_quantised_checkpoints_without_a_word_in_the_config(folder, name):
    scale = np.ones(2, np.float32)
    change_tensors(folder, lambda x: x.update({name: scale}))
    with pytest.raises(ValueError, match=f"{name} .F32. is of a quantised che"):
        hf.load(folder)


def test_a_pointer_of_git_lfs(folder):
    (folder / hf.WEIGHTS).write_text(
        "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"
    )
    with pytest.raises(ValueError, match="safetensors is a pointer of git-lfs"):
        hf.load(folder)


def test_names_of_tensors_steer_no_terminal(folder):
    evil = np.ones(2, np.float32)
    name = "evil\x1b]0;pwned\x07\u202e"
    change_tensors(folder, lambda x: x.update({name: evil}))
    with pytest.raises(ValueError, match="evil␛]0;pwned␇<U") as error:
        hf.load(folder)
    assert str(error.value).isprintable()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("pytorch_model.bin", r"pytorch_model.bin is not read; .*transformers"),
        ("pytorch_model-00001-of-00002.bin", "pytorch_model-00001-of-00002.b"),
        ("model.Q4_K_M.gguf", r"launch.convert --source=.*/model.Q4_K_M.gguf "),
        ("tf_model.h5", "from_tf=True"),
        ("adapter_config.json", "holds an adapter alone; merge it"),
    ],
)
@pytest.mark.parametrize("missing", ["model.safetensors", "config.json"])
def test_weights_in_other_forms_are_named(folder, name, message, missing):
    (folder / missing).unlink()
    (folder / name).write_bytes(b"\x80\x04.")
    message = f"{missing} is missing, and .*{message}"
    with pytest.raises(FileNotFoundError, match=message):
        hf.load(folder)


def test_configs_of_real_models_as_transformers_writes_them(tmp_path):
    """Mistral v0.3 is the Llama shape: the same logits as transformers."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    shape = transformers.MistralConfig(
        vocab_size=40,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        sliding_window=None,
    )
    model = transformers.MistralForCausalLM(shape).eval()
    model.save_pretrained(tmp_path)
    config, values = hf.load(tmp_path)
    tokens = np.random.default_rng(1).integers(0, 40, (2, 11))
    with torch.no_grad():
        wanted = model(torch.from_numpy(tokens)).logits.numpy()
    hidden, _ = jax.jit(forward, static_argnums=0)(
        config, values, tokens[:, None], jnp.arange(11), jnp.tri(11, dtype=bool)
    )
    found = unembed(config, values, hidden)[:, 0]
    np.testing.assert_allclose(found, wanted, atol=1e-4)
