"""Meshes, the table of logical axes, and constraints."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding, PartitionSpec

from jaxlrm import testing
from jaxlrm.config import SearchConfig
from jaxlrm.engine import binding
from jaxlrm.models import sharding
from jaxlrm.search import lockstep, strategies


@pytest.mark.parametrize("shape", [(1, 1), (4, 2), (2, 4), (8, 1), (1, 3)])
def test_a_mesh_takes_the_first_devices(shape):
    mesh = sharding.make_mesh(*shape)
    assert dict(mesh.shape) == dict(zip(("data", "model"), shape, strict=True))
    wanted = jax.devices()[: shape[0] * shape[1]]
    assert mesh.devices.ravel().tolist() == wanted


def test_a_mesh_of_given_devices():
    devices = jax.devices()[4:6]
    mesh = sharding.make_mesh(1, 2, devices)
    assert mesh.devices.tolist() == [devices]


@pytest.mark.parametrize("shape", [(4, 3), (9, 1), (0, 1), (2, -1)])
def test_a_mesh_that_there_are_no_devices_for(shape):
    with pytest.raises(
        ValueError,
        match=f"a {shape[0]}x{shape[1]} mesh needs .* there are 8; choose "
        r".* <= 8, or set JAX_NUM_CPU_DEVICES",
    ):
        sharding.make_mesh(*shape)


def test_logical_axes():
    found = sharding.partition("problems", None, "heads", "head_dim")
    assert found == PartitionSpec("data", None, "model", None)
    assert sharding.partition() == PartitionSpec()


def test_unknown_and_colliding_axes_raise():
    with pytest.raises(ValueError, match="unknown logical axis 'head'; known"):
        sharding.partition("head")
    with pytest.raises(ValueError, match="one mesh axis twice"):
        sharding.partition("heads", "mlp")


def test_what_the_mesh_does_not_divide_is_replicated():
    mesh = sharding.make_mesh(2, 4)
    spec = PartitionSpec("data", "model", None)
    assert sharding.fit(spec, (4, 8, 3), mesh) == spec
    assert sharding.fit(spec, (3, 8, 3), mesh) == PartitionSpec(
        None, "model", None
    )
    assert sharding.fit(spec, (4, 2, 3), mesh) == PartitionSpec(
        "data", None, None
    )


def test_branches_share_what_problems_leave():
    mesh = sharding.make_mesh(2, 1)
    spec = sharding.partition("problems", "branches", "kv_heads")
    assert sharding.fit(spec, (4, 8, 3), mesh) == PartitionSpec(
        "data", None, "model"
    )
    assert sharding.fit(spec, (1, 8, 3), mesh) == PartitionSpec(
        None, "data", "model"
    )
    assert sharding.fit(spec, (1, 1, 3), mesh) == PartitionSpec(
        None, None, "model"
    )


@pytest.mark.parametrize(
    ("mesh", "problems", "branches", "groups", "rows"),
    [
        ((4, 1), 1, 8, 4, 2),
        ((4, 1), 3, 8, 1, 2),
        ((4, 1), 4, 8, 4, 8),  # the problems are shared
        ((4, 1), 1, 6, 1, 6),
        ((4, 1), 1, 8, 2, 8),
        ((4, 2), 1, 8, 4, 8),
        ((1, 1), 1, 8, 4, 8),
    ],
)
def test_on_branches(mesh, problems, branches, groups, rows):
    seen = []

    def function(offset, x, context):
        seen.append(x.shape[1])
        members = x.shape[1] // context.shape[1]
        return x + offset + jnp.repeat(context, members, 1)

    x = np.arange(problems * branches).reshape(problems, branches)
    context = 100 * np.arange(problems * groups).reshape(problems, groups)
    with jax.set_mesh(sharding.make_mesh(*mesh)):
        found = jax.jit(
            lambda *arrays: sharding.on_branches(function, *arrays)
        )(jnp.int32(5), x, context)
    assert seen == [rows]
    wanted = x + 5 + np.repeat(context, branches // groups, 1)
    np.testing.assert_array_equal(found, wanted)


def test_constrain_needs_a_mesh():
    x = jnp.ones((4, 8))
    assert sharding.constrain(x, "problems", "heads") is x
    mesh = sharding.make_mesh(2, 4)
    with jax.set_mesh(mesh):
        found = jax.jit(lambda x: sharding.constrain(x, "problems", "heads"))(x)
        odd = jax.jit(lambda x: sharding.constrain(x, "problems", "heads"))(
            x[:, :6]
        )
    assert found.sharding.shard_shape(found.shape) == (2, 2)
    assert odd.sharding.shard_shape(odd.shape) == (2, 6)


def test_spread_shares_the_problems():
    mesh = sharding.make_mesh(4, 2)
    tree = {"a": np.arange(8), "b": np.ones((8, 3)), "c": np.ones((6, 2))}
    found = sharding.spread(mesh, tree)
    shapes = {k: v.sharding.shard_shape(v.shape) for k, v in found.items()}
    assert shapes == {"a": (2,), "b": (2, 3), "c": (6, 2)}
    for name, value in tree.items():
        np.testing.assert_array_equal(found[name], value)


@pytest.mark.parametrize(
    ("shape", "kv_heads"), [((4, 2), 1), ((2, 4), 2)], ids=["4x2", "2x4"]
)
def test_the_state_of_a_search(shape, kv_heads):
    """Problems over `data`; key/value heads over `model` if it divides them.

    The model has two of them, so four devices hold both.
    """
    mesh = sharding.make_mesh(*shape)
    strategy = strategies.build(
        SearchConfig(branches=8, width=2, step_tokens=4, chain_tokens=64)
    )
    model = binding.Binding(
        testing.model_config(),
        (binding.Judge(None),),
        strategy,
        binding.Sizes(8, 8, 8, 16, 8, chunk=2, tail=4),
    ).model()
    state = jax.eval_shape(lambda: lockstep.initial(model, strategy, 8))
    places = binding.placements(mesh, state)
    problems = 8 // shape[0]

    def check(leaf, place):
        assert isinstance(place, NamedSharding)
        if leaf.ndim:  # one number is not shared
            assert place.shard_shape(leaf.shape)[0] == problems
        return place.shard_shape(leaf.shape)

    shards = jax.tree.map(check, state, places)
    cache, whole = shards.cache.generator, state.cache.generator
    dim = testing.model_config().head_dim
    assert cache.trunk.keys[0] == (problems, 1, kv_heads, dim, 16)
    assert cache.stem.values[1] == (problems, 4, kv_heads, 8, dim)
    assert cache.twig.keys[1] == (problems, 8, kv_heads, dim, 2)
    assert cache.tail.keys[1] == (problems, 8, kv_heads, dim, 4)
    assert cache.hidden == (problems, *whole.hidden.shape[1:])
    assert shards.tree.tokens == (problems, *state.tree.tokens.shape[1:])
