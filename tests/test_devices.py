"""One device and eight simulated ones write the same, and share the work."""

from __future__ import annotations

import dataclasses
import functools
import random
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxlrm
from jaxlrm import extend, testing
from jaxlrm.config import SearchConfig
from jaxlrm.engine import binding
from jaxlrm.models import cache as cache_lib
from jaxlrm.models import params, sharding
from jaxlrm.search import base, lockstep, strategies
from tests import fakes

pytest.importorskip("jaxlrm.families")

pytestmark = pytest.mark.slow

MESHES = [(8, 1), (4, 2), (2, 4)]
BEAM = SearchConfig(
    strategy="beam",
    branches=16,
    width=4,
    chain_tokens=96,
    step_tokens=32,
    rounds=3,
    verifiers="learned",
)
COLLECTIVE = re.compile(
    r"= (?P<shape>.*?) (?P<name>all-reduce|all-gather|all-to-all|"
    r"collective-permute|reduce-scatter)(?:-start)?\("
)
MAJORITY = dataclasses.replace(BEAM, strategy="majority")
each_mesh = pytest.mark.parametrize(
    "mesh", MESHES, ids=lambda mesh: "x".join(map(str, mesh))
)


def problems(count: int = 8) -> list[str]:
    rng = random.Random(1)
    names = ("linear", "arithmetic")
    return [extend.get(names[i % 2]).sample(rng).text for i in range(count)]


@functools.cache
def on_one_device():
    with jaxlrm.load(fakes.SMALL) as engine:
        return {
            config: engine.solve(problems(), config)
            for config in (BEAM, MAJORITY)
        }


def assert_same(one, other) -> None:
    plain = [
        [
            dataclasses.replace(t, score=None, logp=None)
            for t in solution.thoughts
        ]
        for solution in (one, other)
    ]
    assert plain[0] == plain[1]
    scores = [[t.score for t in s.thoughts] for s in (one, other)]
    np.testing.assert_allclose(*scores, rtol=0, atol=1e-5)
    assert one.answer == other.answer
    assert one.cache == other.cache


@each_mesh
def test_a_mesh_grows_the_same_trees(mesh):
    with jaxlrm.load(fakes.SMALL, mesh=sharding.make_mesh(*mesh)) as engine:
        found = engine.solve(problems(), BEAM)
    for one, other in zip(on_one_device()[BEAM], found, strict=True):
        assert_same(one, other)


def test_a_mesh_writes_the_same_whole_chains():
    with jaxlrm.load(fakes.SMALL, mesh=sharding.make_mesh(4, 2)) as engine:
        found = engine.solve(problems(), MAJORITY)
    for one, other in zip(on_one_device()[MAJORITY], found, strict=True):
        assert_same(one, other)


@pytest.mark.parametrize(
    ("strategy", "mesh"),
    [
        *(("beam", mesh) for mesh in ((8, 1), (4, 1), (4, 2))),
        *((strategy, (8, 1)) for strategy in ("weighted", "mcts")),
    ],
)
def test_devices_share_the_branches_of_one_problem(strategy, mesh):
    """But with a shared model, where slots without a problem are idle."""
    config = SearchConfig(
        strategy=strategy,
        branches=16,
        width=2,
        chain_tokens=192,
        step_tokens=24,
        rounds=7,  # the stems grow
        verifiers="learned",
    )
    (one,) = single(config)
    with jaxlrm.load(fakes.SMALL, mesh=sharding.make_mesh(*mesh)) as engine:
        (other,) = engine.solve(problems(1), config)
    assert_same(one, other)


def test_a_beam_of_fewer_leaves_than_devices():
    """Its branches are not shared: some of one leaf would be apart."""
    config = dataclasses.replace(BEAM, branches=16, width=8)
    (one,) = single(config)
    with jaxlrm.load(fakes.SMALL, mesh=sharding.make_mesh(4, 1)) as engine:
        (other,) = engine.solve(problems(1), config)
    assert_same(one, other)


@functools.cache
def single(config: SearchConfig):
    """Of one problem on one device."""
    with jaxlrm.load(fakes.SMALL) as engine:
        return engine.solve(problems(1), config)


