"""The parts of benchmarks/search.py at a tiny size, and what others refuse."""

from __future__ import annotations

import argparse
import importlib.util
import json
import pathlib
import sys

import numpy as np
import pytest

from jaxlrm.testing import model_config

FOLDER = pathlib.Path(__file__).parents[1] / "benchmarks"


@pytest.fixture(scope="module")
def benchmark():
    for peer in ("torch", "transformers", "mctx"):
        pytest.importorskip(peer)
    yield from load("search")


def load(name):
    spec = importlib.util.spec_from_file_location(
        f"benchmark_{name}", FOLDER / f"{name}.py"
    )
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


@pytest.mark.slow
@pytest.mark.parametrize(
    ("part", "rows"), [("decode", 1), ("beam", 2), ("cache", 2), ("tree", 1)]
)
def test_a_part_measures(benchmark, sizes, part, rows):
    """Each checks by itself that both sides do the same work."""
    found = list(benchmark.PARTS[part](sizes, 1))
    assert len(found) == rows
    for row in found:
        rounded_off = row.what.endswith("MB")  # at these sizes
        assert float(row.ours.replace(",", "")) > 0 or rounded_off
        assert row.what.startswith("its ") or float(row.ratio) > 0


def test_the_cache_counts_its_own_arrays_alone(benchmark, sizes):
    import jax.numpy as jnp

    before = list(benchmark.cache(sizes, 1))
    other = jnp.zeros((8, 8, 8, 8, 8))
    assert list(benchmark.cache(sizes, 1)) == before
    other.delete()


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
    ours = unembed(learned.config, learned.params, hidden)[:, 0]
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
    assert not text.automaton("steps").ends.any()


def test_a_budget_that_is_unknown():
    (budgets,) = load("budgets")
    assert budgets._budgets("4000,1000") == [4000, 1000]
    with pytest.raises(argparse.ArgumentTypeError, match="2000; .* 1000, 4000"):
        budgets._budgets("1000,2000")


def test_records_are_scored_with_their_problems(tmp_path, capsys):
    (outside,) = load("outside")
    paths = {k: tmp_path / f"{k}.jsonl" for k in ("output", "records")}
    arguments = argparse.Namespace(**paths)
    line = {"problem": "1 + 1", "answer": "2", "entry": None}
    record = {"problem": "1 + 1", "gold": "2", "tokens": {"generator": 7}}

    def score(*changes):
        ids = [f"deepmind/sums/{place}" for place in range(4)]
        lines = [{**line, "id": key} for key in ids]
        records = [
            {**record, "id": key, "answer": str(2 + place % 2)}
            for place, key in enumerate(ids)
        ]
        for place, change in changes:
            records[place] |= change
        for path, rows in zip(paths.values(), (lines, records), strict=True):
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        outside.score(arguments)

    score()
    said = capsys.readouterr().out
    assert "| deepmind sums | 2 | 4 | 50.0 [15.0, 85.0] |" in said
    assert "mean of 1 tasks 50.0 % [15.0, 85.0]" in said
    for change in ({"problem": "1 + 3"}, {"gold": "3"}):
        with pytest.raises(SystemExit, match="sums/1 in .* not the problem"):
            score((1, change))
    with pytest.raises(SystemExit, match="no record of deepmind/sums/3"):
        score((3, {"id": "deepmind/sums/2"}))
