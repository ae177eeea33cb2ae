"""The forward pass against `transformers`, and against itself."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxlrm import testing
from jaxlrm.models import hf, params, sharding, transformer
from jaxlrm.models.attention import row_by_row
from jaxlrm.models.products import Turned
from jaxlrm.models.segments import Context, Segment
from jaxlrm.models.transformer import unembed
from jaxlrm.train.losses import document_mask

SHAPE = {
    "vocab_size": 61,
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,  # not hidden_size / heads
    "intermediate_size": 40,
    "max_position_embeddings": 64,
    "rms_norm_eps": 1e-5,
    "rope_parameters": {"rope_type": "default", "rope_theta": 300.0},
}

forward = jax.jit(
    transformer.forward, static_argnums=0, static_argnames="attention"
)


def save_reference(folder, family: str, **changes):
    """A random model of `transformers`, saved; every parameter matters."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    shape = {k: v for k, v in {**SHAPE, **changes}.items() if v is not None}
    config = getattr(transformers, f"{family}Config")(**shape)
    torch.manual_seed(0)
    model = getattr(transformers, f"{family}ForCausalLM")(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.15 * torch.randn_like(parameter))
    model.save_pretrained(folder)
    return model


def plain_logits(config, values, tokens):
    """Logits `[R, S, V]` of whole sequences, a branch each."""
    tokens = jnp.asarray(tokens)[:, None]
    length = tokens.shape[-1]
    hidden, _ = forward(
        config, values, tokens, jnp.arange(length), jnp.tri(length, dtype=bool)
    )
    return unembed(config, values, hidden)[:, 0]


@pytest.mark.parametrize(
    ("family", "changes"),
    [
        ("Llama", {}),
        ("Llama", {"num_key_value_heads": 4, "tie_word_embeddings": True}),
        ("Llama", {"num_key_value_heads": 1, "hidden_act": "relu2"}),
        ("Qwen2", {"tie_word_embeddings": True}),
        ("Qwen2", {"head_dim": None, "num_hidden_layers": 3}),
        ("Qwen3", {}),
        ("Qwen3", {"tie_word_embeddings": True, "hidden_act": "gelu"}),
        ("Qwen3", {"hidden_act": "gelu_pytorch_tanh"}),
    ],
    ids=str,
)
def test_logits_are_those_of_transformers(tmp_path, family, changes):
    model = save_reference(tmp_path, family, **changes)
    import torch

    config, values = hf.load(tmp_path)
    assert config.rope_theta == 300.0
    assert config.tie_word_embeddings == bool(
        changes.get("tie_word_embeddings")
    )
    tokens = np.random.default_rng(0).integers(0, 61, (2, 23))
    with torch.no_grad():
        wanted = model(torch.from_numpy(tokens)).logits.numpy()
    found = plain_logits(config, values, tokens)
    assert np.abs(wanted).max() > 1
    np.testing.assert_allclose(found, wanted, atol=1e-4)


def random_model(**changes):
    learned = testing.learned(**changes)
    return learned.config, learned.params


FAMILIES = pytest.mark.parametrize(
    "changes",
    [
        {"qk_norm": True},
        {"attention_bias": True, "tie_word_embeddings": False},
    ],
    ids=["qk_norm", "attention_bias"],
)


@FAMILIES
def test_packed_documents_do_not_see_each_other(changes):
    config, values = random_model(**changes)
    rng = np.random.default_rng(1)
    first, second = rng.integers(0, 128, 9), rng.integers(0, 128, 6)
    tokens = np.concatenate([first, second])[None, None]
    positions = np.concatenate([np.arange(9), np.arange(6)])[None, None]
    documents = jnp.array([[[1] * 9 + [2] * 6]])
    hidden, _ = forward(
        config, values, tokens, positions, document_mask(documents)
    )
    packed = unembed(config, values, hidden)[0, 0]
    alone = [
        plain_logits(config, values, document[None])[0]
        for document in (first, second)
    ]
    np.testing.assert_allclose(packed, np.concatenate(alone), atol=1e-5)


@FAMILIES
def test_a_token_does_not_see_later_ones(changes):
    config, values = random_model(**changes)
    rng = np.random.default_rng(2)
    tokens = rng.integers(0, 128, (1, 12))
    other = tokens.copy()
    other[:, 7:] = rng.integers(0, 128, 5)
    one, two = (plain_logits(config, values, x) for x in (tokens, other))
    np.testing.assert_allclose(one[:, :7], two[:, :7], atol=1e-6)
    assert np.abs(one[:, 7:] - two[:, 7:]).max() > 0.1


@FAMILIES
def test_prefill_is_forward_over_whole_texts(changes):
    """The layers in a loop, and one after another."""
    config, values = random_model(**changes)
    tokens = np.random.default_rng(3).integers(0, 128, (2, 1, 9))
    expected = forward(
        config, values, tokens, jnp.arange(9), jnp.tri(9, dtype=bool)
    )
    found = jax.jit(transformer.prefill, static_argnums=0)(
        config, values, tokens
    )
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for pair in zip(*map(jax.tree.leaves, (found, expected)), strict=True):
        np.testing.assert_allclose(*pair, atol=1e-5)


def apart(values):
    return values.replace(layers=params.unstack(values.layers))