def test_fewer_problems_than_devices():
    """Slots without a problem are idle, and slots are refilled."""
    config = SearchConfig(
        strategy="beam",
        branches=4,
        width=2,
        chain_tokens=32,
        step_tokens=8,
        rounds=3,
        verifiers="learned",
        batch=4,
    )
    asked = problems(5)
    with testing.engine() as engine:
        expected = engine.solve(asked, config)
        single = engine.solve(asked[:1], config)
    with testing.engine(mesh=sharding.make_mesh(4, 2)) as engine:
        first = engine.solve(asked, config)
        alone = engine.solve(asked[:1], config)
    for one, other in zip(expected, first, strict=True):
        assert_same(one, other)
    assert_same(single[0], alone[0])
    # The same tree as in a batch, whose longest prompt sizes the cache.
    batched = dataclasses.replace(expected[0], cache=single[0].cache)
    assert_same(batched, alone[0])


# --- Where things lie -------------------------------------------------------


def assert_shared(name: str, leaf, mesh, axis: int, mesh_axis: str) -> None:
    """Each device holds its part of `axis`, and no more."""
    ways = mesh.shape[mesh_axis]
    part = leaf.sharding.shard_shape(leaf.shape)
    assert part[axis] * ways == leaf.shape[axis], (name, leaf.sharding)


@each_mesh
def test_parameters_lie_as_declared(mesh):
    mesh = sharding.make_mesh(*mesh)
    with jaxlrm.load(fakes.SMALL, mesh=mesh) as engine:
        placed = engine._weights.generator
        config = engine._models.generator
    declared = params.specs(config)
    heads = {"heads": config.num_heads, "kv_heads": config.num_kv_heads}

    def check(spec, leaf):
        part = leaf.sharding.shard_shape(leaf.shape)
        for axis, name in enumerate(spec.logical_axes):
            units = heads.get(name, leaf.shape[axis])
            ways = 1
            if name is not None and sharding.LOGICAL_AXES[name] == "model":
                ways = mesh.shape["model"]
            if units % ways:
                ways = 1  # replicated, such as two key/value heads over four
            assert part[axis] * ways == leaf.shape[axis], (spec, leaf.sharding)

    jax.tree.map(check, declared, placed, is_leaf=params.is_spec)


TINY = SearchConfig(
    strategy="beam", branches=4, width=2, chain_tokens=32, step_tokens=8
)


def tiny_search(mesh, *, reward: bool, problems: int = 8):
    """A small beam search on a mesh: weights, first state and programs."""
    strategy = strategies.build(TINY)
    shape = testing.model_config()
    bound = binding.Binding(
        shape,
        (binding.Judge(shape if reward else None),),
        strategy,
        binding.Sizes(
            problems,
            TINY.branches,
            prompt=16,
            trunk=64,
            stem=32,
            chunk=TINY.step_tokens,
        ),
        counted=problems % mesh.shape["data"] == 0,
    ).model()
    with testing.engine(mesh=mesh) as engine:
        weights = engine._weights
    if reward:
        weights = weights._replace(rewards=(weights.generator,))
    blank = functools.partial(lockstep.initial, bound, strategy, problems)
    places = binding.placements(mesh, jax.eval_shape(blank))
    state = jax.jit(blank, out_shardings=places)()
    return weights, state, lockstep.compile_rounds(bound, strategy, places)


def silence(problems: int = 8):
    """What a host that judges nothing says to a round of `tiny_search`."""
    return base.no_reply(problems, TINY.branches)


@functools.cache
def searched(data: int = 4, model: int = 2, problems: int = 8):
    """The state after two rounds on a mesh."""
    mesh = sharding.make_mesh(data, model)
    weights, state, programs = tiny_search(mesh, reward=True, problems=problems)
    prompts = binding.Prompts(
        np.tile(np.arange(3, 19, dtype=np.int32), (problems, 1)),
        np.arange(9, 9 + problems, dtype=np.int32),
    )
    with jax.set_mesh(mesh):
        prompts = sharding.spread(mesh, prompts)
        keys = jax.random.split(jax.random.key(0), problems)
        mask = np.ones(problems, bool)
        limits = strategies.build(TINY).limits.spread(problems)
        state = programs.load(weights, state, prompts, keys, limits, mask)
        for _ in range(2):
            reply = silence(problems)
            state = programs.round(weights, programs.judge(state, reply))
    return mesh, state


def test_the_state_stays_shared():
    """Problems over `data`, key/value heads over `model`, round by round."""
    mesh, state = searched()
    names = []
    for path, leaf in jax.tree.leaves_with_path(state):
        name = jax.tree_util.keystr(path)
        names.append(name)
        if leaf.ndim:  # one number is not shared
            assert_shared(name, leaf, mesh, 0, "data")
        if ".keys" in name or ".values" in name:
            assert_shared(name, leaf, mesh, 2, "model")
    # Every segment of both caches was looked at.
    for cache in ("generator", "rewards[0]"):
        for segment in ("prompt", "trunk", "stem", "twig"):
            keys = [n for n in names if f".{cache}.{segment}.keys" in n]
            assert len(keys) == testing.model_config().num_layers


