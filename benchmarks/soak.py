r"""Mixed checks and resource bombs, while processes are killed at random.

    python benchmarks/soak.py --checks=100000

Strings are made by fixed rules from a seed, so that each verdict is known:
answers and steps that must be VALID, others that must be INVALID, and 5 % bombs
that no honest verifier decides. No two checks are equal and nothing is cached.
Threads give them to one `Pool` while another thread kills workers with SIGKILL
and, now and then, the zygote.

First an uninterrupted pool answers the ordinary checks. Then the promises are
looked at, and the exit status is 1 if one of them is broken:

- each check is answered once;
- each ordinary check gets the verdict of the uninterrupted pool. It may be
  ERROR where its worker was killed twice, and TIMEOUT where the machine was
  busy with other things for a whole deadline: both are counted and rare;
- no bomb is answered wrongly;
- no worker is replaced without a cause;
- memory does not grow, neither here nor in the zygote.

Latencies are from the question to the answer, with the time in the queue,
behind bombs too. Memory is resident memory, read from /proc: Linux only.
"""

from __future__ import annotations

import argparse
import array
import collections
import contextlib
import dataclasses
import math
import os
import pathlib
import random
import signal
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from jaxlrm.verify import check_step
from jaxlrm.verify.answers import algebra, comparison
from jaxlrm.verify.verdict import Verdict
from jaxlrm.verify.workers import Pool, Statistics, pool

MODULES = (
    "jaxlrm.verify.answers.comparison",
    "jaxlrm.verify.steps",
    "jaxlrm.verify.answers.algebra",
    "sympy",
)
BOMBS = 0.05  # of the checks
CLIENTS = 4  # threads that ask
BATCH = 64  # checks that a thread asks for at once, at most
PATIENCE = 120.0  # seconds after which a check counts as lost
SAMPLE_SECONDS = 0.1
LEAST_SAMPLES = 10  # of memory, to say how it grows
LATE = 2e-3  # share of ordinary checks that a busy machine may stop
NOISE = 3  # of them, however few checks, and of restarts
FLAT = 8 * 2**20  # bytes by which memory may differ
UNDECIDED = (Verdict.UNKNOWN, Verdict.TIMEOUT, Verdict.ERROR)


class Check(NamedTuple):
    """A job and the truth about it.

    Attributes:
        function: of the pool's modules.
        arguments: two strings.
        truth: VALID or INVALID.
        bomb: need it not be decided?
    """

    function: Callable[[str, str], Verdict]
    arguments: tuple[str, str]
    truth: Verdict
    bomb: bool = False


# --- Checks -----------------------------------------------------------------
# A rule gets a number that no other check has, and what to add to a coefficient
# to spoil it, or 0.


def _fraction(n, wrong):
    return comparison.decide, rf"\frac{{{3 * n + 3 * wrong}}}{{21}}", f"{n}/7"


def _decimal(n, wrong):
    return comparison.decide, f"{n + wrong}.5", rf"\frac{{{2 * n + 1}}}{{2}}"


def _list(n, wrong):
    return comparison.decide, f"{n + 1}, {n + wrong}", f"{n},{n + 1}"


def _tuple(n, wrong):
    return (
        comparison.decide,
        f"({n + wrong}, 2)",
        rf"\left({n}, \frac{{4}}{{2}}\right)",
    )


def _product(n, wrong):
    expanded = f"x^2 + {n + 3 + wrong}x + {3 * n}"
    return comparison.decide, f"(x + 3)(x + {n})", expanded


def _surd(n, wrong):
    return (
        comparison.decide,
        rf"{n + wrong}\sqrt{{2}}",
        rf"\sqrt{{{2 * n * n}}}",
    )


def _equation(n, wrong):
    return check_step, f"3*x + {n} = 7", f"3 * {n} = {3 * n + wrong} apples"


def _fact(n, wrong):
    return check_step, "", f"So it is {n} * 7 + 1 = {n * 7 + wrong + 1}."


ORDINARY = (
    _fraction,
    _decimal,
    _list,
    _tuple,
    _product,
    _surd,
    _equation,
    _fact,
)

