"""The parts of benchmarks/search.py at a tiny size."""

from __future__ import annotations

import importlib.util
import pathlib
import sys

import numpy as np
import pytest

from jaxlrm.testing import model_config

PROGRAM = pathlib.Path(__file__).parents[1] / "benchmarks" / "search.py"


@pytest.fixture(scope="module")
def benchmark():
    for peer in ("torch", "transformers", "mctx"):
        pytest.importorskip(peer)
    spec = importlib.util.spec_from_file_location("benchmark_search", PROGRAM)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture(scope="module")
def sizes(benchmark):
    return benchmark.Sizes(
        model=model_config(value_head=False, attention_bias=True),
        prompt=8,
        new=8,
        branches=(4,),
        beam=benchmark.Beam(branches=4, width=2, rounds=3, step=4),
        cache=benchmark.Beam(branches=8, width=2, rounds=3, step=4),
        problems=(2,),
        simulations=12,
        actions=3,
    )


@pytest.mark.parametrize(
    ("part", "rows"), [("decode", 1), ("beam", 2), ("cache", 2), ("tree", 1)]
)
def test_a_part_measures(benchmark, sizes, part, rows):
    """Each checks by itself that both sides do the same work."""
    found = list(benchmark.PARTS[part](sizes, 1))
    assert len(found) == rows
    for row in found:
        assert float(row.ours.replace(",", "")) >= 0
        assert row.what.startswith("its ") or float(row.ratio) > 0


def test_the_peer_has_the_same_weights(benchmark, sizes):
    import jax.numpy as jnp
    import torch

    from jaxlrm.models.transformer import forward, unembed

    learned = benchmark.draw(sizes.model, seed=0)
    tokens = np.arange(8)[None]
    peer = benchmark.for_transformers(learned)
    with torch.inference_mode():
        theirs = peer(torch.from_numpy(tokens)).logits.numpy()
    hidden, _ = forward(
        learned.config,
        learned.params,
        jnp.asarray(tokens)[:, None],
        jnp.arange(8),
        jnp.tri(8, dtype=bool),
    )
    ours = unembed(learned.params, hidden)[:, 0]
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_the_work_by_hand(benchmark):
    config = model_config(value_head=False)
    weights = 2 * (16 * 32 * 2 + 16 * 16 * 2 + 3 * 16 * 32) + 2 * 16 * 2
    weights += 16 + 128 * 16  # the last norm, and the unembedding
    slot = 2 * 2 * 2 * 8 * 4  # keys and values, layers, heads, their size
    found = benchmark.work(config, 4, 3, shared=5, groups=2, own=7)
    assert found.operations == 2 * weights * 12 + 4 * 2 * 32 * 5 * 12
    # Each token reads the prompt, both groups and what its branch has written.
    assert found.bytes == slot * (3 * (5 + 2 * 7) + 4 * (1 + 2 + 3))
    assert found.largest == slot * (5 + 2 * 7 + 4 * 3)
    once = benchmark.work(config, 4, 3, shared=5, chained=False)
    assert once.bytes == slot * 5


def test_the_endless_text_has_no_end(benchmark):
    text = benchmark.endless()
    assert len(text.encode_prompt("x" * 9)) == 9
    assert not text.is_end.any()
    assert not any(table.any() for table in vars(text.delimiter).values())
