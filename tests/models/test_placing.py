"""Checkpoints onto a mesh, a tensor at a time."""

from __future__ import annotations

import dataclasses
import hashlib
import tracemalloc

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxlrm import testing
from jaxlrm.models import hf, params, sharding
from jaxlrm.models.placing import OnMesh


@pytest.fixture
def folder(tmp_path):
    model = testing.learned(tie_word_embeddings=False)
    hf.save(tmp_path, model.config, model.params)
    return tmp_path


@pytest.mark.parametrize("grid", [(1, 1), (2, 2), (1, 4)])
def test_each_parameter_lies_where_it_is_used(folder, grid):
    mesh = sharding.make_mesh(*grid)
    config, wanted = hf.load(folder)
    found_config, found = hf.load(folder, OnMesh(mesh))
    assert found_config == config
    places = params.shardings(config, mesh)
    for value, place, array in zip(
        *map(jax.tree.leaves, (wanted, places, found)), strict=True
    ):
        assert array.sharding.is_equivalent_to(place, array.ndim)
        np.testing.assert_array_equal(array, value)


def test_one_dtype_for_all(folder):
    _, wanted = hf.load(folder)
    _, found = hf.load(folder, OnMesh(sharding.make_mesh(), jnp.bfloat16))
    for array, value in zip(
        *map(jax.tree.leaves, (found, wanted)), strict=True
    ):
        np.testing.assert_array_equal(array, value.astype(jnp.bfloat16))


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("grid", [(1, 1), (2, 2)])
def test_in_eight_bits(tmp_path, grid, tied):
    """Rounded as they are read, or afterwards; each lies where it is used."""
    model = testing.learned(tie_word_embeddings=tied)
    hf.save(tmp_path, model.config, model.params)
    mesh = sharding.make_mesh(*grid)
    _, found = hf.load(tmp_path, OnMesh(mesh, weights="int8"))
    wanted = params.in_int8(model.config, model.params)
    places = params.shardings(
        dataclasses.replace(model.config, weights="int8"), mesh
    )
    assert found.layers.query.values.dtype == jnp.int8
    assert found.unembedding.values.shape == model.params.embedding.shape
    for array, value, place in zip(
        *map(jax.tree.leaves, (found, wanted, places)), strict=True
    ):
        assert array.sharding.is_equivalent_to(place, array.ndim)
        np.testing.assert_array_equal(array, value)


def test_the_hash_is_that_of_the_file(folder):
    digest = hashlib.sha256()
    hf.load(folder, digest=digest)
    data = (folder / hf.WEIGHTS).read_bytes()
    assert digest.hexdigest() == hashlib.sha256(data).hexdigest()


def test_the_host_holds_one_tensor_at_a_time(tmp_path):
    model = testing.learned(num_layers=8, intermediate_size=1 << 14)
    hf.save(tmp_path, model.config, model.params)

    class Nowhere:
        def allocate(self, config, dtypes):
            return None

        def put(self, values, place, piece):
            return None

    hf.load(tmp_path, Nowhere())  # what it imports is no part of this
    tracemalloc.start()
    try:
        hf.load(tmp_path, Nowhere())
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    largest = model.params.layers.gate[0].nbytes
    assert largest <= most < 4 * largest  # of 24 such tensors
