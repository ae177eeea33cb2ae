import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

import pytest

import jaxlrm.verify
from jaxlrm.verify import check_step
from jaxlrm.verify.verdict import Verdict
from jaxlrm.verify.workers import Pool

# A module of jobs; the pool imports it by name, as it would a user's own.
JOBS = """
import ctypes, os, sys, time
from jaxlrm.verify.verdict import Verdict

def parity(number):
    return Verdict.INVALID if number % 2 else Verdict.VALID

def sleep(seconds, _=0):
    time.sleep(seconds)
    return Verdict.VALID

def spin(_):
    while True:
        pass

def greedy(size):
    return Verdict.VALID if len(bytearray(size)) == size else Verdict.INVALID

def fail(_):
    raise KeyError("no")

def shout(_):
    raise ValueError(1000 * "é")

def leave(_):
    sys.exit(0)

def vanish(_):
    os._exit(0)

def crash(_):
    ctypes.string_at(0)

def deep(_):
    return deep(_)

def plain(_):
    return True

def echo(value, seconds=0.0):
    time.sleep(seconds)
    return value

def opaque():
    return object()

def long(size):
    return "x" * size

def record(path, seconds=0.0, _=0):
    with open(path, "a") as file:
        file.write(f"{os.getpid()} {os.getppid()}\\n")
    time.sleep(seconds)
    return Verdict.VALID

def shape(text, sequence, number):
    right = text == "\\ud800é" and sequence == [1, ["a"]] and number == 10**30
    return Verdict.VALID if right else Verdict.INVALID

def surroundings():
    import threading
    clean = "jax" not in sys.modules and threading.active_count() == 1
    here = "/dev/fd" if sys.platform == "darwin" else "/proc/self/fd"
    few = len(os.listdir(here)) <= 8
    return Verdict.VALID if clean and few and "SECRET" not in os.environ \\
        else Verdict.INVALID
"""
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="limits of Linux")


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory):
    """Where the module of jobs is; on the path of pools made here."""
    folder = tmp_path_factory.mktemp("jobs")
    (folder / "pool_jobs.py").write_text(JOBS)
    sys.path.insert(0, str(folder))
    yield folder
    sys.path.remove(str(folder))


@pytest.fixture(scope="module")
def jobs(folder):
    import pool_jobs

    return pool_jobs


def make_pool(**settings):
    settings = {"deadline": 1.0} | settings
    return Pool(modules=("pool_jobs", "jaxlrm.verify.steps"), **settings)


@pytest.fixture(scope="module")
def pool(folder):
    with make_pool() as pool:
        yield pool


def alive(pid):
    """Does the process run? A zombie does not."""
    state = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True
    ).stdout.strip()
    return bool(state) and not state.startswith("Z")


