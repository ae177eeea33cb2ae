"""A search that was cut off goes on from its file to the same solutions."""

from __future__ import annotations

import dataclasses
import functools
import io
import json
import os
import pickle
import signal
import subprocess
import sys
import types
import zipfile

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxlrm import engine as engine_lib
from jaxlrm import resume, sharding, testing
from jaxlrm.config import SearchConfig
from jaxlrm.engine import Engine, Learned
from jaxlrm.lockstep import Prompts
from jaxlrm.search import search, strategies
from jaxlrm.solution import Solution, Thought
from jaxlrm.testing import answer, cut, step
from jaxlrm.text import END
from jaxlrm.verify.verdict import Verdict
from tests import bigrams

# Steps of one token or two are verified, cut and finished at random.
CONFIG = SearchConfig(
    strategy="beam",
    branches=4,
    width=2,
    chain_tokens=96,
    step_tokens=24,
    rounds=4,
    verifiers="learned",
    batch=2,
)
PROBLEMS = ["What is 1 + 2?", "", *(f"Solve {i}*x = 6 for x." for i in "123")]


class CutOff(Exception):
    """In the place of a kill."""


@pytest.fixture
def file(tmp_path, monkeypatch):
    """Where searches are kept; they are written after every round."""
    monkeypatch.setattr(resume, "INTERVAL", 0.0)
    monkeypatch.setattr(resume, "_SHARE", 1e9)
    return tmp_path / "search"


@pytest.fixture(scope="module")
def engine():
    with testing.engine() as loaded:
        yield loaded


def without_times(solutions):
    return [dataclasses.replace(s, seconds={}) for s in solutions]


def until(rounds: int):
    def stop(progress):
        if progress.round > rounds:
            raise CutOff

    return stop


def cut_off(engine, file, config, after: int) -> bool:
    """Solves until so many rounds have ended; whether it got so far."""
    try:
        engine.solve(PROBLEMS, config, progress=until(after), resume=file)
    except CutOff:
        return True
    return False


def assert_goes_on(engine, file, config, stride: int = 1) -> int:
    """However many rounds it was cut off after; how many there are."""
    expected = without_times(engine.solve(PROBLEMS, config))
    rounds = 0
    while cut_off(engine, file, config, rounds):
        assert file.exists() == bool(rounds)
        told = {}
        found = engine.solve(
            PROBLEMS, config, finished=told.__setitem__, resume=file
        )
        assert without_times(found) == expected
        assert told == dict(enumerate(found))
        assert list(file.parent.iterdir()) == []
        rounds += stride
    assert list(file.parent.iterdir()) == []
    return rounds


# --- The same solutions -----------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"strategy": "majority"},
        {"strategy": "mcts", "tokens": 400, "adaptive": True},
        {"verifiers": "both", "verdict_delay": 1},
    ],
    ids=lambda changes: "-".join(map(str, changes.values())) or "beam",
)
def test_a_search_goes_on(engine, file, changes):
    config = dataclasses.replace(CONFIG, **changes)
    assert assert_goes_on(engine, file, config, 2 if changes else 1) > 3


def test_a_search_in_lanes_goes_on(engine, file, monkeypatch):
    """While one lane is judged the other computes: nobody has asked of it."""
    monkeypatch.setattr(engine_lib, "_lanes", lambda config: 2)
    config = dataclasses.replace(
        CONFIG, batch=4, verifiers="both", verdict_delay=1
    )
    assert assert_goes_on(engine, file, config) > 6


def test_a_reward_model_apart_in_bfloat16_goes_on(file):
    def narrow(model: Learned) -> Learned:
        values = jax.tree.map(lambda x: x.astype(jnp.bfloat16), model.params)
        return dataclasses.replace(model, params=values)

    with Engine(
        narrow(testing.learned()),
        testing.text(),
        rewards=[narrow(testing.learned(1))],
    ) as apart:
        assert cut_off(apart, file, CONFIG, 2)
        found = apart.solve(PROBLEMS, CONFIG, resume=file)
        expected = apart.solve(PROBLEMS, CONFIG)
    assert without_times(found) == without_times(expected)


