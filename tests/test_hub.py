"""Models of the Hub, out of a cache laid out on disk: nothing is fetched."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

from jaxlrm import hub
from jaxlrm.engine import loading
from tests import fakes

ROOT = pathlib.Path(__file__).parents[1]
COMMIT, OLDER = "1" * 40, "2" * 40

# Says what becomes of each name: its folder, or the error in one line.
PROGRAM = """
import json, sys
from jaxlrm import hub
found = {}
for name in sys.argv[1:]:
    try:
        found[name] = str(hub.download(name))
    except (OSError, ValueError) as error:
        found[name] = f"{type(error).__name__}: {error}"
print(json.dumps(found))
"""


@pytest.fixture
def cache(tmp_path) -> pathlib.Path:
    """A cache that holds two revisions of a model, and one without weights."""
    model = tmp_path / "models--some-org--Small.Model-1B"
    for commit in (COMMIT, OLDER):
        folder = model / "snapshots" / commit
        shutil.copytree(loading.find(fakes.SMALL), folder)
    bare = tmp_path / "models--some-org--pickled"
    (bare / "snapshots" / COMMIT).mkdir(parents=True)
    (bare / "snapshots" / COMMIT / "config.json").write_text("{}")
    for one in (model, bare):
        (one / "refs").mkdir()
        (one / "refs" / "main").write_text(COMMIT)
    (model / "refs" / "v1").write_text(OLDER)
    return tmp_path


def download(cache: pathlib.Path, *names: str) -> dict[str, str]:
    """What comes of each name, in a process without a network."""
    settings = {
        "HF_HUB_CACHE": str(cache),
        "HF_HUB_OFFLINE": "1",
        "PYTHONPATH": str(ROOT),
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *names],
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def test_what_the_cache_has_is_found_without_a_network(cache):
    name = "some-org/Small.Model-1B"
    missing = "some-org/other"
    found = download(
        cache,
        *(name, f"{name}@v1", f"{name}@{OLDER}", f"{name}@v9"),
        *(missing, "some-org/pickled"),
    )
    snapshots = cache / "models--some-org--Small.Model-1B" / "snapshots"
    assert found[name] == str(snapshots / COMMIT)
    assert found[f"{name}@v1"] == str(snapshots / OLDER)
    assert found[f"{name}@{OLDER}"] == str(snapshots / OLDER)
    for absent in (f"{name}@v9", missing):
        assert found[absent].startswith(
            f"FileNotFoundError: there is no folder {absent}, "
        )
        assert found[absent].endswith(f"hf download {absent.partition('@')[0]}")
        assert "\n" not in found[absent]
    assert found["some-org/pickled"].startswith(
        "ValueError: the model some-org/pickled of the Hub has no safetensors"
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Qwen/Qwen2.5-Math-1.5B-Instruct", True),
        ("org/name@main", True),
        ("org/name@refs/pr/3", True),
        ("mini", False),
        ("./org/name", False),
        ("/org/name", False),
        ("org/name/file", False),
        ("../name", False),
        ("org/..", False),
        ("org/name@", False),
        ("o rg/name", False),
        ("org/name\n", False),
    ],
)
def test_what_reads_as_a_model_of_the_hub(name, expected):
    assert hub.is_id(name) == expected


def test_no_pickle_is_ever_asked_for():
    for name in ("pytorch_model.bin", "model.pt", "model.pth", "a.pkl", "x.py"):
        path = pathlib.PurePath(name)
        assert not any(path.match(pattern) for pattern in hub.PATTERNS)


def test_a_folder_wins_over_the_hub(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "org" / "name").mkdir(parents=True)
    assert loading.find("org/name") == pathlib.Path("org/name")
