"""Every architecture gives what `transformers` gives, in all ways to compute.

The numbers are in files that `tests.models.architectures` writes; where
`transformers` is installed, they are computed anew too.
"""

from __future__ import annotations

import functools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxlrm.config import SearchConfig
from jaxlrm.decode.write import Tables
from jaxlrm.engine.binding import Binding, Prompts, Sizes, Weights
from jaxlrm.limits import Limits
from jaxlrm.models import hf, params, reward, sharding, transformer
from jaxlrm.models.attention import row_by_row
from jaxlrm.models.segments import Context, each_layer
from jaxlrm.search import base, lockstep, strategies
from tests.models import architectures
from tests.models.architectures import GREEDY, MODELS, PROMPT, STEP

GOLDEN = architectures.results()
CONFIGS = json.loads(architectures.CONFIGS.read_text())
pytestmark = pytest.mark.usefixtures("compile_quickly")
BY_NAME = pytest.mark.parametrize("name", MODELS)

forward = jax.jit(
    transformer.forward, static_argnums=0, static_argnames="attention"
)
prefill = jax.jit(transformer.prefill, static_argnums=0)


@pytest.fixture(scope="module", params=MODELS)
def model(request, tmp_path_factory):
    """A name, and the model that a folder of that `config.json` holds."""
    folder = tmp_path_factory.mktemp(request.param)
    architectures.save(folder, CONFIGS[request.param])
    return request.param, *hf.load(folder)


def tokens() -> np.ndarray:
    return architectures.text()[None, None]


def assert_close(found, wanted):
    np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_logits_of_whole_texts(model):
    """With the layers in a loop, and one after another."""
    name, config, values = model
    golden = GOLDEN[name]
    hidden, segment = prefill(config, values, tokens())
    assert_close(
        transformer.unembed(config, values, hidden)[0, 0], golden.logits
    )
    size = PROMPT + STEP
    positions, mask = jnp.arange(size)[None, None], jnp.tri(size, dtype=bool)
    hidden, own = forward(config, values, tokens(), positions, mask)
    assert_close(
        transformer.unembed(config, values, hidden)[0, 0], golden.logits
    )
    jax.tree.map(assert_close, own, segment)


def test_scoring_a_step_behind_its_prompt(model):
    """Its likelihood, read at once through a segment that is shared."""
    name, config, values = model
    hidden, segment = prefill(config, values, tokens()[..., :PROMPT])
    # The slots lie the other way round: what counts is where they say they are.
    shared = each_layer(jnp.flip, segment)
    positions = jnp.arange(PROMPT)[::-1][None, None]
    step = jnp.repeat(tokens()[..., PROMPT:], 2, axis=1)
    blank = each_layer(
        lambda x, axis: jnp.zeros(
            (1, 2, *x.shape[2:axis], STEP, *x.shape[axis + 1 :])
        ),
        segment,
    )
    _, _, likelihood = jax.jit(reward.read_step, static_argnums=(0, 7))(
        config,
        values,
        step,
        jnp.ones(step.shape, bool),
        jnp.full((1, 2), PROMPT),
        [Context(shared, jnp.ones((1, 1, 1, PROMPT), bool), positions)],
        blank,
        1,
        jnp.repeat(hidden[:, :, -1], 2, axis=1),
    )
    np.testing.assert_allclose(likelihood, GOLDEN[name].likelihood, rtol=1e-5)


SEARCH = SearchConfig(
    strategy="beam",
    branches=2,
    width=1,
    step_tokens=12,
    chain_tokens=GREEDY,
    rounds=GREEDY // 12,
)


# Their rotary embeddings are those of whole texts, see above.
LIKE_ANOTHER = ("llama-linear", "llama-dynamic", "qwen2-yarn")