def test_branches_of_one_problem_are_shared():
    """Two devices have half of the stems and twigs each, and all the rest."""
    mesh, state = searched(2, 1, problems=1)
    shared = []
    for path, leaf in jax.tree.leaves_with_path(state.cache):
        name = jax.tree_util.keystr(path)
        if re.search(r"\.(stem|twig)\.(keys|values)", name):
            assert_shared(name, leaf, mesh, 1, "data")
            shared.append(name)
        else:
            assert leaf.sharding.shard_shape(leaf.shape) == leaf.shape, name
    assert len(shared) == 2 * 4 * testing.model_config().num_layers


def test_devices_do_not_wait_for_each_other_in_a_loop():
    """They may exchange what they wrote, once a round."""
    mesh = sharding.make_mesh(2, 1)
    weights, state, programs = tiny_search(mesh, reward=True, problems=1)
    with jax.set_mesh(mesh):
        lowered = (
            programs.write.lower(state, weights, 0),
            programs.score.lower(state, weights),
        )
        text = "\n".join(x.compile().as_text() for x in lowered)
    found = list(COLLECTIVE.finditer(text))
    assert found  # else their names have changed
    for match in found:
        line = text[match.start() : text.index("\n", match.end())]
        assert "/while/" not in line, line


def test_devices_exchange_what_is_stored(monkeypatch):
    """A block of it at a time, of all layers at once, and not all twigs."""
    monkeypatch.setattr(cache_lib, "_BLOCK", 8)
    mesh = sharding.make_mesh(2, 1)
    _, state, programs = tiny_search(mesh, reward=True, problems=1)
    with jax.set_mesh(mesh):
        text = programs.commit.lower(state).compile().as_text()
    exchanged = []
    for match in COLLECTIVE.finditer(text):
        shapes = re.findall(r"\w+\[([0-9,]+)\]", match["shape"])
        axes = [list(map(int, shape.split(","))) for shape in shapes]
        if any(len(shape) == 5 for shape in axes):
            exchanged.append(axes)
    config = testing.model_config()
    heads, size = config.num_kv_heads, config.head_dim
    layers = [[1, 1, heads, size, 8]] * config.num_layers
    layers += [[1, 1, heads, 8, size]] * config.num_layers
    assert exchanged == [layers] * 2  # of the generator and the reward model


def test_a_cache_that_grew_is_still_shared():
    mesh, state = searched()
    with jax.set_mesh(mesh):
        copy = jax.tree.map(jnp.copy, state.cache)
        memory = binding.grow(copy, trunk=128, stem=32)
    for path, leaf in jax.tree.leaves_with_path(memory):
        if leaf.ndim:
            assert_shared(jax.tree_util.keystr(path), leaf, mesh, 0, "data")
    for cache in (memory.generator, *memory.rewards):
        assert cache.trunk.slots == 128 and cache.owner.shape == (8, 128)
        for leaf in jax.tree.leaves((cache.trunk, cache.stem)):
            assert_shared("grown", leaf, mesh, 2, "model")


def test_problems_need_not_talk_to_each_other():
    """What crosses the data axis is whether anyone is still at it.

    That is a bit for each loop, the depth of the deepest tree, and a bit for
    each trunk slot: does any problem write it?
    """
    mesh = sharding.make_mesh(8, 1)
    weights, state, programs = tiny_search(mesh, reward=False)
    with jax.set_mesh(mesh):
        trees, twigs = state.tree, state.twigs
        lowered = (
            programs.update.lower(trees, twigs, silence()),
            programs.commit.lower(state),
            programs.select.lower(trees, twigs),
            programs.write.lower(state, weights, 0),
            programs.score.lower(state, weights),
        )
        program = "\n".join(x.compile().as_text() for x in lowered)
    found = list(COLLECTIVE.finditer(program))
    assert found  # else their names have changed
    for match in found:
        assert match["name"] == "all-reduce", match[0]
        arrays = re.findall(r"\w+\[[0-9,]*\]", match["shape"])
        assert set(arrays) <= {"pred[]", "s32[]", "pred[64]"}, match[0]
