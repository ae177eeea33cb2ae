"""The fakes themselves: they write what they are told, and notice misuse."""

from __future__ import annotations

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxlrm import testing
from jaxlrm.config import SearchConfig
from jaxlrm.search import select, strategies
from jaxlrm.search.strategies import Strategy
from jaxlrm.verify.verdict import Verdict

SIZES = {"branches": 4, "width": 2, "step_tokens": 4, "chain_tokens": 40}
BEAM = strategies.build(SearchConfig(strategy="beam", rounds=2, **SIZES))


def test_an_outline():
    script = (
        testing.step(
            "a",
            0.9,
            testing.answer("a1", 0.8, verdict=Verdict.VALID),
            testing.cut("a2", 0.25),
        ),
        testing.step("b", 0.1),
    )
    assert testing.run_scripts(BEAM, [script]).trees == [
        inspect.cleandoc("""
            1 a 0.9 x2
              3 a1 END 0.8 VALID
              4 a2 .. 0.9
            2 b 0.1 x2
        """)
    ]


def test_a_step_must_fit():
    with pytest.raises(ValueError, match="'abcd' has 5 tokens.*is 4"):
        testing.run_scripts(BEAM, [[testing.step("abcd")]])


def test_a_text_has_one_verdict():
    script = (testing.step("a"), testing.step("a", verdict=Verdict.VALID))
    with pytest.raises(ValueError, match="one text has one"):
        testing.run_scripts(BEAM, [script])


def broken(**changes) -> Strategy:
    return BEAM._replace(**changes)


def test_wrong_numbers_of_children_are_noticed(monkeypatch):
    """A row whose key is no child's writes nothing, so all are merged."""
    ordinals = select.ordinals
    monkeypatch.setattr(
        select, "ordinals", lambda tree, leaf: ordinals(tree, leaf) + 1000
    )
    found = testing.run_scripts(
        broken(votes=1),  # a strategy of its own: programs are kept
        [[testing.step(word) for word in "abcd"]],
        verify=lambda seen: np.zeros(seen.twigs.leaf.shape, np.int32),
    )
    assert not found.rounds[0].twigs.length.any()


def test_extending_what_was_let_go_is_noticed():
    """Nodes that no live node stands on have no memory."""

    def choose(tree, idle):
        return jnp.where(BEAM.select(tree, idle) >= 0, 1, -1)

    def learn(tree, steps, nodes):
        number = jnp.arange(tree.live.shape[0])
        return tree.replace(live=tree.live & (number != 1))

    found = testing.run_scripts(
        broken(select=choose, learn=learn),
        [[testing.step(word) for word in "abcd"]],
        verify=lambda seen: np.zeros(seen.twigs.leaf.shape, np.int32),
    )
    assert not found.rounds[1].twigs.length.any()


def test_the_tiny_model_fits_its_tokenizer():
    model = testing.learned()
    assert testing.text().vocab_size <= model.config.vocab_size
    sentence = "Solve 2*x = 10 for x.\n"
    assert len(testing.text().encode(sentence)) == len(sentence)
    again = testing.learned()
    jax.tree.map(np.testing.assert_array_equal, model.params, again.params)
    assert model.params.value_head.kernel.any()
    assert testing.learned(value_head=False).params.value_head is None
