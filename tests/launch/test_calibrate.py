"""launch.calibrate on a tiny model, as a person runs it."""

from __future__ import annotations

import functools
import json
import pathlib
import random
import zlib

import numpy as np
import pytest

from jaxlrm import testing
from jaxlrm.engine import calibrate, loading
from jaxlrm.models import hf, sharding
from jaxlrm.models.placing import OnMesh
from tests import fakes

run = functools.partial(fakes.run_launch, "calibrate")


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "model"
    learned = testing.learned()
    hf.save(folder, learned.config, learned.params)
    testing.text().save(folder)
    return folder


def write_chains(path: pathlib.Path, number: int) -> pathlib.Path:
    rng = random.Random(0)
    with path.open("w") as file:
        for i in range(number):
            steps = [f"{rng.randrange(99)}*x = {i}", f"x = {rng.randrange(9)}"]
            labels = [1, rng.randrange(2)]
            line = {"problem": f"{i}*x = {i}", "steps": steps}
            file.write(json.dumps({**line, "labels": labels}) + "\n")
    return path


def test_a_fit_is_written_and_used(model, tmp_path):
    chains = write_chains(tmp_path / "chains.jsonl", 120)
    result = run(f"--model={model}", f"--rollouts={chains}")
    assert result.returncode == 0, result.stderr
    found = json.loads((model / calibrate.FILE).read_text())
    assert found["steps"] > 60  # about half of 240
    assert found["error_after"] < found["error_before"]
    assert "AUROC" in result.stdout
    # The problems differ, and with them all that a step follows.
    assert found["siblings"] is None and found["pairs"] == 0
    # The engine's scores are those of the fitted line.
    plain = hf.load(model)[1].value_head
    place = OnMesh(sharding.make_mesh())
    loaded = loading._read(model, place).params.value_head
    np.testing.assert_allclose(
        loaded.kernel, found["scale"] * plain.kernel, rtol=1e-5
    )
    np.testing.assert_allclose(
        loaded.bias,
        found["scale"] * plain.bias + found["bias"],
        rtol=1e-5,
    )


def test_siblings_are_counted(model, tmp_path):
    chains = tmp_path / "chains.jsonl"
    with chains.open("w") as file:
        for i in range(40):
            for step, label in (("x = 1", 1), ("x = 2", 0), ("x = 3", 0)):
                line = {"problem": f"{i}*x = {i}", "steps": [step]}
                file.write(json.dumps({**line, "labels": [label]}) + "\n")
    result = run(f"--model={model}", f"--rollouts={chains}", "--likelihood")
    assert result.returncode == 0, result.stderr
    found = json.loads((model / calibrate.FILE).read_text())
    assert found["pairs"] == 2 * found["steps"] / 3
    assert 0 <= found["siblings"] <= 1
    assert f"of {found['pairs']} pairs of siblings" in result.stdout


def test_held_out_labels_that_are_all_alike(model, tmp_path):
    chains = tmp_path / "chains.jsonl"
    with chains.open("w") as file:
        for i in range(40):
            problem = f"{i}*x = {i}"
            seen = zlib.crc32(problem.encode()) % 2 == 0
            for step, label in (("x = 2", 1), ("x = 1", int(not seen))):
                line = {"problem": problem, "steps": [step], "labels": [label]}
                file.write(json.dumps(line) + "\n")
    result = run(f"--model={model}", f"--rollouts={chains}")
    assert result.returncode == 0, result.stderr
    text = (model / calibrate.FILE).read_text()
    assert json.loads(text)["auroc"] is None and "NaN" not in text
    assert "AUROC unknown, all labels are alike" in result.stdout


def test_a_head_that_prefers_wrong_steps_is_refused(model, tmp_path):
    """Before anything is written; the same labels the other way round fit."""
    codes = []
    for better in (1, 2):
        chains = tmp_path / "chains.jsonl"
        with chains.open("w") as file:
            for i in range(40):
                for x in (1, 2):
                    line = {"problem": f"{i}*x = {i}", "steps": [f"x = {x}"]}
                    line["labels"] = [int(x == better)]
                    file.write(json.dumps(line) + "\n")
        (model / calibrate.FILE).unlink(missing_ok=True)
        result = run(f"--model={model}", f"--rollouts={chains}")
        codes.append(result.returncode)
        assert (model / calibrate.FILE).exists() == (codes[-1] == 0)
        if codes[-1]:
            assert "steps those that the model scores higher" in result.stderr
            assert "--likelihood" in result.stderr
            assert "Traceback" not in result.stderr
    assert sorted(codes) == [0, 2]


def test_a_shipped_model_is_left_as_it_is(tmp_path):
    chains = write_chains(tmp_path / "chains.jsonl", 2)
    result = run("--model=mini-linear", f"--rollouts={chains}")
    assert result.returncode == 2
    assert "no folder 'mini-linear'; give a model folder" in result.stderr
    assert not (loading.SHIPPED / "mini-linear" / calibrate.FILE).exists()


def test_bad_input_gets_one_message(model, tmp_path):
    result = run(f"--model={model}", f"--rollouts={tmp_path / 'none.jsonl'}")
    assert result.returncode == 2
    assert "none.jsonl" in result.stderr
    assert "Traceback" not in result.stderr