# With computer algebra, which has no bound but the deadline.
ENDLESS = (
    (r"\sum_{{k=1}}^{{1000000007}} \sin(k^2 + {n})", "3"),
    (r"\prod_{{k=1}}^{{99999999}} (k + x + {n})", "1"),
    (r"\binom{{10^9 + {n}}}{{m}}", r"\binom{{10^9}}{{m - 1}}"),
    ("(10^9 + {n})!", "5"),
    ("9**9**9**9 + {n}", "5"),
)
# Against the budgets of our own parser and tiers.
LARGE = (
    "9**9**9**9 + {n}",
    "2^" * 1000 + "{n}",
    "(" * 10**5 + "{n}",
    "(" * 40 + "{n}" + ")^9" * 40,
    "9" * 10**5 + "{n}",
    "-" * 4000 + "{n}",
    "10^" + "9" * 900 + "{n}",
    "(a+b+c+d+e+f)^5*" * 200 + "{n}",
    "+".join(f"1/(x+y/{i})" for i in range(1, 60)) + "+{n}",
    "(1," * 1000 + "{n}",
    r"\frac" * 800 + "{n}",
    "factorial(10**9 + {n})",
)


def check(number: int, seed: int) -> Check:
    """The check of that number; no other number gives an equal one."""
    rng = random.Random(f"{seed} {number}")
    n = number + 10  # small numbers have accidents
    if rng.random() >= BOMBS:
        wrong = rng.choice((0, rng.randrange(1, 9)))
        function, *arguments = rng.choice(ORDINARY)(n, wrong)
        truth = Verdict.INVALID if wrong else Verdict.VALID
        return Check(function, tuple(arguments), truth)
    if rng.random() < 0.5:
        bomb, gold = (text.format(n=n) for text in rng.choice(ENDLESS))
        return Check(algebra.decide, (bomb, gold), Verdict.INVALID, True)
    bomb = rng.choice(LARGE).replace("{n}", str(n))
    function, arguments = rng.choice(
        (
            (comparison.decide, (bomb, "5")),
            (comparison.decide, ("5", bomb)),
            (check_step, (bomb, "x = 5")),
            (check_step, ("x = 5", bomb)),
        )
    )
    return Check(function, arguments, Verdict.INVALID, True)


# --- Asking -----------------------------------------------------------------


class Watched(pool.Batch):
    """A batch that keeps when, and how often, each check was answered.

    Attributes:
        begun: time of the question.
        seconds: from then to each answer.
        times: how often each was answered; a byte for each.
    """

    def __init__(self, times: memoryview):
        super().__init__(len(times))
        self.begun = time.perf_counter()
        self.seconds = array.array("d", bytes(8 * len(times)))
        self.times = times

    def _set(self, index: int, verdict: Verdict) -> None:
        self.seconds[index] = time.perf_counter() - self.begun
        self.times[index] += 1
        super()._set(index, verdict)


@contextlib.contextmanager
def watched_batches(checks: int) -> Iterator[bytearray]:
    """Pools give `Watched` batches; yields the `times` of all of them.

    Args:
        checks: in all batches together, at most.
    """
    times = bytearray(checks)
    used = 0

    def watched(size: int) -> Watched:  # under the lock of the pool
        nonlocal used
        used += size
        return Watched(memoryview(times)[used - size : used])

    plain, pool.Batch = pool.Batch, watched
    try:
        yield times
    finally:
        pool.Batch = plain


@dataclasses.dataclass
class Answers:
    """What came back.

    Attributes:
        latencies: seconds from the question to the answer, for each check.
        number: checks whose verdicts were read.
        lost: checks that were not answered.
        repeated: answers beyond one for a check.
        ordinary, bombs: how many got (truth, verdict).
        seconds: of wall time in all.
        failures: what threads raised.
    """

    latencies: array.array
    number: int = 0
    lost: int = 0
    repeated: int = 0
    ordinary: collections.Counter = dataclasses.field(
        default_factory=collections.Counter
    )
    bombs: collections.Counter = dataclasses.field(
        default_factory=collections.Counter
    )
    seconds: float = 0.0
    failures: list[str] = dataclasses.field(default_factory=list)


