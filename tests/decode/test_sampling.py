"""Properties of sampling; what it should draw is worked out in numpy."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxlrm.decode import sampling
from jaxlrm.models import sharding

sample = jax.jit(sampling.sample)
threshold = jax.jit(sampling.threshold)
# One group, two levels with groups of one and of many, an odd size.
SIZES = [1, 7, 16, 96, 130]


def uniform(number: int, seed: int = 0):
    return jax.random.uniform(jax.random.key(seed), (number,))


def frequencies(logits, number=20_000, *settings):
    rows = jnp.broadcast_to(logits, (number, len(logits)))
    tokens = np.asarray(sample(rows, uniform(number), *settings))
    assert tokens.dtype == np.int32
    return np.bincount(tokens, minlength=len(logits)) / number


def softmax(logits):
    weights = np.exp(logits - logits.max())
    return weights / weights.sum()


def assert_drawn_from(found, wanted, number=20_000):
    """Each frequency within five standard deviations."""
    assert len(found) == len(wanted)
    deviation = np.sqrt(wanted * (1 - wanted) / number)
    assert (np.abs(found - wanted) <= 5 * deviation + 1e-9).all()
    seen = wanted > 0
    square = (found - wanted)[seen] ** 2 / wanted[seen] * number
    freedom = seen.sum() - 1
    assert square.sum() <= freedom + 5 * np.sqrt(2 * freedom) + 1e-6


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("size", SIZES)
def test_the_distribution_is_the_softmax(size, temperature):
    rng = np.random.default_rng(size)
    logits = rng.normal(size=size)
    found = frequencies(jnp.asarray(logits, jnp.float32), 20_000, temperature)
    assert_drawn_from(found, softmax(logits / temperature))


@pytest.mark.parametrize("size", SIZES)
def test_temperature_zero_takes_the_likeliest(size):
    logits = jnp.asarray(np.random.default_rng(size).normal(size=(9, size)))
    found = sample(logits, uniform(9), 0.0)
    assert found.tolist() == logits.argmax(-1).tolist()
    assert found.dtype == jnp.int32


def test_temperature_zero_takes_the_first_of_equals():
    logits = jnp.array([[0.0, 3.0, 1.0, 3.0]])
    assert sample(logits, uniform(1), 0.0).tolist() == [1]


@pytest.mark.parametrize("k", [1, 3, 16])
def test_top_k(k):
    logits = np.random.default_rng(0).normal(size=16)
    kept = np.argsort(-logits)[:k]
    wanted = np.zeros(16)
    wanted[kept] = softmax(logits[kept])
    found = frequencies(jnp.asarray(logits, jnp.float32), 20_000, 1.0, k)
    assert_drawn_from(found, wanted)


def test_top_k_keeps_what_is_as_likely_as_the_last():
    logits = jnp.array([2.0, 1.0, 1.0, 0.0])
    found = logits >= sampling.threshold(logits, 1.0, 2, 1.0)
    assert found.tolist() == [True, True, True, False]


@pytest.mark.parametrize(
    ("top_p", "kept"),
    [(0.01, 1), (0.5, 1), (0.51, 2), (0.79, 2), (0.81, 3), (0.999, 4)],
)
def test_top_p(top_p, kept):
    probabilities = np.array([0.05, 0.3, 0.5, 0.15])
    order = [2, 1, 3, 0]
    wanted = np.zeros(4)
    wanted[order[:kept]] = probabilities[order[:kept]]
    logits = jnp.asarray(np.log(probabilities), jnp.float32)
    found = frequencies(logits, 20_000, 1.0, 0, top_p)
    assert_drawn_from(found, wanted / wanted.sum())


def test_top_p_counts_within_top_k():
    """Of the three kept by top-k the first has over half."""
    logits = jnp.asarray(np.log([0.4, 0.2, 0.1, 0.16, 0.14]), jnp.float32)
    found = frequencies(logits, 2000, 1.0, 3, 0.52)
    assert found.nonzero()[0].tolist() == [0]


def least_by_sorting(logits, temperature, top_k, top_p):
    """What `sampling.threshold` should find in one row, and its rivals.

    Returns:
        The lowest and the highest logit that may be the last one kept: sums
        that are as near `top_p` as this may be rounded either way.
    """
    ordered = np.sort(logits)[::-1]
    if 0 < top_k < len(logits):
        ordered = ordered[ordered >= ordered[top_k - 1]]
    if top_p == 1:
        return ordered[-1], ordered[-1]
    weights = np.exp((ordered - ordered[0]).astype(float) / temperature)
    reached = weights.cumsum() / weights.sum()
    first, last = (
        int((reached < top_p + error).sum()) for error in (-1e-5, 1e-5)
    )
    end = len(ordered) - 1
    return ordered[min(last, end)], ordered[min(first, end)]


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    size=st.sampled_from([1, 7, 130, 300, sampling._LARGE]),
    few=st.booleans(),
    scale=st.sampled_from([1e-30, 0.1, 3.0, 1e4]),
    shift=st.sampled_from([-200.0, 0.0, 200.0]),
    tied=st.booleans(),
    temperature=st.sampled_from([0.1, 1.0, 3.0]),
)
def test_limits_keep_what_sorting_would(
    seed, size, few, scale, shift, tied, temperature
):
    """`few` tokens are kept of each row, or as many as all of some."""
    rng = np.random.default_rng(seed)
    rows = 16
    logits = rng.normal(size=(rows, size))
    if tied:
        logits = logits.round()
    logits = (logits * scale + shift).astype(np.float32)
    logits[rng.random(logits.shape) < 0.2] = -np.inf
    logits[:, rng.integers(size)] = np.float32(shift)  # not all impossible
    top_k = rng.choice([0, 1, 2, size - 1, size, size + 1, 10**6], rows)
    top_p = rng.choice([1e-30, 0.01, 0.5, 0.9, 0.999, 1.0], rows)
    if few:
        top_k = rng.choice([1, 2, 20], rows)
    found = np.asarray(
        threshold(logits, temperature, top_k, top_p.astype(np.float32))
    )[:, 0]
    for row in range(rows):
        lowest, highest = least_by_sorting(
            logits[row], temperature, top_k[row], top_p[row]
        )
        kept = logits[row] >= found[row]
        assert kept[logits[row] >= highest].all()
        assert not kept[logits[row] < lowest].any()


@settings(max_examples=30)
@given(seed=st.integers(0, 10**6), size=st.sampled_from(SIZES))
def test_tokens_of_probability_zero_are_never_drawn(seed, size):
    rng = np.random.default_rng(seed)
    possible = rng.random((500, size)) < 0.3
    possible[np.arange(500), rng.integers(0, size, 500)] = True
    logits = np.where(possible, rng.normal(size=(500, size)) * 3, -np.inf)
    found = sample(jnp.asarray(logits, jnp.float32), uniform(500, seed), 1.0)
    assert possible[np.arange(500), found].all()


@pytest.mark.parametrize("number", [0.0, 1 - 2**-24, 1.0])
@pytest.mark.parametrize("size", SIZES)
def test_the_ends_of_the_unit_interval(size, number):
    """Where rounding errors of the cumulative sum would show."""
    numbers = jnp.full(400, number, jnp.float32)
    rng = np.random.default_rng(0)
    possible = rng.random((400, size)) < 0.5
    possible[:, size // 2] = True
    logits = np.where(possible, rng.normal(size=(400, size)) * 5, -np.inf)
    found = sampling.sample(jnp.asarray(logits, jnp.float32), numbers, 1.0)
    assert possible[np.arange(400), found].all()
    likely = softmax(logits[0]) > 1e-6
    if number == 0.0:
        assert found[0] <= np.flatnonzero(likely)[0]
    else:
        assert found[0] >= np.flatnonzero(likely)[-1]


def test_a_row_does_not_depend_on_the_others():
    """Nor on the shape of the batch, nor on its place in it."""
    rng = np.random.default_rng(1)
    logits = jnp.asarray(rng.normal(size=(12, 40)), jnp.float32)
    numbers = uniform(12)
    together = sample(logits, numbers, 0.8, 10, 0.9)
    order = rng.permutation(12)
    assert sample(logits[order], numbers[order], 0.8, 10, 0.9).tolist() == (
        together[order].tolist()
    )
    square = sample(
        logits.reshape(3, 4, 40), numbers.reshape(3, 4), 0.8, 10, 0.9
    )
    assert square.reshape(-1).tolist() == together.tolist()
    alone = [
        int(sample(logits[i], numbers[i], 0.8, 10, 0.9)) for i in range(12)
    ]
    assert alone == together.tolist()
    others = jnp.where(jnp.arange(12)[:, None] == 5, logits, 100 - logits)
    assert sample(others, numbers, 0.8, 10, 0.9)[5] == together[5]


def test_a_shared_vocabulary_draws_the_same():
    rng = np.random.default_rng(2)
    logits = rng.normal(size=(8, 128)).astype(np.float32)
    wanted = sample(logits, uniform(8), 1.0)
    mesh = sharding.make_mesh(2, 4)
    placed = sharding.place(mesh, logits, "problems", "vocab")
    found = sample(placed, uniform(8), 1.0)
    assert found.tolist() == wanted.tolist()
