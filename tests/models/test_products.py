"""Products against a product in float32."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxlrm.models.products import Turned, product


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
