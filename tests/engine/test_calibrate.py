"""Calibration against formulas, brute force and simulated steps."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxlrm.engine import calibrate


def test_fit_finds_the_line_that_labels_were_drawn_from():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, 50_000)
    labels = rng.random(50_000) < calibrate.sigmoid(0.5 * logits - 1)
    scale, bias, _ = calibrate.fit(logits, labels)
    assert scale == pytest.approx(0.5, abs=0.02)
    assert bias == pytest.approx(-1, abs=0.05)


def test_fit_lowers_the_error_of_overconfident_scores():
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 6, 20_000)
    labels = rng.random(20_000) < calibrate.sigmoid(logits / 4)
    scale, bias, _ = calibrate.fit(logits[:10_000], labels[:10_000])
    before = calibrate.sigmoid(logits[10_000:])
    after = calibrate.sigmoid(scale * logits[10_000:] + bias)
    held_out = labels[10_000:]
    assert calibrate.expected_error(before, held_out) > 0.1
    assert calibrate.expected_error(after, held_out) < 0.02


def test_fit_of_separable_labels_stays_finite():
    line = calibrate.fit([-3.0, -1.0, 1.0, 3.0], [0, 0, 1, 1])
    assert line.scale > 1
    assert math.isfinite(line.scale) and math.isfinite(line.bias)


def test_fit_of_labels_all_alike():
    scale, bias, _ = calibrate.fit([0.0, 1.0, 2.0], [1, 1, 1])
    assert calibrate.sigmoid(scale * 1.0 + bias) > 0.9


PAIRS = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.1, 0.5, 0.51, 0.9, 1.0]),
        st.sampled_from([0, 1]),
    ),
    min_size=1,
    max_size=12,
)


@given(pairs=PAIRS)
@settings(max_examples=80)
def test_auroc_counts_pairs(pairs):
    right = [p for p, y in pairs if y]
    wrong = [p for p, y in pairs if not y]
    found = calibrate.auroc(*zip(*pairs, strict=True))
    if not right or not wrong:
        assert math.isnan(found)
        return
    wins = [(a > b) + 0.5 * (a == b) for a in right for b in wrong]
    assert found == pytest.approx(np.mean(wins))


@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from([0.0, 0.5, 0.51]),
            st.sampled_from([0, 1]),
            st.integers(0, 3),
        ),
        min_size=1,
        max_size=16,
    )
)
@settings(max_examples=80)
def test_siblings_are_compared_with_siblings_only(steps):
    wins = [
        (a > b) + 0.5 * (a == b)
        for a, right, one in steps
        for b, other_right, other in steps
        if one == other and right and not other_right
    ]
    found, pairs = calibrate.siblings(*zip(*steps, strict=True))
    assert pairs == len(wins)
    if wins:
        assert found == pytest.approx(np.mean(wins))
    else:
        assert math.isnan(found)


@given(pairs=PAIRS)
@settings(max_examples=80)
def test_reliability_holds_every_step_once(pairs):
    scores, labels = map(np.array, zip(*pairs, strict=True))
    rows = calibrate.reliability(scores, labels, 10)
    assert sum(row.steps for row in rows) == len(pairs)
    assert sum(row.steps * row.score for row in rows) == pytest.approx(
        scores.sum()
    )
    assert sum(row.steps * row.right for row in rows) == pytest.approx(
        labels.sum()
    )
    for row in rows:
        assert row.low - 1e-9 <= row.score <= row.low + 0.1 + 1e-9


def test_expected_error_of_known_scores():
    # Two bins: 0.75 against 0.5, and 0.25 against 0.
    assert calibrate.expected_error(
        [0.75, 0.75, 0.25, 0.25], [1, 0, 0, 0], 2
    ) == pytest.approx(0.25)


@pytest.mark.parametrize("pair", [([], []), ([0.5], [1, 0])])
def test_lengths_must_agree(pair):
    for function in (calibrate.fit, calibrate.auroc, calibrate.reliability):
        with pytest.raises(ValueError, match="one of each for every step"):
            function(*pair)


def test_a_folder_without_the_file_changes_nothing(tmp_path):
    assert calibrate.read(tmp_path) == (1.0, 0.0, 0.0)


def test_a_file_is_read(tmp_path):
    values = {"scale": 0.5, "bias": -1, "auroc": 0.9}
    (tmp_path / calibrate.FILE).write_text(json.dumps(values))
    assert calibrate.read(tmp_path) == (0.5, -1.0, 0.0)
    values["likelihood"] = 0.25
    values["scale"] = -0.1  # the likelihood keeps the order
    (tmp_path / calibrate.FILE).write_text(json.dumps(values))
    assert calibrate.read(tmp_path) == (-0.1, -1.0, 0.25)


@pytest.mark.parametrize(
    "text", ["", "[]", '{"scale": 1}', '{"scale": -1, "bias": 0}', "{"]
)
def test_a_wrong_file_is_refused(tmp_path, text):
    (tmp_path / calibrate.FILE).write_text(text)
    with pytest.raises(ValueError, match=r"calibration\.json"):
        calibrate.read(tmp_path)


def test_a_line_through_both_finds_the_line_that_made_the_labels():
    rng = np.random.default_rng(2)
    logits, likelihoods = rng.normal(size=(2, 40_000)) * [[1.0], [3.0]]
    line = calibrate.Calibration(0.4, -0.5, 0.8)
    labels = rng.random(40_000) < calibrate.sigmoid(line(logits, likelihoods))
    found = calibrate.fit(logits, labels, likelihoods)
    np.testing.assert_allclose(found, line, atol=0.05)
    assert calibrate.fit(logits, labels).likelihood == 0.0