def ask(verifiers: Pool, numbers: Sequence[int], seed: int) -> Answers:
    """Gives the checks to a pool from several threads and waits for all."""
    # Written once, so that its memory is there from the start.
    answers = Answers(array.array("d", [0.0]) * len(numbers))
    parts = iter(_parts(numbers, seed))
    lock = threading.Lock()

    def work():
        try:
            while True:
                with lock:
                    part = next(parts, None)
                if part is None:
                    return
                _ask_part(verifiers, part, seed, answers, lock)
        except Exception as error:  # the others go on; the run has failed
            answers.failures.append(repr(error))

    start = time.perf_counter()
    with watched_batches(len(numbers)) as times:
        threads = [threading.Thread(target=work) for _ in range(CLIENTS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        answers.seconds = time.perf_counter() - start
    answers.lost = times.count(0)
    answers.repeated = sum(times) - (len(times) - answers.lost)
    return answers


def _parts(numbers: Sequence[int], seed: int) -> Iterator[Sequence[int]]:
    rng = random.Random(seed)
    start = 0
    while start < len(numbers):
        size = rng.randint(1, BATCH)
        yield numbers[start : start + size]
        start += size


def _ask_part(
    verifiers: Pool,
    numbers: Sequence[int],
    seed: int,
    answers: Answers,
    lock: threading.Lock,
) -> None:
    by_function = collections.defaultdict(list)
    for number in numbers:
        one = check(number, seed)
        by_function[one.function].append(one)
    batches = [
        (checks, verifiers.start(function, [one.arguments for one in checks]))
        for function, checks in by_function.items()
    ]
    for checks, batch in batches:
        verdicts = batch.result(PATIENCE)
        with lock:
            for one, verdict, seconds in zip(
                checks, verdicts, batch.seconds, strict=True
            ):
                kind = answers.bombs if one.bomb else answers.ordinary
                kind[one.truth, verdict] += 1
                answers.latencies[answers.number] = seconds
                answers.number += 1


# --- Processes --------------------------------------------------------------


def children(pid: int) -> list[int]:
    """Process ids of its children; empty where it has ended."""
    found = []
    with contextlib.suppress(OSError):
        for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
            found += map(int, (task / "children").read_text().split())
    return found


def resident(pid: int) -> int:
    """Bytes of resident memory; 0 where it has ended."""
    with contextlib.suppress(OSError):
        text = pathlib.Path(f"/proc/{pid}/statm").read_text()
        return int(text.split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


def _numbers() -> array.array:
    return array.array("d")


@dataclasses.dataclass
class Killer:
    """Kills the pool's processes at random, until `stop` is set.

    Attributes:
        every: mean seconds between kills.
        zygote: share of the kills that hit the zygote, once it has been of
            use: the pool gives up where several in a row are not.
        worked: seconds that the pool's workers have worked so far.
        workers_killed, zygotes_killed: so far.
    """

    every: float
    zygote: float
    seed: int
    stop: threading.Event
    worked: Callable[[], float]
    workers_killed: int = 0
    zygotes_killed: int = 0

    def run(self) -> None:
        """The body of a thread."""
        rng = random.Random(self.seed)
        debt = 0.0
        seen: dict[int, float] = {}  # zygote: `worked` when first seen
        while not self.stop.wait(rng.expovariate(1 / self.every)):
            zygotes = children(os.getpid())
            workers = [pid for one in zygotes for pid in children(one)]
            debt += self.zygote
            worked = self.worked()
            seen = {pid: seen.get(pid, worked) for pid in zygotes}
            useful = [pid for pid in zygotes if seen[pid] < worked]
            with contextlib.suppress(ProcessLookupError):
                if debt >= 1 and useful:
                    os.kill(rng.choice(useful), signal.SIGKILL)
                    self.zygotes_killed += 1
                    debt -= 1
                elif workers:
                    os.kill(rng.choice(workers), signal.SIGKILL)
                    self.workers_killed += 1


@dataclasses.dataclass
class Sampler:
    """Reads the memory of all processes, until `stop` is set.

    Attributes:
        seconds: times of the samples.
        parent, zygote, workers: resident bytes at these times.
    """

    stop: threading.Event
    seconds: array.array = dataclasses.field(default_factory=_numbers)
    parent: array.array = dataclasses.field(default_factory=_numbers)
    zygote: array.array = dataclasses.field(default_factory=_numbers)
    workers: array.array = dataclasses.field(default_factory=_numbers)

    def run(self) -> None:
        """The body of a thread."""
        while not self.stop.wait(SAMPLE_SECONDS):
            zygotes = children(os.getpid())
            workers = [pid for one in zygotes for pid in children(one)]
            if workers:  # else it is being replaced
                self.seconds.append(time.perf_counter())
                self.parent.append(resident(os.getpid()))
                self.zygote.append(sum(map(resident, zygotes)))
                self.workers.append(sum(map(resident, workers)))


class Growth(NamedTuple):
    """Bytes at the start, at the end and at most; bytes over the whole run.

    The start and the end are medians of a tenth of the samples, after the
    first tenth; `slope` is the straight line through all of these, times the
    time between them.
    """

    start: float
    end: float
    most: float
    slope: float


def growth(times: Sequence[float], sizes: Sequence[float]) -> Growth:
    """How memory changed.

    Args:
        times: of the samples, in order.
        sizes: bytes at these times.

    Raises:
        ValueError: fewer than `LEAST_SAMPLES`.
    """
    if len(times) < LEAST_SAMPLES:
        raise ValueError(
            f"{len(times)} samples of memory; {LEAST_SAMPLES} are needed"
        )
    tenth = len(times) // 10
    times, sizes = times[tenth:], sizes[tenth:]
    line = statistics.linear_regression(times, sizes)
    return Growth(
        statistics.median(sizes[:tenth]),
        statistics.median(sizes[-tenth:]),
        max(sizes),
        line.slope * (times[-1] - times[0]),
    )


# --- Promises ---------------------------------------------------------------


def broken(
    answers: Answers, killed: int, memory: dict[str, Growth]
) -> list[str]:
    """The promises that were not kept, in words.

    Args:
        answers: of the interrupted pool.
        killed: how many processes were killed.
        memory: of processes that must not grow.
    """
    found = list(answers.failures)
    if answers.lost:
        found.append(f"{answers.lost} checks were not answered")
    if answers.repeated:
        found.append(f"{answers.repeated} answers came twice")
    ordinary = collections.Counter(answers.ordinary)
    late = _take(ordinary, Verdict.TIMEOUT)
    failed = _take(ordinary, Verdict.ERROR)
    for (truth, verdict), number in ordinary.items():
        if verdict is not truth:
            found.append(f"{number} that are {truth!r} got {verdict!r}")
    if late > NOISE + LATE * answers.ordinary.total():
        found.append(f"{late} ordinary checks got TIMEOUT")
    if failed > killed // 2:
        found.append(f"{failed} ordinary checks got ERROR, {killed} kills")
    for (truth, verdict), number in answers.bombs.items():
        if verdict is not truth and verdict not in UNDECIDED:
            found.append(f"{number} bombs that are {truth!r} got {verdict!r}")
    for name, one in memory.items():
        if max(one.end - one.start, one.slope) > FLAT:
            found.append(f"memory of the {name} grew by {one.slope:,.0f} bytes")
    return found


def _take(verdicts: collections.Counter, verdict: Verdict) -> int:
    keys = [key for key in verdicts if key[1] is verdict]
    return sum(verdicts.pop(key) for key in keys)


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


# --- The program ------------------------------------------------------------


def main() -> None:
    """Prints the table; exit status 1 if a promise is broken."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--checks", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--deadline", type=float, default=0.15)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--kill_every", type=float, default=0.25, help="seconds, on average"
    )
    parser.add_argument(
        "--kill_zygote", type=float, default=0.02, help="share of the kills"
    )
    flags = parser.parse_args()
    if sys.platform != "linux":
        parser.error(f"memory cannot be read on {sys.platform}; use Linux")
    if flags.checks < 100:
        parser.error(f"--checks={flags.checks}; at least 100")
    calm = _calm(flags)
    stop = threading.Event()
    sampler = Sampler(stop)
    with Pool(flags.workers, MODULES, flags.deadline, cache=0) as verifiers:
        killer = Killer(
            flags.kill_every,
            flags.kill_zygote,
            flags.seed,
            stop,
            lambda: verifiers.statistics.busy_seconds,
        )
        threads = [
            threading.Thread(target=one.run) for one in (killer, sampler)
        ]
        for thread in threads:
            thread.start()
        try:
            answers = ask(verifiers, range(flags.checks), flags.seed)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        counts = verifiers.statistics
    print(_table(calm, answers, killer, counts))
    steady = {}
    if len(sampler.seconds) < LEAST_SAMPLES:
        print(f"\nToo short to see growth: {len(sampler.seconds)} samples.")
    else:
        memory = {
            name: growth(sampler.seconds, getattr(sampler, name))
            for name in ("parent", "zygote", "workers")
        }
        print(_memory_table(memory))
        steady = {name: memory[name] for name in ("parent", "zygote")}
    killed = killer.workers_killed + killer.zygotes_killed
    failures = [f"uninterrupted: {text}" for text in broken(calm, 0, {})]
    failures += broken(answers, killed, steady)
    without = counts.restarts - _causes(killer, counts)
    if without > NOISE + LATE * counts.restarts:
        failures.append(f"{without} restarts have no cause")
    for failure in failures:
        print(f"BROKEN: {failure}")
    if failures:
        raise SystemExit(1)
    print("All promises are kept.")


def _calm(flags: argparse.Namespace) -> Answers:
    """The ordinary checks, with nothing killed."""
    numbers = [
        number
        for number in range(flags.checks)
        if not check(number, flags.seed).bomb
    ]
    with Pool(flags.workers, MODULES, flags.deadline, cache=0) as verifiers:
        return ask(verifiers, numbers, flags.seed)


def _table(
    calm: Answers, answers: Answers, killer: Killer, counts: Statistics
) -> str:
    rows = ["| | uninterrupted, no bombs | bombs and kills |", "|---|---|---|"]
    for name, show in (
        ("checks", lambda one: f"{one.number:,}"),
        ("not answered", lambda one: f"{one.lost:,}"),
        ("answered twice", lambda one: f"{one.repeated:,}"),
        ("ordinary, VALID", lambda one: _got(one.ordinary, Verdict.VALID)),
        ("ordinary, INVALID", lambda one: _got(one.ordinary, Verdict.INVALID)),
        ("bombs", lambda one: _got(one.bombs, Verdict.INVALID)),
        ("seconds", lambda one: f"{one.seconds:.1f}"),
        ("checks/s", lambda one: f"{one.number / one.seconds:,.0f}"),
        ("p50 ms", lambda one: _milliseconds(one, 0.5)),
        ("p99 ms", lambda one: _milliseconds(one, 0.99)),
    ):
        rows.append(f"| {name} | {show(calm)} | {show(answers)} |")
    rows += [
        f"| workers killed | 0 | {killer.workers_killed:,} |",
        f"| zygotes killed | 0 | {killer.zygotes_killed:,} |",
        f"| time-outs and kills | 0 | {_causes(killer, counts):,} |",
        f"| restarts | 0 | {counts.restarts:,} |",
    ]
    return "\n".join(rows)


def _got(verdicts: collections.Counter, truth: Verdict) -> str:
    return ", ".join(
        f"{verdicts[truth, verdict]:,} {verdict.name}"
        for verdict in Verdict
        if verdicts[truth, verdict]
    )


def _milliseconds(answers: Answers, share: float) -> str:
    latencies = answers.latencies[: answers.number]
    return f"{1e3 * percentile(latencies, share):,.1f}"


def _causes(killer: Killer, counts: Statistics) -> int:
    return counts.timeouts + killer.workers_killed + killer.zygotes_killed


def _memory_table(memory: dict[str, Growth]) -> str:
    rows = ["\n| resident MB | start | end | most | slope |"]
    rows.append("|---" * 5 + "|")
    for name, one in memory.items():
        cells = " | ".join(f"{size / 2**20:.1f}" for size in one)
        rows.append(f"| {name} | {cells} |")
    return "\n".join(rows)


if __name__ == "__main__":
    main()
