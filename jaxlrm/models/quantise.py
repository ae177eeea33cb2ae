"""Weights in fewer bits: half the memory, and half of what a token reads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

from jaxlrm.models.params import ParamSpec, Transformer
from jaxlrm.models.products import Int8

WEIGHTS = ("", "int8")  # as they are, or in eight bits
_PRODUCTS = ("query", "key", "value", "output", "gate", "up", "down")


def to_int8(values: Transformer) -> Transformer:
    """The parameters with the weights of all products in eight bits.

    The embedding is read token by token and stays as it is; a model that ties
    it gets an unembedding in eight bits beside it.

    Args:
        values: with stacked layers.
    """
    return _in_products(values, Int8.of, lambda x: x.T)


def int8_specs(declared: Transformer) -> Transformer:
    """What `to_int8` makes of `params.specs`."""

    def of(spec: ParamSpec) -> Int8:
        *lead, size, outputs = spec.shape
        *axes, inside, outside = spec.logical_axes
        return Int8(
            ParamSpec(
                (*lead, outputs, size), (*axes, outside, inside), 0, jnp.int8
            ),
            ParamSpec((*lead, outputs), (*axes, outside), 0),
        )

    def turn(spec: ParamSpec) -> ParamSpec:
        return ParamSpec(spec.shape[::-1], spec.logical_axes[::-1], spec.fan_in)

    return _in_products(declared, of, turn)


def _in_products(
    tree: Transformer, of: Callable[[Any], Int8], turn: Callable[[Any], Any]
) -> Transformer:
    """The tree with `of` all that activations are multiplied with."""
    layers = {
        name: of(weight)
        for name in _PRODUCTS
        if (weight := getattr(tree.layers, name)) is not None
    }
    unembedding = tree.unembedding
    if unembedding is None:
        unembedding = turn(tree.embedding)
    return tree.replace(
        layers=tree.layers.replace(**layers), unembedding=of(unembedding)
    )
