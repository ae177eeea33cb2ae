"""Fingerprints of weights."""

import jax
import jax.numpy as jnp

from jaxlrm import testing
from jaxlrm.models.fingerprint import fingerprint


def test_fingerprints_tell_parameters_apart():
    values = testing.learned().params
    first = fingerprint(values)
    assert first == fingerprint(jax.tree.map(jnp.asarray, values))
    assert len(first) == 16
    bias = values.value_head.replace(bias=values.value_head.bias + 1e-6)
    swapped = values.replace(embedding=values.embedding[::-1])
    narrow = jax.tree.map(lambda x: x.astype(jnp.bfloat16), values)
    others = (values.replace(value_head=bias), swapped, narrow)
    assert len({first, *map(fingerprint, others)}) == 4