def test_a_search_on_a_mesh_goes_on(file):
    mesh = sharding.make_mesh(4, 2)
    with testing.engine(mesh=mesh) as spread:
        config = dataclasses.replace(CONFIG, batch=4)
        assert cut_off(spread, file, config, 2)
        found = spread.solve(PROBLEMS, config, resume=file)
        expected = spread.solve(PROBLEMS, config)
    assert without_times(found) == without_times(expected)


def test_a_search_with_tools_goes_on(file):
    """Outputs that were not read yet, and names that a chain has given."""
    follow = {
        "?": [">>> n = 20\n", ">>> n = 21\n"],
        ">>> n = 20\n": [">>> n * 2\n"],
        ">>> n = 21\n": [">>> n * 2\n"],
        "\n": ["x = 7"],
        "x = 7": [END],
    }
    config = dataclasses.replace(CONFIG, tools="python", output_tokens=8)
    problems = ["How many?", "What?", "Why?"]
    with bigrams.engine(follow) as writer:
        expected = writer.solve(problems, config)
        for rounds in range(1, 7):
            with pytest.raises(CutOff):
                writer.solve(
                    problems, config, progress=until(rounds), resume=file
                )
            found = writer.solve(problems, config, resume=file)
            assert without_times(found) == without_times(expected)
    outputs = {t.output for s in expected for t in s.thoughts}
    assert {""} < outputs <= {"", "40", "42"}


def test_a_trunk_that_has_grown_goes_on(engine, file):
    config = dataclasses.replace(
        CONFIG,
        branches=1,
        width=1,
        chain_tokens=160,
        step_tokens=16,
        rounds=9,
        temperature=0.0,
    )
    expected = engine.solve(PROBLEMS, config)
    slots = []
    for rounds in (1, 12):
        file.unlink(missing_ok=True)
        assert cut_off(engine, file, config, rounds)
        rewrite(file, lambda record, _: slots.extend(record["slots"]))
    assert slots[0][0] < slots[1][0]
    found = engine.solve(PROBLEMS, config, resume=file)
    assert without_times(found) == without_times(expected)


def test_a_fused_search_keeps_what_has_ended(engine, file):
    config = dataclasses.replace(CONFIG, execution="fused")
    expected = without_times(engine.solve(PROBLEMS, config))
    kept = set()
    rounds = 0
    while cut_off(engine, file, config, rounds):
        events = []
        found = engine.solve(
            PROBLEMS,
            config,
            progress=lambda _, events=events: events.append(None),
            finished=lambda number, _, events=events: events.append(number),
            resume=file,
        )
        assert without_times(found) == expected
        numbers = [number for number in events if number is not None]
        assert sorted(numbers) == list(range(len(PROBLEMS)))
        kept.add((events + [None]).index(None))
        rounds += 1
    # The problem that is refused at once, then one and two at a time.
    assert {1, 3} <= kept


def test_an_adaptive_fused_search_keeps_to_its_tokens(engine, file):
    config = dataclasses.replace(
        CONFIG, execution="fused", tokens=100, adaptive=True
    )
    for rounds in range(1, 8):
        if not cut_off(engine, file, config, rounds):
            break
        found = engine.solve(PROBLEMS, config, resume=file)
        spent = [solution.tokens["generator"] for solution in found]
        assert sum(spent) <= 100 * (len(PROBLEMS) - 1)
    assert rounds > 3


def test_clocks_go_on(engine, file):
    """They count the time that was spent, not the time in between."""
    slow = dataclasses.replace(CONFIG, seconds=1e6)
    moments = []

    def stop(progress):
        moments.append(progress)
        if len(moments) == 3:
            raise CutOff

    with pytest.raises(CutOff):
        engine.solve(PROBLEMS, slow, progress=stop, resume=file)
    found = engine.solve(PROBLEMS, slow, progress=moments.append, resume=file)
    assert [m.round for m in moments[3:]] == list(range(3, len(moments)))
    assert moments[3].seconds > moments[1].seconds
    assert moments[-1].tokens == sum(s.tokens["generator"] for s in found)


