"""One declaration of the parameters and the folds over it."""

from __future__ import annotations

import math

import jax
import numpy as np
import pytest
from jax.sharding import PartitionSpec

from jaxlrm.config import ModelConfig
from jaxlrm.models import params, sharding

SMALL = {
    "vocab_size": 64,
    "hidden_size": 16,
    "num_layers": 3,
    "num_heads": 8,
    "num_kv_heads": 4,
    "head_dim": 4,
    "intermediate_size": 24,
}
QWEN2 = {  # Qwen2.5-0.5B: 494,032,768 parameters in its safetensors file
    "vocab_size": 151936,
    "hidden_size": 896,
    "num_layers": 24,
    "num_heads": 14,
    "num_kv_heads": 2,
    "head_dim": 64,
    "intermediate_size": 4864,
    "attention_bias": True,
}
QWEN3 = {  # Qwen3-0.6B: 751,632,384 with the copy of the tied embedding
    "vocab_size": 151936,
    "hidden_size": 1024,
    "num_layers": 28,
    "num_heads": 16,
    "num_kv_heads": 8,
    "head_dim": 128,
    "intermediate_size": 3072,
    "qk_norm": True,
}


def leaves(tree):
    """Every spec or parameter by its dotted name."""
    flat, _ = jax.tree.flatten_with_path(tree, is_leaf=params.is_spec)
    return {
        ".".join(str(key.name) for key in path): leaf for path, leaf in flat
    }


@pytest.mark.parametrize(
    ("shape", "number"), [(QWEN2, 494_032_768), (QWEN3, 596_049_920)]
)
def test_count_is_that_of_published_models(shape, number):
    config = ModelConfig(**shape)
    assert params.count(config) == number
    embedding = config.vocab_size * config.hidden_size
    assert params.count(config, embeddings=False) == number - embedding


def test_untied_embeddings_and_heads_are_counted():
    tied = ModelConfig(**SMALL)
    whole = ModelConfig(**SMALL, tie_word_embeddings=False, value_head=True)
    assert params.count(whole) - params.count(tied) == 64 * 16 + 16 + 1
    assert params.count(whole, embeddings=False) == params.count(
        tied, embeddings=False
    ) + (16 + 1)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"attention_bias": True, "value_head": True},
        {"qk_norm": True, "tie_word_embeddings": False},
    ],
    ids=str,
)
def test_init_draws_what_is_declared(changes):
    config = ModelConfig(**{**SMALL, "hidden_size": 64, **changes})
    declared = leaves(params.specs(config))
    drawn = leaves(params.init(config, jax.random.key(0)))
    assert drawn.keys() == declared.keys()
    assert sum(x.size for x in drawn.values()) == params.count(config)
    for name, spec in declared.items():
        value = np.asarray(drawn[name])
        assert value.shape == spec.shape and value.dtype == np.float32
        assert len(spec.logical_axes) == len(spec.shape)
        if spec.fan_in <= 0:
            assert (value == -spec.fan_in).all(), name
        else:
            wanted = 1 / math.sqrt(spec.fan_in)
            assert value.std() == pytest.approx(wanted, rel=0.1), name
            assert abs(value.mean()) < 0.1 * wanted, name


def test_no_two_parameters_are_drawn_alike():
    config = ModelConfig(**SMALL)
    drawn = leaves(params.init(config, jax.random.key(0)))
    firsts = [
        float(value.reshape(-1)[0])
        for value in drawn.values()
        if np.asarray(value).std()
    ]
    assert len(set(firsts)) == len(firsts) == 8


def test_the_residual_stream_keeps_its_variance():
    """Whatever the depth, the sum of all layers' outputs has that of one."""
    for depth in (2, 8):
        config = ModelConfig(**{**SMALL, "num_layers": depth})
        declared = params.specs(config).layers
        assert declared.output.fan_in == 2 * depth * 8 * 4
        assert declared.down.fan_in == 2 * depth * 24


@pytest.mark.parametrize(
    ("data", "model", "kv_axis"),
    [(4, 2, "model"), (2, 4, "model"), (1, 8, None)],
    ids=str,
)
def test_shardings(data, model, kv_axis):
    """Eight ways cannot share four key/value heads: each has all of them."""
    config = ModelConfig(
        **SMALL, attention_bias=True, qk_norm=True, tie_word_embeddings=False
    )
    mesh = sharding.make_mesh(data, model)
    found = leaves(params.shardings(config, mesh))
    declared = leaves(params.specs(config))
    assert found.keys() == declared.keys()
    axes = {name: place.spec for name, place in found.items()}
    spec = PartitionSpec
    assert axes["embedding"] == spec("model", None)
    assert axes["unembedding"] == spec(None, "model")
    assert axes["layers.query"] == spec(None, None, "model")
    assert axes["layers.query_bias"] == spec(None, "model")
    assert axes["layers.key"] == spec(None, None, kv_axis)
    assert axes["layers.value"] == spec(None, None, kv_axis)
    assert axes["layers.key_bias"] == spec(None, kv_axis)
    assert axes["layers.output"] == spec(None, "model", None)
    assert axes["layers.gate"] == spec(None, None, "model")
    assert axes["layers.down"] == spec(None, "model", None)
    for name in ("attention_norm", "mlp_norm", "query_norm", "key_norm"):
        assert axes[f"layers.{name}"] == spec(None, None)
    assert axes["final_norm"] == spec(None)
    for name, place in found.items():  # each device holds whole heads
        place.shard_shape(declared[name].shape)


def test_parameters_are_drawn_where_they_belong():
    config = ModelConfig(**SMALL, value_head=True)
    mesh = sharding.make_mesh(2, 4)
    places = params.shardings(config, mesh)
    draw = jax.jit(params.init, static_argnums=0, out_shardings=places)
    drawn = draw(config, jax.random.key(3))
    jax.tree.map(
        lambda x, place: (
            x.sharding.is_equivalent_to(place, x.ndim)
            or pytest.fail(f"{x.sharding} is not {place}")
        ),
        drawn,
        places,
    )
    query = drawn.layers.query
    assert query.addressable_shards[0].data.shape == (3, 16, 8 * 4 // 4)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6),
        drawn,
        params.init(config, jax.random.key(3)),
    )


def test_query_heads_that_the_mesh_does_not_divide_are_refused():
    config = ModelConfig(**{**SMALL, "num_heads": 6, "num_kv_heads": 2})
    mesh = sharding.make_mesh(2, 4)
    with pytest.raises(
        ValueError,
        match=r"6 query heads cannot be split over a model axis of 4; of 8 "
        r"devices these meshes \(data x model\) fit: 8x1, 4x2",
    ):
        params.shardings(config, mesh)