@FAMILIES
@pytest.mark.parametrize("take_apart", [apart, params.for_a_cpu])
def test_layers_apart_or_joined_are_those_of_the_stack(changes, take_apart):
    """On one device, and on meshes that split the weights."""
    config, values = random_model(**changes)
    tokens = np.random.default_rng(4).integers(0, 128, (4, 9))
    wanted = plain_logits(config, values, tokens)
    for data, model in ((1, 1), (4, 2), (2, 4)):
        mesh = sharding.make_mesh(data, model)
        with jax.set_mesh(mesh):
            placed = jax.tree.map(
                jax.device_put, values, params.shardings(config, mesh)
            )
            found = plain_logits(
                config, take_apart(placed), sharding.spread(mesh, tokens)
            )
        np.testing.assert_allclose(found, wanted, atol=1e-5)


@FAMILIES
def test_turned_weights_are_those_of_the_stack(changes):
    config, values = random_model(**changes)
    values = jax.tree.map(lambda x: x.astype(jnp.bfloat16), values)
    ready = params.for_a_cpu(values)
    assert isinstance(ready.layers[0].query, Turned)
    tokens = np.random.default_rng(4).integers(0, 128, (4, 9))
    wanted = plain_logits(config, values, tokens)
    found = plain_logits(config, ready, tokens)
    np.testing.assert_allclose(found, wanted, rtol=0.05, atol=0.05)


@FAMILIES
def test_the_twig_is_written_token_by_token_or_at_once(changes):
    """After a shared context, in slots of which some are not used."""
    config, values = random_model(**changes)
    rng = np.random.default_rng(3)
    branches, before, steps, slots = 3, 7, 4, 6
    prompt = rng.integers(0, 128, (1, 1, before))
    tokens = rng.integers(0, 128, (1, branches, steps))
    hidden, segment = forward(
        config,
        values,
        prompt,
        jnp.arange(before),
        jnp.tri(before, dtype=bool),
    )
    context = [Context(segment, jnp.ones(before, bool))]

    def blank():  # what lies in the slots does not matter
        keys = (1, branches, config.num_kv_heads, config.head_dim, slots)
        return Segment(
            tuple(jnp.full(keys, 7.0) for _ in range(config.num_layers)),
            tuple(
                jnp.full((*keys[:3], slots, config.head_dim), 7.0)
                for _ in range(config.num_layers)
            ),
        )

    together, twig = forward(
        config,
        values,
        tokens,
        before + jnp.arange(steps),
        jnp.tri(steps, slots, dtype=bool),
        context,
        blank(),
    )
    one_by_one = blank()
    states = []
    for index in range(steps):
        state, one_by_one = forward(
            config,
            values,
            tokens[..., index : index + 1],
            jnp.full((1, branches, 1), before + index),
            jnp.arange(slots) <= index,
            context,
            one_by_one,
            index,
        )
        states.append(state)
    np.testing.assert_allclose(
        together, np.concatenate(states, axis=2), atol=1e-5
    )
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5),
        twig,
        one_by_one,
    )
    for branch in range(branches):
        chain = np.concatenate([prompt[0, 0], tokens[0, branch]])
        wanted = plain_logits(config, values, chain[None])[0, before:]
        found = unembed(config, values, together[0, branch])
        np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_another_attention_takes_the_place():
    config, values = random_model()
    tokens = np.random.default_rng(4).integers(0, 128, (2, 1, 8))
    mask = jnp.tri(8, dtype=bool)
    positions = jnp.broadcast_to(jnp.arange(8), (2, 1, 8))
    full = jnp.broadcast_to(mask, (2, 1, 8, 8))
    found, _ = forward(
        config, values, tokens, positions, full, attention=row_by_row
    )
    wanted, _ = forward(config, values, tokens, positions, mask)
    np.testing.assert_allclose(found, wanted, atol=1e-5)


@pytest.mark.parametrize("vocabulary", [128, 8192])
def test_the_embedding_learns_alike_by_product_and_by_scatter(vocabulary):
    rng = np.random.default_rng(5)
    embedding = jnp.asarray(rng.normal(size=(vocabulary, 4)), jnp.float32)
    tokens = rng.integers(0, 9, (2, 1, 8))

    def gradient(embed):
        return jax.grad(lambda x: (embed(x, tokens) ** 3).sum())(embedding)

    np.testing.assert_allclose(
        gradient(transformer._embed),
        gradient(lambda x, tokens: x[tokens]),
        atol=1e-5,
    )


def test_bfloat16_stays_bfloat16():
    config, values = random_model(qk_norm=True, attention_bias=True)
    half = jax.tree.map(lambda x: jnp.asarray(x, jnp.bfloat16), values)
    tokens = np.random.default_rng(6).integers(0, 128, (1, 1, 8))
    arguments = tokens, jnp.arange(8), jnp.tri(8, dtype=bool)
    hidden, segment = forward(config, half, *arguments)
    assert {x.dtype for x in jax.tree.leaves((hidden, segment))} == {
        jnp.dtype(jnp.bfloat16)
    }
    wanted, _ = forward(config, values, *arguments)
    np.testing.assert_allclose(
        hidden.astype(jnp.float32), wanted, atol=0.1, rtol=0.1
    )


def test_the_model_axis_changes_nothing():
    """With key/value heads that it divides and with some that it does not."""
    config, values = random_model()
    tokens = np.random.default_rng(7).integers(0, 128, (4, 10))
    wanted = plain_logits(config, values, tokens)
    for data, model in ((4, 2), (2, 4)):
        mesh = sharding.make_mesh(data, model)
        with jax.set_mesh(mesh):
            placed = jax.tree.map(
                jax.device_put, values, params.shardings(config, mesh)
            )
            found = plain_logits(config, placed, sharding.spread(mesh, tokens))
        np.testing.assert_allclose(found, wanted, atol=1e-5)
