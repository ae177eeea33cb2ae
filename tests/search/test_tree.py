"""A tree's arrays against a tree of plain Python objects."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxlrm.limits import Limits
from jaxlrm.search import tree as tree_lib
from jaxlrm.search.tree import ANSWER, FREE, OPEN, STEP, WRITING, Tree, Twigs
from jaxlrm.verify.verdict import Verdict

N, R, S = 9, 4, 3

add = jax.jit(tree_lib.add)
ancestors = jax.jit(tree_lib.ancestors)
compare = jax.jit(tree_lib.compare)
has_live_descendant = jax.jit(tree_lib.has_live_descendant)
plant = jax.jit(tree_lib.plant)


@dataclasses.dataclass(frozen=True)
class Row:
    """What one row did in a round; `leaf` counts among the live nodes."""

    leaf: int | None
    tokens: tuple[int, ...]
    kind: int
    keep: bool
    score: float
    verdict: int
    group: int


ROW = st.builds(
    Row,
    leaf=st.none() | st.integers(0, N),
    # Few tokens, zero among them, so that equal steps are common.
    tokens=st.lists(st.integers(0, 1), min_size=1, max_size=S).map(tuple),
    kind=st.sampled_from([STEP, OPEN, ANSWER]),
    keep=st.booleans(),
    score=st.sampled_from([0.25, 0.5, 0.75]),
    verdict=st.sampled_from([0, 1, 2]),
    group=st.integers(0, 1),
)
ROUND = st.lists(ROW, min_size=R, max_size=R)
ROUNDS = st.lists(ROUND, min_size=1, max_size=4)
LENGTH = st.integers(1, 20)


@dataclasses.dataclass
class Node:
    parent: int
    depth: int
    steps: int
    end: int
    kind: int
    live: bool
    tokens: tuple[int, ...] = ()
    count: int = 1
    score: float = 0.0
    verdict: int = 0
    group: int = 0


def root(length: int) -> tuple[Tree, list[Node]]:
    limits = Limits().typed()
    planted = plant(
        tree_lib.empty(N, S), jax.random.key(1), np.int32(length), limits
    )
    return planted, [Node(-1, 0, 0, length - 1, STEP, True)]


def twigs_of(rows, leaf, kind=STEP, score=0.0) -> Twigs:
    """Rows that wrote the tokens `rows` after the nodes `leaf [R]`."""
    number = len(rows)
    size = max(S, *map(len, rows))
    tokens = np.full((number, size), 7, np.int32)  # past the end: any rubbish
    for row, ids in zip(tokens, rows, strict=True):
        row[: len(ids)] = ids
    return tree_lib.idle(number, size).replace(
        leaf=jnp.asarray(leaf, jnp.int32),
        tokens=jnp.asarray(tokens),
        length=jnp.array([len(ids) for ids in rows], jnp.int32),
        kind=jnp.broadcast_to(jnp.asarray(kind), number),
        score=jnp.zeros(number) + jnp.asarray(score),
    )


def written(happened, nodes: list[Node]) -> Twigs:
    """The round as arrays; nothing extends a node that is not live."""
    live = [number for number, node in enumerate(nodes) if node.live]
    leaf = [
        -1 if row.leaf is None or not live else live[row.leaf % len(live)]
        for row in happened
    ]
    return twigs_of(
        [row.tokens for row in happened],
        leaf,
        [row.kind for row in happened],
        [row.score for row in happened],
    )


def apply(happened, tree: Tree, nodes: list[Node]):
    """One round on both sides: the leaves die, what is kept may live.

    Returns:
        The tree, the node of each row, and what that should be.
    """
    twigs = written(happened, nodes)
    leaf = twigs.leaf.tolist()
    keep = [
        row.keep and node >= 0 for row, node in zip(happened, leaf, strict=True)
    ]
    verdict, group = (
        np.array([getattr(row, name) for row in happened], np.int32)
        for name in ("verdict", "group")
    )
    dead = tree_lib.mark(tree, twigs.leaf)
    tree, found = add(
        tree.replace(live=tree.live & ~dead),
        twigs,
        np.array(keep),
        verdict=verdict,
        count=1 + np.arange(R, dtype=np.int32),
        group=group,
    )
    for node in set(leaf) - {-1}:
        nodes[node].live = False
    expected = []
    for number, row in enumerate(happened):
        if not keep[number] or len(nodes) == N:
            expected.append(-1)
            continue
        expected.append(len(nodes))
        parent = nodes[leaf[number]]
        nodes.append(
            Node(
                parent=leaf[number],
                depth=parent.depth + 1,
                steps=parent.steps + (row.kind != OPEN),
                end=parent.end + len(row.tokens),
                kind=row.kind,
                live=row.kind != ANSWER,
                tokens=row.tokens,
                count=1 + number,
                score=row.score,
                verdict=row.verdict,
                group=row.group,
            )
        )
    return tree, found.tolist(), expected


def grown(length: int, rounds) -> tuple[Tree, list[Node]]:
    tree, nodes = root(length)
    for happened in rounds:
        tree, *_ = apply(happened, tree, nodes)
    return tree, nodes


def assert_same(tree: Tree, nodes: list[Node]) -> None:
    assert tree.size == len(nodes)
    for field in dataclasses.fields(Node):
        if field.name != "tokens":
            found = getattr(tree, field.name)[: len(nodes)].tolist()
            expected = [getattr(node, field.name) for node in nodes]
            assert found == expected, field.name
    for number, node in enumerate(nodes):
        assert tree.length[number] == len(node.tokens)
        words = tree.tokens[number, : len(node.tokens)]
        assert tuple(words.tolist()) == node.tokens


def assert_invariants(tree: Tree) -> None:
    tree = jax.tree.map(np.asarray, tree.replace(key=None))
    index = np.arange(N)
    used = index < tree.size
    inner = used & (index > 0)
    assert (tree.parent < index).all()
    assert ((tree.parent == -1) == ~inner).all()
    assert ((tree.kind == FREE) == ~used).all()
    assert not (tree.live & ~used).any()
    assert not (tree.live & (tree.kind == ANSWER)).any()
    for name, more in (("depth", 1), ("end", tree.length)):
        values = getattr(tree, name)
        assert (values == values[tree.parent] + more)[inner].all(), name


@given(length=LENGTH, rounds=ROUNDS)
@settings(max_examples=60)
def test_random_rounds(length, rounds):
    tree, nodes = root(length)
    for happened in rounds:
        tree, found, expected = apply(happened, tree, nodes)
        assert found == expected
        assert_invariants(tree)
        assert_same(tree, nodes)


@given(length=LENGTH, rounds=ROUNDS)
@settings(max_examples=60)
def test_paths(length, rounds):
    tree, nodes = grown(length, rounds)
    paths = np.asarray(ancestors(tree, np.array([*range(N), -1])))
    alive = has_live_descendant(tree)
    below = [set() for _ in range(N)]
    for number in range(len(nodes)):
        path, node = set(), number
        while node >= 0:
            path.add(node)
            below[node].add(number)
            node = nodes[node].parent
        assert set(np.flatnonzero(paths[number])) == path
    assert not paths[-1].any()  # of no node: no path
    for number, inner in enumerate(below):
        assert alive[number] == any(nodes[n].live for n in inner)


# --- Equal steps --------------------------------------------------------------


@given(length=LENGTH, happened=ROUND, ended=st.lists(st.booleans(), min_size=R))
def test_equal_rows(length, happened, ended):
    _, nodes = root(length)
    # More than one leaf from which the same may be written.
    nodes.append(Node(0, 1, 1, length, STEP, True))
    twigs = written(happened, nodes)
    ended = np.array(ended[:R]) & (twigs.leaf >= 0)
    group = np.array([row.group for row in happened])
    first, count, _ = compare(tree_lib.empty(N, S), twigs, ended, group)
    names = [
        (leaf, row.tokens, row.group) if judged else None
        for leaf, row, judged in zip(
            twigs.leaf.tolist(), happened, ended, strict=True
        )
    ]
    for number, name in enumerate(names):
        assert first[number] == (
            name is not None and name not in names[:number]
        )
        if name is not None:
            assert count[number] == names.count(name)


@given(length=LENGTH, rounds=ROUNDS, last=ROUND)
@settings(max_examples=60)
def test_a_step_that_is_a_child_is_known(length, rounds, last):
    tree, nodes = grown(length, rounds)
    steps = {(node.parent, node.tokens) for node in nodes[1:]}
    for node in nodes:
        node.live = True  # any may be extended again
    twigs = written(last, nodes)
    expected = [
        (leaf, row.tokens) in steps
        for leaf, row in zip(twigs.leaf.tolist(), last, strict=True)
    ]
    *_, known = compare(tree, twigs, twigs.leaf >= 0, np.zeros(R, np.int32))
    assert known.tolist() == expected


def firsts(rows) -> tuple[list[bool], list[int]]:
    """Of rows that all extend the root."""
    nothing = np.zeros(len(rows), np.int32)
    twigs, empty = twigs_of(rows, nothing), tree_lib.empty(N, S)
    first, count, _ = compare(empty, twigs, nothing == 0, nothing)
    return first.tolist(), count.tolist()


def test_compare_sees_length_order_and_large_tokens():
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
    first, count = firsts(steps)
    assert first == [steps.index(s) == i for i, s in enumerate(steps)]
    assert count == [steps.count(s) for s in steps]


def test_compare_does_not_collide():
    """Random steps of realistic length: all differ, and are seen to."""
    steps = np.random.default_rng(0).integers(0, 16, (512, 48))
    assert len(np.unique(steps, axis=0)) == len(steps)
    first, _ = firsts(steps)
    assert all(first)


# --- The capacity, roots and keys ---------------------------------------------


def full_round(kind: int = STEP):
    return [Row(0, (b % 2, b), kind, True, 0.5, 0, 0) for b in range(R)]


def test_add_drops_what_is_over_capacity():
    assert N == 1 + 2 * R  # two rounds fill it to the last node
    tree, nodes = grown(2, [full_round()] * 2)
    assert tree.size == N
    zeros = np.zeros(R, np.int32)
    twigs = written(full_round(ANSWER), nodes)
    after, found = add(tree, twigs, zeros == 0, count=zeros)
    np.testing.assert_array_equal(found, zeros - 1)
    jax.tree.map(
        np.testing.assert_array_equal,
        tree.replace(key=None),
        after.replace(key=None),
    )


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (N - 2, [-1, N - 2, N - 1, -1]),
        (N - 1, [-1, N - 1, -1, -1]),
        (N, [-1] * R),
    ],
)
def test_add_fills_up_to_capacity_in_the_order_of_rows(size, expected):
    tree, nodes = grown(2, [full_round()])
    tree, found = add(
        tree.replace(size=jnp.int32(size)),
        written(full_round(), nodes),
        np.arange(R) > 0,
    )
    assert found.tolist() == expected
    assert tree.size == N


@given(length=LENGTH, rounds=ROUNDS)
@settings(max_examples=25)
def test_nothing_of_the_tree_before_is_left_by_plant(length, rounds):
    tree, _ = grown(20, rounds)
    limits = Limits(tokens=5).typed()
    key = jax.random.key(3)
    planted = plant(tree, key, np.int32(length), limits)
    assert_invariants(planted)
    assert_same(planted, root(length)[1])
    assert planted.key[0] == key
    assert planted.limits.tokens == 5
    fresh = plant(tree_lib.empty(N, S), key, np.int32(length), limits)
    for name, value in vars(fresh.replace(key=None)).items():
        found = getattr(planted.replace(key=None), name)
        jax.tree.map(np.testing.assert_array_equal, found, value)


def test_keys_of_kept_nodes_are_their_rows():
    tree, nodes = root(2)
    twigs = written(full_round(), nodes)
    tree, found, _ = apply(full_round(), tree, nodes)
    assert (tree.key[np.array(found)] == twigs.key).all()


def test_an_empty_tree_has_nothing_live():
    tree = tree_lib.empty(N, S)
    assert not has_live_descendant(tree).any()
    assert not ancestors(tree, np.array([-1])).any()


def test_the_prior_of_a_node_is_the_mean_of_its_own_tokens():
    """Not of those that a tool wrote."""
    tree, _ = root(1)
    twigs = twigs_of([(1, 1, 1), (1,)], [0, 0]).replace(
        logp=jnp.array([-3.0, 0.0]), forced=jnp.array([1, 1])
    )
    tree, _ = add(tree, twigs, np.ones(2, bool))
    assert tree.prior[1:3].tolist() == [-1.5, 0.0]


# --- Rows ---------------------------------------------------------------------


def test_a_row_is_idle_or_writing_or_has_ended():
    twigs = twigs_of([(1,)] * 4, [-1, -1, 0, 2], [WRITING, STEP, WRITING, OPEN])
    assert twigs.writing.tolist() == [False, False, True, False]
    assert twigs.ended.tolist() == [False, False, False, True]


def test_rows_begin_and_others_go_on():
    """What a row has written stays until it begins again."""
    twigs = twigs_of([(1, 2), (3, 4)], [5, 6], OPEN).replace(
        forced=jnp.array([1, 1]), logp=jnp.array([-1.0, -2.0])
    )
    keys = jax.random.split(jax.random.key(4), 2)
    begun = twigs.begin(jnp.array([-1, 7]), keys, jnp.array([3, 4]))
    assert begun.leaf.tolist() == [5, 7]
    assert begun.kind.tolist() == [OPEN, WRITING]
    assert begun.length.tolist() == [2, 0]
    assert begun.forced.tolist() == [1, 0]
    assert begun.logp.tolist() == [-1, 0]
    assert begun.begun.tolist() == [0, 1]
    assert begun.key[0] == twigs.key[0] and begun.key[1] == keys[1]
    assert begun.valid.tolist() == [[True, True, False], [False] * 3]


@pytest.mark.parametrize("name", ["UNKNOWN", "VALID", "INVALID"])
def test_verdicts_are_numbered_as_the_verifier_numbers_them(name):
    assert getattr(tree_lib, name) == Verdict[name]