def wait_until(condition, seconds=10.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def recorded(path):
    """The process ids in a file of `record`."""
    with contextlib.suppress(FileNotFoundError):
        return [
            tuple(map(int, line.split()))
            for line in path.read_text().splitlines()
        ]
    return []


def test_verdicts_come_in_the_order_of_the_jobs(pool, jobs):
    numbers = [(number % 777,) for number in range(2000)]
    assert pool.map(jobs.parity, numbers) == [
        Verdict.INVALID if number % 2 else Verdict.VALID
        for (number,) in numbers
    ]
    assert pool.map(jobs.parity, []) == []


def test_checks_steps(pool):
    steps = [("2*x = 10", f"2 * {root} = 10") for root in range(10)]
    verdicts = pool.map(check_step, steps)
    assert verdicts.index(Verdict.VALID) == 5
    assert verdicts.count(Verdict.INVALID) == 9


def test_plain_values_come_back(pool, jobs):
    """Whatever stands beside them: a job that is killed costs itself alone."""
    values = [None, True, 5, 0.5, "\ud800é\n", [1, ["a", None]], []]
    given = [(value, 0.0) for value in values]
    given[3:3] = [("slow", 60.0)]
    found = pool.map(jobs.echo, given, plain=True)
    assert found[3] is Verdict.TIMEOUT
    assert found[:3] + found[4:] == values
    assert pool.map(jobs.echo, given[:3], plain=True) == values[:3]


def test_a_plain_value_is_no_verdict(pool, jobs):
    assert pool.map(jobs.echo, [(1,)]) == [Verdict.ERROR]
    assert "1, which is no Verdict" in pool.failure(jobs.echo)


def test_values_that_do_not_fit_are_errors(pool, jobs):
    assert pool.map(jobs.opaque, [()], plain=True) == [Verdict.ERROR]
    most = (1 << 14) - 2  # and two quotation marks
    found = pool.map(jobs.long, [(10,), (most + 1,), (most,)], plain=True)
    assert found == ["x" * 10, Verdict.ERROR, "x" * most]


def test_plain_arguments_arrive(pool, jobs):
    arguments = ("\ud800é", (1, ("a",)), 10**30)
    assert pool.map(jobs.shape, [arguments]) == [Verdict.VALID]


def test_batches_overlap(pool, jobs):
    slow = pool.start(jobs.sleep, [(0.2, 1)])
    quick = pool.start(jobs.parity, [(1001,)])
    assert quick.result() == [Verdict.INVALID]
    with pytest.raises(TimeoutError, match="1 of 1"):
        slow.result(timeout=0.0)
    assert slow.so_far(0.0) == [Verdict.TIMEOUT]
    assert slow.so_far(5.0) == [Verdict.VALID]
    assert slow.result(timeout=5) == [Verdict.VALID]


def test_many_threads(pool, jobs):
    results = {}

    def work(first):
        numbers = [(number,) for number in range(first, first + 300)]
        results[first] = pool.map(jobs.parity, numbers)

    threads = [threading.Thread(target=work, args=(n,)) for n in (0, 150, 300)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for first, verdicts in results.items():
        assert verdicts == [
            Verdict.INVALID if number % 2 else Verdict.VALID
            for number in range(first, first + 300)
        ]


@pytest.mark.parametrize("name", ["spin", "sleep"])
def test_a_time_out_costs_one_job(jobs, name):
    numbers = [(number,) for number in range(200)]
    with make_pool(deadline=1.0) as pool:
        before = pool.start(jobs.parity, numbers)
        late = pool.start(getattr(jobs, name), [(9,)])
        after = pool.start(jobs.parity, [(1000 + n,) for (n,) in numbers])
        assert late.result() == [Verdict.TIMEOUT]
        assert set(before.result()) == {Verdict.VALID, Verdict.INVALID}
        assert before.result() == after.result()
        statistics = pool.statistics
    assert statistics.timeouts == 1
    assert statistics.errors == 0
    assert statistics.restarts == 1
    assert 1.0 <= statistics.busy_seconds < 3.0


def test_the_deadline_is_for_each_job_and_not_for_its_queue(jobs):
    # Two workers, eight jobs each, four in a chunk.
    with make_pool(deadline=0.9) as pool:
        verdicts = pool.map(jobs.sleep, [(0.25, n) for n in range(16)])
        busy = pool.statistics.busy_seconds
    assert verdicts == [Verdict.VALID] * 16
    assert 4.0 <= busy < 12.0


def test_a_time_out_within_a_chunk(jobs):
    # One worker and few chunks: the slow ones share theirs with quick ones.
    seconds = [(9.0 if n in (3, 40) else 0.0, n) for n in range(64)]
    with make_pool(workers=1, deadline=1.0) as pool:
        verdicts = pool.map(jobs.sleep, seconds)
    assert [n for n in range(64) if verdicts[n] is Verdict.TIMEOUT] == [3, 40]
    assert verdicts.count(Verdict.VALID) == 62


@pytest.mark.parametrize(
    ("name", "failure"),
    [
        ("fail", "KeyError: 'no'"),
        ("leave", "SystemExit: 0"),
        ("vanish", ""),
        ("crash", ""),
        ("deep", "RecursionError: maximum recursion depth exceeded"),
        ("plain", "TypeError: it returned True, which is no Verdict"),
        ("parity", "TypeError: not all arguments converted during string "),
        ("shout", "ValueError: " + 122 * "é"),  # 256 bytes
    ],
)
def test_failures_are_errors(pool, jobs, name, failure):
    bad = ("not a number",)
    function = getattr(jobs, name)
    assert pool.map(function, [bad]) == [Verdict.ERROR]
    found = pool.failure(function)
    assert found.startswith(failure) and bool(found) == bool(failure)
    assert pool.map(jobs.parity, [(2,), (3,)]) == [
        Verdict.VALID,
        Verdict.INVALID,
    ]


def test_crashes_within_a_chunk_cost_one_job_each(jobs):
    with make_pool(workers=1) as pool:
        crashing = pool.start(jobs.vanish, [(n,) for n in range(6)])
        quick = pool.start(jobs.parity, [(n,) for n in range(100)])
        assert crashing.result() == [Verdict.ERROR] * 6
        assert quick.result() == [Verdict.VALID, Verdict.INVALID] * 50
        assert pool.statistics.restarts == 6


@LINUX
def test_memory_is_limited(pool, jobs):
    sizes = [(2**20,), (2**33,), (2**21,)]
    assert pool.map(jobs.greedy, sizes) == [
        Verdict.VALID,
        Verdict.ERROR,
        Verdict.VALID,
    ]


def test_a_worker_killed_from_outside_loses_nothing(jobs, tmp_path):
    path = tmp_path / "pids"
    with make_pool(deadline=5.0) as pool:
        batch = pool.start(
            jobs.record, [(str(path), 0.02, n) for n in range(60)]
        )
        wait_until(lambda: recorded(path))
        os.kill(recorded(path)[0][0], signal.SIGKILL)
        assert batch.result() == [Verdict.VALID] * 60
        assert pool.statistics.restarts == 1
    assert len(recorded(path)) in (60, 61)  # that job may have run again


@pytest.mark.parametrize(
    ("runs", "verdicts"),
    [
        # Two jobs of a chunk lose their worker, each once.
        ((1, 3), [Verdict.VALID] * 4),
        # One job loses its worker twice.
        ((1, 2), [Verdict.ERROR] + [Verdict.VALID] * 3),
    ],
)
def test_a_job_is_blamed_for_its_second_kill(jobs, tmp_path, runs, verdicts):
    path = tmp_path / "pids"
    with make_pool(workers=1, deadline=5.0) as pool:
        # The first two share a chunk.
        batch = pool.start(jobs.record, [(str(path), 0.4, n) for n in range(4)])
        for run in runs:
            wait_until(lambda: len(recorded(path)) == run)  # noqa: B023
            os.kill(recorded(path)[-1][0], signal.SIGKILL)
        assert batch.result() == verdicts
        assert pool.statistics.restarts == 2


# A process that tells its progress without a pause, and one that reads it.
PROGRESS = """
import os, signal
from jaxlrm.verify.workers.protocol import Shared
shared = Shared()
shared.begin(63, 1e6, 1.0)
pid = os.fork()
while not pid:
    shared.begin(63, 1e6, 1.0)
seen = {(shared.running(), shared.busy()) for _ in range(100_000)}
os.kill(pid, signal.SIGKILL)
assert seen == {((1e6, 63), 1.0)}, seen
"""


def test_progress_is_never_seen_half_written():
    root = pathlib.Path(jaxlrm.verify.__file__).parents[2]
    subprocess.run(
        [sys.executable, "-c", PROGRESS],
        check=True,
        env=os.environ | {"PYTHONPATH": str(root)},
    )


def test_a_zygote_killed_while_it_starts_is_replaced(folder, jobs, tmp_path):
    path = tmp_path / "zygotes"
    (folder / "slow_jobs.py").write_text(
        f"import os, time\nwith open({str(path)!r}, 'a') as file:\n"
        "    file.write(f'{os.getpid()} 0\\n')\ntime.sleep(0.3)\n"
    )
    with Pool(modules=("pool_jobs", "slow_jobs"), deadline=5.0) as pool:
        batch = pool.start(jobs.sleep, [(0.5, n) for n in range(4)])
        for starts in (1, 2):
            wait_until(lambda: len(recorded(path)) == starts)  # noqa: B023
            os.kill(recorded(path)[-1][0], signal.SIGKILL)
        assert batch.result() == [Verdict.VALID] * 4
        assert len(recorded(path)) == 3


def test_a_killed_zygote_is_replaced(jobs, tmp_path):
    path = tmp_path / "pids"
    with make_pool(deadline=5.0) as pool:
        batch = pool.start(
            jobs.record, [(str(path), 0.02, n) for n in range(20)]
        )
        wait_until(lambda: recorded(path))
        os.kill(recorded(path)[0][1], signal.SIGKILL)
        assert batch.result() == [Verdict.VALID] * 20
        assert pool.statistics.restarts == 1


def test_a_zygote_that_always_dies_fails_the_pool(jobs, tmp_path):
    path = tmp_path / "pids"
    with make_pool(workers=1, deadline=20.0) as pool:
        batch = pool.start(jobs.record, [(str(path), 20.0)])
        for deaths in range(3):
            wait_until(lambda: len(recorded(path)) > deaths)  # noqa: B023
            os.kill(recorded(path)[-1][1], signal.SIGKILL)
        with pytest.raises(RuntimeError, match="3 times"):
            batch.result()
        with pytest.raises(RuntimeError, match="3 times"):
            pool.map(jobs.parity, [(1,)])


def test_equal_jobs_are_computed_once(jobs, tmp_path):
    path = tmp_path / "pids"
    with make_pool(cache=10) as pool:
        job = (str(path), 0.1)
        batches = [pool.start(jobs.record, [job] * 5) for _ in range(3)]
        for batch in batches:
            assert batch.result() == [Verdict.VALID] * 5
        assert pool.map(jobs.record, [job]) == [Verdict.VALID]
        assert len(recorded(path)) == 1
        assert pool.statistics.checks == 16
        assert pool.statistics.cache_hits == 15
        # Ten others push it out.
        pool.map(jobs.parity, [(n,) for n in range(10)])
        pool.map(jobs.record, [job])
        assert len(recorded(path)) == 2


def test_time_outs_are_not_remembered(jobs):
    with make_pool(deadline=0.05) as pool:
        for _ in range(2):
            assert pool.map(jobs.sleep, [(9,)] * 2) == [Verdict.TIMEOUT] * 2
        assert pool.statistics.timeouts == 2
        assert pool.statistics.cache_hits == 2


def test_workers_are_clean(jobs, monkeypatch):
    monkeypatch.setenv("SECRET", "1")
    with open(os.devnull) as file:
        os.set_inheritable(file.fileno(), True)
        with make_pool() as pool:
            assert pool.map(jobs.surroundings, [()]) == [Verdict.VALID]


def test_only_functions_of_the_modules_run(pool, jobs):
    for function in (os.getpid, lambda: 0, Pool.map, wait_until):
        with pytest.raises(ValueError, match="top-level function of pool_jobs"):
            pool.start(function, [()])
    with pytest.raises(TypeError, match="as a tuple"):
        pool.start(jobs.parity, [3])
    with pytest.raises(TypeError, match="serializable"):
        pool.start(jobs.parity, [(object(),)])


def test_arguments_are_checked(folder):
    with pytest.raises(ValueError, match="workers is 0"):
        Pool(workers=0)
    with pytest.raises(ImportError, match="no_such_module"):
        Pool(modules=("no_such_module",))
    (folder / "jax").mkdir()
    (folder / "jax" / "__init__.py").touch()
    (folder / "with_jax.py").write_text("import jax\n")
    with pytest.raises(ImportError, match="imports jax"):
        Pool(modules=("with_jax",))


def test_close_ends_everything(jobs, tmp_path):
    path = tmp_path / "pids"
    pool = make_pool(deadline=30.0)
    batch = pool.start(jobs.record, [(str(path), 30.0)])
    wait_until(lambda: recorded(path))
    pool.close()
    pool.close()
    assert not any(map(alive, recorded(path)[0]))
    with pytest.raises(RuntimeError, match="closed"):
        batch.result()
    with pytest.raises(RuntimeError, match="closed"):
        pool.start(jobs.parity, [(1,)])


PROGRAM = """
import signal, sys
# Where tests run in the background, SIGINT is ignored and so inherited.
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.path[:0] = {path!r}
import pool_jobs
from jaxlrm.verify.workers import Pool
with Pool(modules=("pool_jobs",), deadline=60.0) as pool:
    pool.map(pool_jobs.record, [({file!r}, 60.0, n) for n in range(2)])
"""


@pytest.mark.parametrize("name", ["SIGKILL", "SIGINT", "SIGTERM"])
def test_no_process_survives_its_parent(folder, tmp_path, name):
    file = tmp_path / "pids"
    root = pathlib.Path(jaxlrm.verify.__file__).parents[2]
    program = PROGRAM.format(path=[str(folder), str(root)], file=str(file))
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    wait_until(lambda: len(recorded(file)) == 2)
    pids = {pid for line in recorded(file) for pid in line}
    assert len(pids) == 3
    # To the whole group, as a terminal sends Ctrl-C.
    os.killpg(process.pid, getattr(signal, name))
    _, errors = process.communicate(timeout=10)
    assert ("KeyboardInterrupt" in errors) == (name == "SIGINT")
    assert process.returncode != 0
    wait_until(lambda: not any(map(alive, pids)))


def test_importing_the_package_is_light():
    program = (
        "import sys, jaxlrm.verify; "
        "sys.exit(bool({'jax', 'sympy', 'numpy'} & sys.modules.keys()))"
    )
    root = pathlib.Path(jaxlrm.verify.__file__).parents[2]
    subprocess.run(
        [sys.executable, "-c", program],
        check=True,
        env=os.environ | {"PYTHONPATH": str(root)},
    )
