"""The tree's arrays against a tree of plain Python objects."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxlrm.search import tree
from jaxlrm.verify.verdict import Verdict

G, B, N, S = 3, 4, 9, 3

plant = jax.jit(tree.plant)
add = jax.jit(tree.add)
ancestors = jax.jit(tree.ancestors)
has_live_descendant = jax.jit(tree.has_live_descendant)
first_of_equals = jax.jit(tree.first_of_equals)
has_child = jax.jit(tree.has_child)


@dataclasses.dataclass(frozen=True)
class Branch:
    """What one branch did in a round; `leaf` counts among the live nodes."""

    leaf: int | None
    tokens: tuple[int, ...]
    kind: int
    keep: bool
    score: float
    verdict: int


BRANCH = st.builds(
    Branch,
    leaf=st.none() | st.integers(0, N),
    # Few tokens, zero among them, so that equal steps are common.
    tokens=st.lists(st.integers(0, 1), min_size=1, max_size=S).map(tuple),
    kind=st.sampled_from([tree.STEP, tree.OPEN, tree.ANSWER]),
    keep=st.booleans(),
    score=st.sampled_from([0.25, 0.5, 0.75]),
    verdict=st.sampled_from([tree.UNKNOWN, tree.VALID, tree.INVALID]),
)
ROUND = st.lists(
    st.lists(BRANCH, min_size=B, max_size=B), min_size=G, max_size=G
)
ROUNDS = st.lists(ROUND, min_size=1, max_size=4)
LENGTHS = st.lists(st.integers(1, 20), min_size=G, max_size=G)


@dataclasses.dataclass
class Node:
    parent: int
    depth: int
    end: int
    kind: int
    live: bool
    tokens: tuple[int, ...] = ()
    count: int = 1
    score: float = 0.0
    verdict: int = 0


def keys(seed: int, *shape: int) -> jax.Array:
    return jax.random.split(jax.random.key(seed), shape)


def roots(lengths) -> tuple[tree.Tree, list[list[Node]]]:
    trees = plant(
        tree.empty(G, N, S), np.ones(G, bool), keys(1, G), np.array(lengths)
    )
    return trees, [[Node(-1, 0, n - 1, tree.STEP, True)] for n in lengths]


def twigs_of(happened, forests) -> tree.Twigs:
    """The round as arrays; nothing extends a node that is not live."""
    leaf = np.full((G, B), -1, np.int32)
    tokens = np.full((G, B, S), 7, np.int32)  # past the end: any rubbish
    valid = np.zeros((G, B, S), bool)
    for g, (row, nodes) in enumerate(zip(happened, forests, strict=True)):
        live = [i for i, node in enumerate(nodes) if node.live]
        for b, branch in enumerate(row):
            if live and branch.leaf is not None:
                leaf[g, b] = live[branch.leaf % len(live)]
            tokens[g, b, : len(branch.tokens)] = branch.tokens
            valid[g, b, : len(branch.tokens)] = True
    return tree.Twigs(
        leaf=jnp.asarray(leaf),
        key=keys(2, G, B),
        tokens=jnp.asarray(tokens),
        valid=jnp.asarray(valid),
        kind=jnp.array([[b.kind for b in row] for row in happened]),
        score=jnp.array([[b.score for b in row] for row in happened]),
        partial=jnp.zeros((G, B)),
        logp=jnp.zeros((G, B)),
        ahead=jnp.zeros((G, B), jnp.int32),
        forced=jnp.zeros((G, B), jnp.int32),
        reading=jnp.zeros((G, B), jnp.int32),
    )


def apply(happened, trees, forests):
    """One round on both sides: the leaves die, what is kept may live."""
    twigs = twigs_of(happened, forests)
    leaf = np.asarray(twigs.leaf)
    keep = np.array([[b.keep for b in row] for row in happened]) & (leaf >= 0)
    count = np.arange(B, dtype=np.int32) + np.ones((G, 1), np.int32)
    verdict = np.array([[b.verdict for b in row] for row in happened])
    dead = np.zeros((G, N + 1), bool)
    dead[np.arange(G)[:, None], leaf] = True  # -1 is the spare column
    trees = trees.replace(live=trees.live & ~dead[:, :N])
    trees, nodes = add(trees, twigs, keep, verdict, count)
    expected = np.full((G, B), -1)
    for g, (row, known) in enumerate(zip(happened, forests, strict=True)):
        for node in set(leaf[g].tolist()) - {-1}:
            known[node].live = False
        for b, branch in enumerate(row):
            if not keep[g, b] or len(known) == N:
                continue
            expected[g, b] = len(known)
            parent = known[leaf[g, b]]
            known.append(
                Node(
                    int(leaf[g, b]),
                    parent.depth + 1,
                    parent.end + len(branch.tokens),
                    branch.kind,
                    branch.kind != tree.ANSWER,
                    branch.tokens,
                    int(count[g, b]),
                    branch.score,
                    branch.verdict,
                )
            )
    return trees, nodes, expected


def assert_same(trees: tree.Tree, forests: list[list[Node]]) -> None:
    for g, nodes in enumerate(forests):
        assert trees.size[g] == len(nodes)
        for i, node in enumerate(nodes):
            for name in ("parent", "depth", "end", "kind", "live", "count"):
                found = getattr(trees, name)[g, i].item()
                assert found == getattr(node, name), (name, g, i)
            assert trees.score[g, i] == node.score
            assert trees.verdict[g, i] == node.verdict
            assert trees.length[g, i] == len(node.tokens)
            words = trees.tokens[g, i, : len(node.tokens)]
            assert tuple(words.tolist()) == node.tokens


def assert_invariants(trees: tree.Tree) -> None:
    trees = jax.tree.map(np.asarray, trees.replace(key=None))
    index = np.arange(N)
    used = index < trees.size[:, None]
    assert (trees.parent < index).all()
    assert ((trees.parent == -1) == (~used | (index == 0))).all()
    assert ((trees.kind == tree.FREE) == ~used).all()
    assert not (trees.live & ~used).any()
    assert not (trees.live & (trees.kind == tree.ANSWER)).any()
    above = np.maximum(trees.parent, 0)
    for name, more in (("depth", 1), ("end", trees.length)):
        values = getattr(trees, name)
        before = np.take_along_axis(values, above, 1)
        inner = used & (index > 0)
        assert (values == before + more)[inner].all(), name


@given(lengths=LENGTHS, rounds=ROUNDS)
@settings(max_examples=40)
def test_random_rounds(lengths, rounds):
    trees, forests = roots(lengths)
    for happened in rounds:
        trees, nodes, expected = apply(happened, trees, forests)
        np.testing.assert_array_equal(nodes, expected)
        assert_invariants(trees)
        assert_same(trees, forests)


@given(lengths=LENGTHS, rounds=ROUNDS)
@settings(max_examples=40)
def test_paths(lengths, rounds):
    trees, forests = roots(lengths)
    for happened in rounds:
        trees, *_ = apply(happened, trees, forests)
    asked = np.array([[*range(N), -1]] * G)
    paths = np.asarray(ancestors(trees, asked))
    alive = np.asarray(has_live_descendant(trees))
    for g, nodes in enumerate(forests):
        below = [set() for _ in range(N)]
        for i in range(len(nodes)):
            path, node = set(), i
            while node >= 0:
                path.add(node)
                below[node].add(i)
                node = nodes[node].parent
            assert set(np.flatnonzero(paths[g, i])) == path
        assert not paths[g, -1].any()  # of no node: no path
        for i, inner in enumerate(below):
            assert alive[g, i] == any(nodes[j].live for j in inner)


@given(lengths=LENGTHS, happened=ROUND)
def test_first_of_equals(lengths, happened):
    _, forests = roots(lengths)
    # More than one leaf from which the same may be written.
    for nodes in forests:
        nodes.append(Node(0, 1, nodes[0].end + 1, tree.STEP, True))
    twigs = twigs_of(happened, forests)
    first, count = first_of_equals(twigs)
    for g in range(G):
        names = [
            (int(twigs.leaf[g, b]), happened[g][b].tokens) for b in range(B)
        ]
        for b, name in enumerate(names):
            idle = name[0] < 0
            assert first[g, b] == (not idle and name not in names[:b])
            if not idle:
                assert count[g, b] == names.count(name)


@given(lengths=LENGTHS, rounds=ROUNDS, last=ROUND)
@settings(max_examples=40)
def test_has_child(lengths, rounds, last):
    trees, forests = roots(lengths)
    for happened in rounds:
        trees, _, _ = apply(happened, trees, forests)
    for nodes in forests:
        for node in nodes:
            node.live = True  # any may be extended again
    twigs = twigs_of(last, forests)
    found = has_child(trees, twigs)
    for g, nodes in enumerate(forests):
        steps = {(node.parent, node.tokens) for node in nodes[1:]}
        for b, branch in enumerate(last[g]):
            leaf = int(twigs.leaf[g, b])
            assert found[g, b] == ((leaf, branch.tokens) in steps)


def test_first_of_equals_sees_length_order_and_large_tokens():
    steps = [
        (5, 0),
        (5,),  # a prefix, and the token 0 is not nothing
        (0, 5),
        (5, 0),
        (150_000, 3),
        (3, 150_000),
        (150_001, 3),
        (5,),
    ]
    tokens = np.zeros((1, len(steps), 2), np.int32)
    valid = np.zeros(tokens.shape, bool)
    for b, words in enumerate(steps):
        tokens[0, b, : len(words)] = words
        valid[0, b, : len(words)] = True
    shape = (1, len(steps))
    twigs = tree.Twigs(
        leaf=jnp.zeros(shape, jnp.int32),
        key=keys(0, *shape),
        tokens=jnp.asarray(tokens),
        valid=jnp.asarray(valid),
        kind=jnp.ones(shape, jnp.int32),
        score=jnp.zeros(shape),
        partial=jnp.zeros(shape),
        logp=jnp.zeros(shape),
        ahead=jnp.zeros(shape, jnp.int32),
        forced=jnp.zeros(shape, jnp.int32),
    )
    first, count = tree.first_of_equals(twigs)
    assert first[0].tolist() == [
        steps.index(s) == i for i, s in enumerate(steps)
    ]
    assert count[0].tolist() == [steps.count(s) for s in steps]


def test_first_of_equals_does_not_collide():
    """Random steps of realistic length: all differ, and are seen to."""
    rng = np.random.default_rng(0)
    shape = (1, 512)
    tokens = rng.integers(0, 16, (*shape, 48))
    assert len(np.unique(tokens[0], axis=0)) == shape[1]
    twigs = tree.Twigs(
        leaf=jnp.zeros(shape, jnp.int32),
        key=keys(0, *shape),
        tokens=jnp.asarray(tokens),
        valid=jnp.ones(tokens.shape, bool),
        kind=jnp.ones(shape, jnp.int32),
        score=jnp.zeros(shape),
        partial=jnp.zeros(shape),
        logp=jnp.zeros(shape),
        ahead=jnp.zeros(shape, jnp.int32),
        forced=jnp.zeros(shape, jnp.int32),
    )
    assert tree.first_of_equals(twigs)[0].all()


def full_round(kind: int = tree.STEP):
    return [
        [Branch(0, (g, b % 2, b), kind, True, 0.5, 0) for b in range(B)]
        for g in range(G)
    ]


def test_add_drops_what_is_over_capacity():
    trees, forests = roots([2, 3, 4])
    for _ in range(2):  # 1 + 2 B nodes: full to the last one
        trees, nodes, _ = apply(full_round(), trees, forests)
    assert N == 1 + 2 * B
    np.testing.assert_array_equal(trees.size, [N] * G)
    before = jax.tree.map(np.asarray, trees.replace(key=None))
    happened = full_round(tree.ANSWER)
    twigs = twigs_of(happened, forests)
    zeros = np.zeros((G, B), np.int32)
    trees, nodes = add(trees, twigs, zeros == 0, zeros, zeros)
    np.testing.assert_array_equal(nodes, -1 - zeros)
    after = trees.replace(key=None)
    assert jax.tree.all(jax.tree.map(np.array_equal, before, after))


def test_add_fills_up_to_capacity_in_the_order_of_branches():
    trees, forests = roots([2, 3, 4])
    trees, _, _ = apply(full_round(), trees, forests)
    trees = trees.replace(size=jnp.array([N - 2, N - 1, N]))
    twigs = twigs_of(full_round(), forests)
    keep = np.ones((G, B), bool)
    keep[:, 0] = False
    zeros = np.zeros((G, B), np.int32)
    trees, nodes = add(trees, twigs, keep, zeros, zeros)
    np.testing.assert_array_equal(
        nodes, [[-1, N - 2, N - 1, -1], [-1, N - 1, -1, -1], [-1] * B]
    )
    np.testing.assert_array_equal(trees.size, [N] * G)


@given(
    lengths=LENGTHS,
    rounds=ROUNDS,
    mask=st.lists(st.booleans(), min_size=G, max_size=G),
)
@settings(max_examples=25)
def test_plant_clears_its_problems_and_no_other(lengths, rounds, mask):
    trees, forests = roots(lengths)
    for happened in rounds:
        trees, *_ = apply(happened, trees, forests)
    old = jax.tree.map(np.asarray, jax.random.key_data(trees.key))
    again = plant(trees, np.array(mask), keys(3, G), np.array([9, 8, 7]))
    for g, planted in enumerate(mask):
        if planted:
            forests[g] = [Node(-1, 0, 8 - g, tree.STEP, True)]
            new = jax.random.key_data(keys(3, G)[g])
            data = jax.random.key_data(again.key[g, 0])
            np.testing.assert_array_equal(data, new)
        else:
            data = jax.random.key_data(again.key[g])
            np.testing.assert_array_equal(data, old[g])
    assert_invariants(again)
    assert_same(again, forests)


def test_keys_of_kept_nodes_are_their_branches():
    trees, forests = roots([2, 3, 4])
    trees, nodes, _ = apply(full_round(), trees, forests)
    twigs = twigs_of(full_round(), forests)
    for g in range(G):
        for b in range(B):
            kept = jax.random.key_data(trees.key[g, nodes[g, b]])
            written = jax.random.key_data(twigs.key[g, b])
            np.testing.assert_array_equal(kept, written)


def test_an_empty_tree_has_nothing_live():
    trees = tree.empty(G, N, S)
    assert not has_live_descendant(trees).any()
    assert not ancestors(trees, np.full((G, 1), -1)).any()


@pytest.mark.parametrize("name", ["UNKNOWN", "VALID", "INVALID"])
def test_verdicts_are_numbered_as_the_verifier_numbers_them(name):
    assert getattr(tree, name) == Verdict[name]
