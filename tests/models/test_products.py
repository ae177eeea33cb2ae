"""Products against a product in float32."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxlrm.models.products import Int8, Turned, product


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 3, 1), (2, 4, 3)])
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_few_and_many_rows(dtype, shape, turned):
    first, second = jax.random.split(jax.random.key(0))
    x = jax.random.normal(first, (*shape, 32)).astype(dtype)
    weight = jax.random.normal(second, (32, 24)).astype(dtype)
    exact = np.asarray(x, np.float64) @ np.asarray(weight, np.float64)
    given = Turned(weight.T) if turned else weight
    for wanted in (None, jnp.float32):
        result = jax.jit(
            lambda x, w, wanted=wanted: product(x, w, dtype=wanted)
        )(x, given)
        assert result.shape == (*shape, 24)
        assert result.dtype == (wanted or dtype)
        narrow = result.dtype == jnp.bfloat16
        close = {"rtol": 2**-7 if narrow else 1e-5, "atol": 1e-4}
        np.testing.assert_allclose(
            np.asarray(result, np.float64), exact, **close
        )


def test_a_cpu_is_asked_for_float32_results_of_bfloat16():
    x = jnp.zeros((8, 1, 1, 32), jnp.bfloat16)
    weight = jnp.zeros((32, 24), jnp.bfloat16)
    text = jax.jit(product).lower(x, weight).as_text()
    if jax.default_backend() == "cpu":
        assert "-> tensor<8x1x1x24xf32>" in text


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 4, 3)])
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_eight_bits(dtype, shape):
    """What is lost is what rounding both sides loses, and no more."""
    first, second = jax.random.split(jax.random.key(1))
    x = jax.random.normal(first, (*shape, 64)).astype(dtype)
    weight = jax.random.normal(second, (64, 24)).astype(dtype)
    weight = weight.at[:, 3].set(0).at[:, 4].multiply(100)
    found = Int8.of(weight)
    assert found.values.dtype == jnp.int8
    np.testing.assert_allclose(
        found.scale[:, None] * found.values,
        np.asarray(weight, np.float32).T,
        atol=float(found.scale.max()) / 2 * 1.01,
    )
    result = np.asarray(jax.jit(product)(x, found), np.float64)
    assert result.shape == (*shape, 24)
    assert not result[..., 3].any()
    x, weight = (np.asarray(a, np.float64) for a in (x, weight))
    half = np.abs(x).max(-1, keepdims=True) / 254  # of a step of the row
    scale = np.asarray(found.scale, np.float64) / 2
    bound = np.abs(x).sum(-1, keepdims=True) * scale
    bound += np.abs(weight).sum(0) * half + 64 * scale * half
    rounded = 2**-8 * np.abs(x @ weight)  # the result itself
    assert (np.abs(result - x @ weight) <= 1.01 * bound + rounded).all()


def test_eight_bits_of_zeros():
    weight = Int8.of(jnp.ones((32, 8)))
    assert not np.asarray(product(jnp.zeros((1, 1, 1, 32)), weight)).any()


def test_weights_of_layers_are_rounded_each_alone():
    weight = jax.random.normal(jax.random.key(2), (3, 32, 8))
    stacked = Int8.of(weight)
    for number in range(3):
        one = jax.tree.map(lambda x, n=number: x[n], stacked)
        jax.tree.map(
            np.testing.assert_array_equal, one, Int8.of(weight[number])
        )
