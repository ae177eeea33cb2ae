"""Where the parameters of a checkpoint go as they are read: host or mesh."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from jaxlrm.config import ModelConfig
from jaxlrm.models import params
from jaxlrm.models.hf_table import Place
from jaxlrm.models.products import Int8

Dtypes = Mapping[tuple[str, ...], np.dtype]


class OnHost:
    """Parameters as numpy arrays."""

    def allocate(self, config: ModelConfig, dtypes: Dtypes):
        """Arrays for all parameters, to be filled.

        Args:
            config: shape of the model.
            dtypes: of each parameter in the checkpoint, by its path.
        """

        def empty(path, spec):
            return np.empty(spec.shape, dtypes[_names(path)])

        return jax.tree.map_with_path(
            empty, params.specs(config), is_leaf=params.is_spec
        )

    def put(self, values, place: Place, piece: np.ndarray):
        """The parameters with a piece of one of them in its place."""
        array = values
        for name in place.path:
            array = getattr(array, name)
        array[place.index] = piece
        return values


class OnMesh:
    """Parameters on the devices of a mesh, each where it is used.

    The host holds one piece at a time: stacked arrays are filled in place,
    from the first piece on.
    """

    def __init__(self, mesh: jax.sharding.Mesh, dtype=None, weights: str = ""):
        """Places nothing yet.

        Args:
            mesh: devices.
            dtype: of the parameters; by default that of the embedding in the
                checkpoint.
            weights: see `ModelConfig`.
        """
        self._mesh, self._dtype, self._weights = mesh, dtype, weights

    def allocate(self, config: ModelConfig, dtypes: Dtypes):
        """As of `OnHost`."""
        self._dtype = self._dtype or dtypes["embedding",]
        self._tied = config.tie_word_embeddings
        config = dataclasses.replace(config, weights=self._weights)
        return jax.tree.map(
            lambda spec, place: jax.ShapeDtypeStruct(
                spec.shape, spec.dtype or self._dtype, sharding=place
            ),
            params.specs(config),
            params.shardings(config, self._mesh),
            is_leaf=params.is_spec,
        )

    def put(self, values, place: Place, piece: np.ndarray):
        """As of `OnHost`."""
        piece = piece.astype(self._dtype, copy=False)
        put = functools.partial(_put, place.index)
        if self._weights and self._tied and place.path == ("embedding",):
            unembedding = put(Int8.of(piece.T), values.unembedding)
            values = values.replace(unembedding=unembedding)
        old = values
        for name in place.path:
            old = getattr(old, name)
        if isinstance(old, Int8):
            piece = Int8.of(piece)
        return _replace(values, place.path, functools.partial(put, piece))


def _names(path) -> tuple[str, ...]:
    return tuple(key.name for key in path)


def _replace(node, path: tuple[str, ...], change):
    if not path:
        return change(node)
    name, *rest = path
    return node.replace(
        **{name: _replace(getattr(node, name), tuple(rest), change)}
    )


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def _zeros(shape, dtype, sharding) -> jax.Array:
    return jax.lax.with_sharding_constraint(jnp.zeros(shape, dtype), sharding)


def _put(index: tuple[int, ...], piece, array):
    """`array [*index, ...]` with a piece at an index, on its devices.

    An array that has no piece yet is a `ShapeDtypeStruct`.
    """
    if isinstance(array, Int8):
        return jax.tree.map(functools.partial(_put, index), piece, array)
    sharding = array.sharding
    if index and isinstance(array, jax.ShapeDtypeStruct):
        array = _zeros(array.shape, array.dtype, sharding)
    axes = sharding.spec[len(index) :]
    own = jax.sharding.NamedSharding(
        sharding.mesh, jax.sharding.PartitionSpec(*axes)
    )
    piece = jax.device_put(piece, own)
    return _fill(array, piece, index, sharding) if index else piece


@functools.partial(jax.jit, donate_argnums=0, static_argnums=3)
def _fill(array: jax.Array, piece: jax.Array, index, sharding) -> jax.Array:
    start = (*index, *(0 for _ in piece.shape))
    piece = piece.reshape((1,) * len(index) + piece.shape)
    filled = jax.lax.dynamic_update_slice(array, piece, start)
    return jax.lax.with_sharding_constraint(filled, sharding)