CHILD = """
import json, sys
from jaxlrm import config, resume, solution, testing
resume.INTERVAL, resume._SHARE = 0.0, 1e9
problems, settings, file = json.loads(sys.argv[1])
with testing.engine() as engine:
    found = engine.solve(
        problems,
        config.from_json(config.SearchConfig, settings),
        progress=lambda now: print(now.round, flush=True),
        resume=file,
    )
print(json.dumps(resume.to_json(found)))
"""


def test_a_killed_process_goes_on(engine, file):
    """By SIGKILL in the middle of its work, twice."""
    config = dataclasses.replace(
        CONFIG, verifiers="both", verdict_delay=1, branches=8
    )
    settings = {
        field.name: getattr(config, field.name)
        for field in dataclasses.fields(config)
    }
    command = json.dumps([PROBLEMS, settings, str(file)])

    def start():
        # As the engine of this process sees it: one mesh, of one device.
        return subprocess.Popen(
            [sys.executable, "-c", CHILD, command],
            stdout=subprocess.PIPE,
            text=True,
        )

    reached = 0
    for last in (3, 6):
        with start() as process:
            for line in process.stdout:
                assert int(line) >= reached  # it has not started again
                reached = int(line)
                if reached == last:
                    break
            process.send_signal(signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL
        assert file.exists()
    with start() as process:
        *rounds, result = process.stdout
    assert int(rounds[0]) >= reached
    found = resume.from_json(list[Solution], json.loads(result))
    assert without_times(found) == without_times(engine.solve(PROBLEMS, config))
    assert list(file.parent.iterdir()) == []


# --- The loop without an engine ---------------------------------------------

SCRIPTS = [
    tuple(
        step(
            f"{word}{i}",
            i / 10,
            cut(f"{word}c", 0.6, answer(f"{word}!", 0.4)),
            step(f"{word}t", 0.7, step(f"{word}u", 0.2), answer(f"{word}?")),
            step(f"{word}x", 0.9, verdict=Verdict.INVALID),
        )
        for i in range(5)
    )
    for word in "abcd"
]


@functools.cache
def scripted(name: str, slots: int, late: bool):
    settings = SearchConfig(
        strategy=name,
        branches=4,
        width=2,
        step_tokens=4,
        chain_tokens=40,
        rounds=5,
    )
    strategy = strategies.build(settings)
    model = testing.scripted_model(slots, 4, sampled=True)
    start = jax.jit(functools.partial(search.initial, model, strategy, slots))
    return strategy, start, search.compile_rounds(model, strategy, late=late)


def run(name, slots, lanes, late, cuts, path) -> list[str]:
    """The trees; the run is cut off after the rounds of these numbers."""
    strategy, start, programs = scripted(name, slots, late)
    verify, before = testing.verdicts_of(SCRIPTS), {}
    queue = [(i, jax.random.key(i)) for i in range(len(SCRIPTS))]

    def begin():
        return search.begin([start() for _ in range(lanes)], strategy)

    def ask(seen):
        verdict = verify(seen)
        if late:
            last = before.get(seen.first, np.zeros_like(verdict))
            before[seen.first], verdict = verdict, last
        return search.no_reply(slots, strategy)._replace(verdict=verdict)

    def stack(rows):
        return Prompts(
            np.array(rows, np.int32)[:, None], np.ones(len(rows), np.int32)
        )

    trees, number = {}, 0
    progress = begin()
    while progress is not None:
        rounds = search.run(
            programs,
            testing.compile_scripts(SCRIPTS, strategy.step_tokens),
            progress,
            queue,
            stack,
            ask,
        )
        progress = None
        for seen, lane in rounds:
            for row in np.flatnonzero(seen.finished & (seen.problems >= 0)):
                tree = testing.outline(lane.state.tree, row)
                trees[int(seen.problems[row])] = tree
            number += 1
            if number in cuts:
                keeper = resume.Keeper(path, {})
                keeper._write(resume.pack(rounds.gi_frame.f_locals["progress"]))
                rounds.close()
                saved = resume.Keeper(path, {}).saved
                progress = resume.unpack(saved, begin(), len(queue))
                for lane in progress.lanes:
                    lane.state = jax.tree.map(jnp.asarray, lane.state)
                break
    return [trees[number] for number in range(len(SCRIPTS))]


@given(
    name=st.sampled_from(["beam", "mcts", "majority"]),
    slots=st.sampled_from([1, 3]),
    lanes=st.sampled_from([1, 2]),
    late=st.booleans(),
    cuts=st.sets(st.integers(1, 16), max_size=8),
)
@settings(max_examples=10)
def test_a_run_goes_on_after_any_round(
    tmp_path_factory, name, slots, lanes, late, cuts
):
    path = tmp_path_factory.getbasetemp() / "loop"
    path.unlink(missing_ok=True)
    whole = run(name, slots, lanes, late, (), path)
    assert run(name, slots, lanes, late, cuts, path) == whole


# --- Files that are refused -------------------------------------------------


@pytest.fixture
def kept(engine, file):
    """A file of a search that was cut off."""
    assert cut_off(engine, file, CONFIG, 2)
    return file


@pytest.mark.parametrize("size", [0, 0.001, 0.2, 0.5, 0.999])
def test_a_truncated_file(engine, kept, size):
    content = kept.read_bytes()
    kept.write_bytes(content[: int(size * len(content))])
    with pytest.raises(ValueError, match="damaged.*delete it"):
        engine.solve(PROBLEMS, CONFIG, resume=kept)
    assert kept.exists()


@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
@settings(max_examples=30)
def test_a_changed_bit(engine, tmp_path_factory, place, bit):
    """It is refused, unless it changes nothing."""
    path = tmp_path_factory.getbasetemp() / "bit"
    saved = resume.Saved({"a": 1}, {"b": np.arange(99), "c": np.ones((2, 3))})
    resume.Keeper(path.with_name("none"), {})._write(saved)
    content = bytearray(path.with_name("none").read_bytes())
    content[int(place * len(content))] ^= 1 << bit
    path.write_bytes(content)
    path.with_name("none").unlink()
    try:
        found = resume.Keeper(path, {}).saved
    except ValueError as error:
        assert "damaged" in str(error) or "another search" in str(error)
        return
    assert found.record == saved.record
    assert found.arrays.keys() == saved.arrays.keys()
    for name, array in found.arrays.items():
        np.testing.assert_array_equal(array, saved.arrays[name])


class Trap:
    """Pickled, it leaves a file where it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def foreign(name: str, folder) -> bytes:
    out = io.BytesIO()
    if name == "text":
        return b"once upon a time"
    if name == "pickle":
        return pickle.dumps(Trap(folder / "trap"))
    if name == "array":
        np.save(out, np.arange(3))
    elif name == "arrays":
        np.savez(out, a=np.arange(3))
    elif name == "objects":
        np.savez(out, json=np.array([Trap(folder / "trap")]))
    elif name == "compressed":
        np.savez_compressed(out, json=np.zeros(9, np.uint8))
    elif name == "deep":
        deep = np.frombuffer(b"[" * 100_000, np.uint8)
        np.savez(out, json=deep)
    elif name == "huge":
        with zipfile.ZipFile(out, "w") as archive:
            header = io.BytesIO()
            np.lib.format.write_array_header_1_0(
                header,
                {"descr": "<f8", "fortran_order": False, "shape": (1 << 45,)},
            )
            archive.writestr("json.npy", header.getvalue())
    else:
        record = {
            "list": [],
            "string": "x",
            "other": {"format": resume._FORMAT, "arrays": []},
            "newer": {
                "format": resume._FORMAT + 1,
                "identity": {},
                "record": {},
                "arrays": [],
            },
            "flat": {
                "format": resume._FORMAT,
                "identity": 3,
                "record": {},
                "arrays": [],
            },
            "lacking": {
                "format": resume._FORMAT,
                "identity": {},
                "record": {},
                "arrays": ["b"],
            },
        }[name]
        text = np.frombuffer(json.dumps(record).encode(), np.uint8)
        np.savez(out, json=text)
    return out.getvalue()


@pytest.mark.parametrize(
    "name",
    [
        *("text", "pickle", "array", "arrays", "objects", "compressed"),
        *(
            "deep",
            "huge",
            "list",
            "string",
            "other",
            "newer",
            "flat",
            "lacking",
        ),
    ],
)
def test_a_foreign_file(file, name):
    file.write_bytes(foreign(name, file.parent))
    with pytest.raises(ValueError, match="no saved search.*delete it"):
        resume.Keeper(file, {})
    assert not (file.parent / "trap").exists()


def rewrite(path, change) -> None:
    """Changes the record or the arrays of a file."""
    with np.load(path) as archive:
        arrays = dict(archive)
    header = json.loads(arrays.pop("json").tobytes())
    change(header["record"], arrays)
    header["arrays"] = sorted(arrays)
    text = np.frombuffer(json.dumps(header).encode(), np.uint8)
    with open(path, "wb") as out:
        np.savez(out, json=text, **arrays)


def first_page(record) -> dict:
    return next(iter(record["journal"]["pages"].values()))


@pytest.mark.parametrize(
    "change",
    [
        lambda record, arrays: record.pop("journal"),
        lambda record, arrays: record.update(coming=99),
        lambda record, arrays: record.update(coming="1"),
        lambda record, arrays: record.update(asked=[True, True]),
        lambda record, arrays: record.update(slots=[]),
        lambda record, arrays: record.update(slots=[[1, 1]]),
        lambda record, arrays: record.update(slots=[["a", 1]]),
        lambda record, arrays: record.update(slots=[[10**12, 10**12]]),
        lambda record, arrays: arrays.popitem(),
        lambda record, arrays: arrays.update(more=np.ones(3)),
        lambda record, arrays: arrays.update(
            {name: array.astype(np.int8) for name, array in arrays.items()}
        ),
        lambda record, arrays: arrays.update(
            {name: array[:1] for name, array in arrays.items()}
        ),
        lambda record, arrays: arrays.update(
            {"0['problems']": np.array([7, 7])}
        ),
        lambda record, arrays: record["journal"].update(pot="much"),
        lambda record, arrays: record["journal"].update(more=1),
        lambda record, arrays: record["journal"].update(late={"0": [77]}),
        lambda record, arrays: record["journal"].update(pages={"x": {}}),
        lambda record, arrays: first_page(record).update(number=77),
        lambda record, arrays: first_page(record).update(nodes={"0": 10**6}),
        lambda record, arrays: first_page(record).update(last={"0": -1}),
        lambda record, arrays: first_page(record)["entries"][0][
            "thought"
        ].update(parent=0),
        lambda record, arrays: first_page(record)["entries"][0][
            "thought"
        ].update(verdict=9),
    ],
)
def test_a_file_that_does_not_fit(engine, kept, change):
    rewrite(kept, change)
    told = []
    with pytest.raises(ValueError, match="damaged.*delete it"):
        engine.solve(
            PROBLEMS,
            CONFIG,
            finished=lambda number, _: told.append(number),
            resume=kept,
        )
    assert told == [1]  # the empty problem, which no file is asked about


@pytest.mark.parametrize(
    ("problems", "changes", "message"),
    [
        (PROBLEMS, {"branches": 8}, "branches is 4 there and 8 here"),
        (
            PROBLEMS,
            {"strategy": "mcts", "seed": 1},
            "seed is 0 there and 1 here; "
            "strategy is 'beam' there and 'mcts' here",
        ),
        (PROBLEMS[:-1], {}, r"problems is '5 \(.*\)' there and '4 \("),
        ([*PROBLEMS[:-1], "x"], {}, "problems is '5 .* and '5 "),
    ],
)
def test_the_file_of_another_search(engine, kept, problems, changes, message):
    content = kept.read_bytes()
    with pytest.raises(ValueError, match=f"another search: .*{message}"):
        engine.solve(problems, CONFIG, resume=kept, **changes)
    assert kept.read_bytes() == content


def test_the_file_of_another_model(kept):
    with (
        testing.engine(seed=1) as other,
        pytest.raises(ValueError, match="search: model is '.*take its set"),
    ):
        other.solve(PROBLEMS, CONFIG, resume=kept)


def test_the_file_of_another_version(engine, kept, monkeypatch):
    monkeypatch.setattr(sys.modules["jaxlrm"], "__version__", "99.0")
    with pytest.raises(ValueError, match="version is '.*' there and '99.0'"):
        engine.solve(PROBLEMS, CONFIG, resume=kept)


def test_a_folder_that_is_not_there(engine, tmp_path):
    with pytest.raises(FileNotFoundError, match="no folder .*nowhere; make it"):
        engine.solve(PROBLEMS, CONFIG, resume=tmp_path / "nowhere" / "file")


# --- Writing ----------------------------------------------------------------


def test_a_write_that_fails_leaves_the_one_before(engine, kept, monkeypatch):
    before = kept.read_bytes()

    def fail(file, **arrays):
        file.write(b"PK half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(resume.np, "savez", fail)
    with (
        pytest.warns(UserWarning, match="could not be saved.*No space left"),
        pytest.raises(CutOff),
    ):
        engine.solve(PROBLEMS, CONFIG, progress=until(4), resume=kept)
    assert kept.read_bytes() == before
    with pytest.warns(UserWarning, match="could not be saved"):
        found = engine.solve(PROBLEMS, CONFIG, resume=kept)
    expected = engine.solve(PROBLEMS, CONFIG)
    assert without_times(found) == without_times(expected)
    assert list(kept.parent.iterdir()) == []


def test_it_is_written_from_time_to_time(tmp_path, monkeypatch):
    """Every half a minute, or less often where writing takes long."""
    now, takes = [0.0], [0.1]
    monkeypatch.setattr(
        resume, "time", types.SimpleNamespace(monotonic=lambda: now[0])
    )
    keeper = resume.Keeper(tmp_path / "search", {})
    written = []

    def make():
        written.append(now[0])
        now[0] += takes[0]
        return resume.Saved({}, {})

    for second in range(1, 200):
        now[0] = max(now[0], float(second))
        keeper.offer(make)
        if second == 100:
            takes[0] = 3.0
    assert written == [30.0, 61.0, 92.0, 123.0, 186.0]


def test_nothing_is_written_of_a_short_search(engine, tmp_path, monkeypatch):
    monkeypatch.setattr(resume.Keeper, "_write", None)
    engine.solve(PROBLEMS, CONFIG, resume=tmp_path / "search")
    assert list(tmp_path.iterdir()) == []


# --- Records ----------------------------------------------------------------


def test_records_are_read_as_they_were_written():
    thought = Thought(
        -1, 0, "a\ud800\x00", "step", None, Verdict.TIMEOUT, True, 2, 3, "o"
    )
    for annotation, value in (
        (Thought, thought),
        (tuple[Thought, ...], (thought, thought)),
        (dict[int, list[int]], {3: [1, 2], -1: []}),
        (float | None, 0.1),
        (float | None, None),
    ):
        text = json.dumps(resume.to_json(value))
        assert resume.from_json(annotation, json.loads(text)) == value


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (int, True),
        (int, 1.0),
        (float, 1),
        (str, None),
        (list[int], {}),
        (tuple[int, ...], ["a"]),
        (dict[int, int], {"a": 1}),
        (dict[int, int], []),
        (Verdict, 5),
        (Verdict, "VALID"),
        (float | None, "x"),
        (Thought, {}),
    ],
)
def test_records_of_another_type(annotation, value):
    with pytest.raises(ValueError):
        resume.from_json(annotation, value)


def test_fingerprints_tell_parameters_apart():
    values = testing.learned().params
    first = resume.fingerprint(values)
    assert first == resume.fingerprint(jax.tree.map(jnp.asarray, values))
    assert len(first) == 16
    bias = values.value_head.replace(bias=values.value_head.bias + 1e-6)
    swapped = values.replace(embedding=values.embedding[::-1])
    narrow = jax.tree.map(lambda x: x.astype(jnp.bfloat16), values)
    others = (values.replace(value_head=bias), swapped, narrow)
    assert len({first, *map(resume.fingerprint, others)}) == 4