@pytest.mark.slow
def test_greedy_tokens(model):
    """Steps of three rounds each: through prompt, trunk, tail and twig."""
    name, config, values = model
    if name in LIKE_ANOTHER:
        pytest.skip("computed as another model is")
    stem = 96 if name == "gemma3" else 0
    strategy = strategies.build(SEARCH)
    sizes = Sizes(1, 2, PROMPT, 96, stem, chunk=4, tail=12, seen=(12,))
    bound = Binding(config, (), strategy, sizes).model()
    programs = lockstep.compile_rounds(bound, strategy)
    nothing = jnp.zeros((1, config.vocab_size), bool)
    tables = Tables.without_thinking(
        ~nothing[0], nothing[0], nothing.astype(jnp.int16), nothing
    )
    weights = Weights(values, (), tables)
    state = programs.load(
        weights,
        lockstep.initial(bound, strategy, 1),
        Prompts(tokens()[0, :, :PROMPT], jnp.array([PROMPT])),
        jax.random.key(0)[None],
        Limits(temperature=0.0, step_tokens=12).spread(1),
        jnp.ones(1, bool),
    )
    for _ in range(GREEDY // 4):
        state = programs.judge(state, base.no_reply(1, 2))
        state = programs.round(weights, state, 12)
    tree = programs.judge(state, base.no_reply(1, 2)).tree
    node, chain = int(tree.end[0].argmax()), []
    while node > 0:
        length = int(tree.length[0, node])
        chain = [*tree.tokens[0, node, :length].tolist(), *chain]
        node = int(tree.parent[0, node])
    assert chain == GOLDEN[name].greedy.tolist()


@pytest.mark.parametrize("name", ["gemma2", "olmo2", "qwen3-moe", "phi3"])
def test_joined_weights_meshes_and_training_compute_alike(name, tmp_path):
    architectures.save(tmp_path, CONFIGS[name])
    config, values = hf.load(tmp_path)
    size = PROMPT + STEP
    mask = jnp.broadcast_to(jnp.tri(size, dtype=bool), (2, 1, size, size))
    positions = jnp.broadcast_to(jnp.arange(size), (2, 1, size))
    twice = np.repeat(tokens(), 2, axis=0)
    joined = params.for_a_cpu(values)
    read = functools.partial(forward, config)
    for own, how in (
        (joined, {}),
        (values, {"attention": row_by_row}),
    ):
        hidden, _ = read(own, twice, positions, mask, **how)
        found = transformer.unembed(config, own, hidden)
        assert_close(found[0, 0], GOLDEN[name].logits)
    mesh = sharding.make_mesh(2, 2)
    with jax.set_mesh(mesh):
        placed = jax.tree.map(
            jax.device_put, values, params.shardings(config, mesh)
        )
        arrays = sharding.spread(mesh, (twice, positions, mask))
        hidden, _ = read(placed, *arrays)
        found = transformer.unembed(config, placed, hidden)
    assert_close(found[1, 0], GOLDEN[name].logits)


@BY_NAME
def test_what_is_saved_is_what_was_loaded(name, tmp_path):
    """Bit for bit, under the names of the same architecture."""
    architectures.save(tmp_path, CONFIGS[name])
    config, values = hf.load(tmp_path)
    hf.save(tmp_path / "again", config, values)
    again, found = hf.load(tmp_path / "again")
    assert again == config
    assert again.model_type == config.model_type
    jax.tree.map(np.testing.assert_array_equal, found, values)
    theirs = hf.to_tensors(config, values)
    written = architectures.weights(config)
    assert theirs.keys() == written.keys()
    for key, tensor in written.items():
        np.testing.assert_array_equal(theirs[key], tensor)


@pytest.mark.slow
@BY_NAME
def test_transformers_gives_the_same_today(name, tmp_path):
    """Also with the `config.json` that is written here."""
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    data = architectures.reference_config(name)
    config = hf.from_json(data)
    assert config == hf.from_json(CONFIGS[name])
    ours = {**hf.to_json(config), "pad_token_id": 0}
    for each, count in ((ours, 1), (data, GREEDY)):
        found = architectures.reference(each, count)
        assert_close(found.logits, GOLDEN[name].logits)
    np.testing.assert_array_equal(found.greedy, GOLDEN[name].greedy)
