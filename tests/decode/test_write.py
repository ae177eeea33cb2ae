"""Where a step ends, on a model that writes a given sequence.

Its layers add nothing and its embedding is the identity, so the next token is
a function of the last one alone: the numbers go up by one, from each branch's
own start.
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxlrm.config import ModelConfig
from jaxlrm.decode import write as decode
from jaxlrm.decode.write import Rows, Tables
from jaxlrm.limits import UNLIMITED, Limits
from jaxlrm.models import cache as cache_lib
from jaxlrm.models import params
from jaxlrm.models.segments import Segment
from jaxlrm.models.transformer import rms_norm

V = 32
S = 6
EMPTY = 7.0  # what lies in slots that nobody has written
CONFIG = ModelConfig(
    vocab_size=V,
    hidden_size=V,
    num_layers=2,
    num_heads=2,
    num_kv_heads=1,
    head_dim=4,
    intermediate_size=8,
    tie_word_embeddings=False,
)


@functools.cache
def counter() -> params.Transformer:
    """Parameters of the model that counts up, and from `V - 1` stays there."""
    values = params.init(CONFIG, jax.random.key(0))
    layers = values.layers
    following = jnp.minimum(jnp.arange(V) + 1, V - 1)
    return values.replace(
        embedding=jnp.eye(V),
        unembedding=jax.nn.one_hot(following, V),
        layers=layers.replace(
            output=jnp.zeros_like(layers.output),
            down=jnp.zeros_like(layers.down),
        ),
    )


def tables(contains=(), starts=(), finishes=(), ends=(), unknown=()) -> Tables:
    """A delimiter that one token contains, or two of them start and finish."""

    def table(ids):
        return jnp.zeros(V, bool).at[jnp.array(ids, int)].set(True)

    ends_step = jnp.stack([table(contains), table(contains) | table(finishes)])
    return Tables.without_thinking(
        known=~table(unknown),
        ends_answer=table(ends),
        following=(table(starts) & ~ends_step).astype(jnp.int16),
        ends_step=ends_step,
    )


def blank(branches: int) -> Segment:
    cache = cache_lib.allocate(
        CONFIG,
        1,
        prompt=0,
        trunk=0,
        stem=0,
        tail=0,
        twig=S,
        branches=branches,
        groups=1,
        nodes=1,
    )
    return jax.tree.map(lambda x: x + EMPTY, cache.twig)


def state_after(tokens) -> jax.Array:
    """Hidden state of a token: the final norm of its embedding."""
    return rms_norm(jnp.eye(V)[jnp.array(tokens)], jnp.ones(V), 1e-6)


@jax.jit
def write(limits, values, tables, hidden, keys, active, reading, start, most):
    nothing = jnp.zeros(active.shape, jnp.int32)
    rows = Rows(
        active=active,
        keys=keys,
        hidden=hidden,
        reading=reading,
        position=start,
        before=start - 10,
        most=most,
        told=jnp.zeros((*active.shape, S), jnp.int32),
        forced=nothing,
    )
    twig = blank(active.shape[1])
    return decode.write(CONFIG, values, limits, tables, (), twig, rows)


def count(
    last,
    tables,
    *,
    active=None,
    reading=None,
    temperature=0.0,
    seed=0,
    most=S,
):
    """Goes on after the tokens `last`, one a branch."""
    size = len(last)
    on = np.ones(size, bool) if active is None else np.array(active, bool)
    reading = np.array([0] * size if reading is None else reading, np.int32)
    return write(
        Limits(temperature=temperature).spread(1),
        counter(),
        tables,
        state_after(last)[None],
        jax.random.split(jax.random.key(seed), (1, size)),
        on[None],
        reading[None],
        jnp.full((1, size), 10),
        jnp.broadcast_to(jnp.array(most), (1, size)),
    )


def steps(written) -> list[list[int]]:
    return [
        tokens[:length].tolist()
        for tokens, length in zip(
            np.asarray(written.tokens[0]),
            np.asarray(written.length[0]),
            strict=True,
        )
    ]


def test_a_step_ends_with_the_token_that_contains_the_delimiter():
    written = count([2, 5, 6], tables(contains=[7]))
    assert steps(written) == [[3, 4, 5, 6, 7], [6, 7], [7]]
    assert written.ended.all()
    assert not written.answered.any()


@pytest.mark.parametrize(
    ("starts", "finishes", "wanted"),
    [
        ([5], [6], [3, 4, 5, 6]),
        ([5], [7], [3, 4, 5, 6, 7, 8]),  # something stands between
        ([], [4, 5, 6], [3, 4, 5, 6, 7, 8]),  # no first half
        ([6], [4, 5, 6], [3, 4, 5, 6, 7, 8]),  # in the wrong order
        ([4, 5], [5], [3, 4, 5]),  # one newline token, twice
    ],
)
def test_a_delimiter_split_over_two_tokens(starts, finishes, wanted):
    written = count([2], tables(starts=starts, finishes=finishes))
    assert steps(written) == [wanted]
    assert written.ended.tolist() == [[len(wanted) < S]]


def test_a_delimiter_split_over_two_rounds():
    split = tables(starts=[8], finishes=[9])
    first = count([2], split)
    assert steps(first) == [[3, 4, 5, 6, 7, 8]]
    assert not first.ended.any()
    assert first.reading.tolist() == [[1]]
    second = count([8, 8], split, reading=[1, 0])
    assert steps(second) == [[9], [9, 10, 11, 12, 13, 14]]
    assert second.ended.tolist() == [[True, False]]


def test_the_end_of_an_answer():
    written = count([2, 4, 20], tables(contains=[4], ends=[7]))
    assert steps(written) == [[3, 4], [5, 6, 7], [21, 22, 23, 24, 25, 26]]
    assert written.ended.tolist() == [[True, True, False]]
    assert written.answered.tolist() == [[False, True, False]]


def test_an_end_in_the_last_slot_counts():
    written = count([2, 3], tables(contains=[8], ends=[9]))
    assert steps(written) == [[3, 4, 5, 6, 7, 8], [4, 5, 6, 7, 8]]
    written = count([3], tables(ends=[9]))
    assert steps(written) == [[4, 5, 6, 7, 8, 9]]
    assert written.answered.all()


def test_a_step_that_is_cut_has_not_ended():
    written = count([2, 9], tables(contains=[15]))
    assert steps(written) == [
        [3, 4, 5, 6, 7, 8],
        [10, 11, 12, 13, 14, 15],
    ]
    assert written.ended.tolist() == [[False, True]]


def test_the_state_is_that_of_the_last_token():
    written = count([2, 5, 20], tables(contains=[7]))
    np.testing.assert_allclose(
        written.hidden[0], state_after([7, 7, 26]), atol=1e-5
    )


def test_idle_rows_write_nothing():
    """Whatever their first token would have been."""
    written = count([2, 3, 6], tables(contains=[7]), active=[0, 1, 0])
    assert steps(written) == [[], [4, 5, 6, 7], []]
    assert written.ended.tolist() == [[False, True, False]]
    np.testing.assert_allclose(
        written.hidden[0], state_after([2, 7, 6]), atol=1e-5
    )


def test_nothing_is_computed_once_all_have_ended():
    """Slots after the longest step are as they were."""
    written = count([4, 5, 2], tables(contains=[7]), active=[1, 1, 0])
    assert steps(written) == [[5, 6, 7], [6, 7], []]
    for keys in written.twig.keys:
        assert (keys[..., 3:] == EMPTY).all()
        assert not (keys[..., :3] == EMPTY).any()
    idle = count([4, 5], tables(), active=[0, 0])
    for leaf in jax.tree.leaves(idle.twig):
        assert (leaf == EMPTY).all()


def test_ids_that_the_tokenizer_lacks_are_never_written():
    written = count([2], tables(unknown=[4, 5]))
    assert steps(written)[0][:2] == [3, 0]  # all else is equally unlikely
    many = count([2] * 64, tables(unknown=range(8, V)), temperature=3.0)
    assert np.asarray(many.tokens).max() < 8
    assert len(np.unique(many.tokens)) == 8


def test_a_branch_draws_by_its_own_key():
    """The same key and place give the same tokens, in any company."""
    nothing = tables()
    four = count([2] * 4, nothing, temperature=5.0)
    assert len({tuple(step) for step in steps(four)}) == 4
    again = count([2] * 4, nothing, temperature=5.0)
    assert steps(again) == steps(four)
    idle = count([2] * 4, nothing, temperature=5.0, active=[0, 1, 0, 1])
    assert steps(idle)[1::2] == steps(four)[1::2]


def test_a_row_writes_no_more_than_it_may():
    written = count([2, 2, 2], tables(contains=[7]), most=[3, 0, 9])
    assert steps(written) == [[3, 4, 5], [], [3, 4, 5, 6, 7]]
    assert written.ended.tolist() == [[False, False, True]]


# --- Thinking ----------------------------------------------------------------

OPENS, CLOSES, LINE = 30, 31, 29


def thinking(start: int, budget: int):
    """Counts on from 2; a row thinks, rests, or has ended its thinking."""
    tables_ = tables().replace(
        opens=jnp.arange(V) == OPENS,
        closes=jnp.arange(V) == CLOSES,
        enough=jnp.array([CLOSES, LINE], jnp.int32),
    )
    states = len(tables_.following)
    return write(
        Limits(temperature=0.0, think_tokens=budget or UNLIMITED).spread(1),
        counter(),
        tables_,
        state_after([2, 2])[None],
        jax.random.split(jax.random.key(0), (1, 2)),
        jnp.ones((1, 2), bool),
        jnp.array([[states, 0]], jnp.int32),
        jnp.full((1, 2), 10 + start),
        jnp.full((1, 2), S),
    )


@pytest.mark.parametrize(
    ("start", "wanted", "chosen"),
    [
        (0, [3, 4, 5, CLOSES, LINE, 30], 4),  # and it counts on from there
        # It begins to think again, and would itself have ended it at once.
        (2, [3, CLOSES, LINE, OPENS, CLOSES, LINE], 3),
        (9, [CLOSES, LINE, OPENS, CLOSES, LINE, OPENS], 3),
    ],
)
def test_thinking_ends_when_its_budget_is_used(start, wanted, chosen):
    written = thinking(start, 3)
    assert steps(written) == [wanted, [3, 4, 5, 6, 7, 8]]
    each = written.logp[0, 1] / S  # those of a counter are all as likely
    np.testing.assert_allclose(written.logp[0, 0], chosen * each, rtol=1e-4)


def test_what_the_state_is_while_thinking():
    states = len(tables().following)
    assert thinking(0, 100).reading.tolist() == [[states, 0]]
    assert thinking(0, 5).reading.tolist() == [[2 * states, 0]]
    assert thinking(0, 4).reading.tolist() == [[0, 0]]
