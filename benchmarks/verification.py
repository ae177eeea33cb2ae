r"""Equivalence of answers, against math-verify in the same run.

    python benchmarks/verification.py --data=PATH

PATH is a folder with any of `math500.jsonl`, `college_math.jsonl`,
`gsm8k_test.jsonl` and `gsm8k_model_solutions.jsonl`. True pairs are gold
answers against themselves, against what is extracted from full solutions, and
against rewrites by rules that keep the meaning. False pairs are corruptions by
rules that change it, and answers of solutions that are marked wrong.

Latencies are those of one process, each pair once in random order; both graders
may remember what they read of a gold before. Throughput is that of two workers
of `jaxlrm.verify.workers.Pool` without a cache of verdicts, on the pairs that
need no tier above the modular one. math-verify is left out where it is not
installed; it answers a sample of --peer pairs.
"""

from __future__ import annotations

import argparse
import collections
import json
import math
import pathlib
import random
import re
import statistics
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import NamedTuple

from jaxlrm.verify import extract_answer
from jaxlrm.verify.answers.comparison import Verdict, compare, decide
from jaxlrm.verify.workers import Pool

CHEAP = ("text", "containers", "rational", "modular")
LONGEST = 200  # characters of an answer that is rewritten


class Pair(NamedTuple):
    """A prediction (or a whole solution), a gold and what it should be."""

    prediction: str
    gold: str
    same: bool
    rule: str
    solution: bool = False


class Source(NamedTuple):
    """A gold answer, and solutions with whether they are right."""

    name: str
    gold: str
    solutions: list[tuple[str, bool]]


def sources(folder: pathlib.Path) -> Iterator[Source]:
    """All problems of the files that are there."""
    for row in _rows(folder / "math500.jsonl"):
        yield Source("math500", row["answer"], [(row["solution"], True)])
    for row in _rows(folder / "college_math.jsonl"):
        yield Source("college", row["answer"], [])
    for row in _rows(folder / "gsm8k_test.jsonl"):
        solution = row["answer"]
        gold = solution.rpartition("####")[2].strip()
        yield Source("gsm8k", gold, [(solution, True)])
    for row in _rows(folder / "gsm8k_model_solutions.jsonl"):
        gold = row["ground_truth"].rpartition("A:")[2].strip()
        solutions = [
            (value["solution"], value["is_correct"])
            for value in row.values()
            if isinstance(value, dict)
        ]
        yield Source("gsm8k", gold, solutions)


def _rows(path: pathlib.Path) -> list[dict]:
    if not path.exists():
        return []
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


# --- Rewrites that keep the meaning -----------------------------------------

_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
_INTEGER = re.compile(r"-?[0-9]+")
_FRACTION = re.compile(r"(-?)\\d?frac\{([0-9]+)\}\{([0-9]+)\}")
_LIST = re.compile(r"[^()\[\]{}\\=]+(?:,[^()\[\]{}\\=]+)+")
_TUPLE = re.compile(r"[(\[]([^()\[\]]*,[^()\[\]]*)[)\]]")
_SUM = re.compile(r"[-+A-Za-z0-9 ^{}]+")
_SURD = re.compile(r"([0-9]+) ?\\sqrt\{([0-9]+)\}")
_SWAPS = {
    r"\pi": "π",
    r"\infty": "∞",
    r"\cup": "∪",
    "-": "−",
    r"\le ": "≤ ",
    r"\pm": "±",
    "^{2}": "²",
    "^2": "²",
}


def bare(text: str) -> str:
    """Without the dollars around the whole of it and a stop."""
    text = text.strip().removesuffix(".").strip()
    if text.count("$") == 2 and text[0] == text[-1] == "$":
        return text[1:-1].strip()
    return text


def has_formula(text: str) -> bool:
    """Is it mathematics alone, not prose?"""
    without = re.sub(r"\\(?:text|mathrm|mbox)\{[^}]*\}|\\[A-Za-z]+", "", text)
    return re.search(r"[A-Za-z]{3,}", without) is None


def _wrapped(text):
    return f"${text}$" if "$" not in text else None


def _boxed(text):
    return rf"\boxed{{{text}}}" if has_formula(text) else None


def _displayed(text):
    return rf"\[ {text} \]" if "$" not in text else None


def _stopped(text):
    return text + "."


def _big_fractions(text):
    return text.replace(r"\frac", r"\dfrac") if r"\frac" in text else None


def _text_fractions(text):
    return text.replace(r"\frac", r"\tfrac") if r"\frac" in text else None


def _slashed(text):
    match = _FRACTION.fullmatch(text)
    return "".join((match[1], match[2], "/", match[3])) if match else None


def _as_decimal(text):
    match = _FRACTION.fullmatch(text)
    if not match or not int(match[3]):
        return None
    value = Fraction(int(match[2]), int(match[3]))
    places = next(
        (k for k in range(7) if (value * 10**k).denominator == 1), None
    )
    if places is None:
        return None
    return match[1] + f"{float(value):.{max(1, places)}f}"


def _as_fraction(text):
    if not re.fullmatch(r"-?[0-9]+\.[0-9]{1,6}", text):
        return None
    value = Fraction(text)
    sign = "-" if value < 0 else ""
    return rf"{sign}\frac{{{abs(value.numerator)}}}{{{value.denominator}}}"


def _unreduced(text):
    match = _FRACTION.fullmatch(text)
    if not match:
        return None
    top, bottom = 3 * int(match[2]), 3 * int(match[3])
    return rf"{match[1]}\frac{{{top}}}{{{bottom}}}"


def _mixed(text):
    match = _FRACTION.fullmatch(text)
    if not match or not 1 < int(match[3]) < int(match[2]):
        return None
    whole, rest = divmod(int(match[2]), int(match[3]))
    if not rest:
        return None
    return rf"{match[1]}{whole}\frac{{{rest}}}{{{match[3]}}}"


def _point_zero(text):
    return text + ".0" if _INTEGER.fullmatch(text) else None


def _spaced(text):
    if not has_formula(text):
        return None
    return re.sub(r"([-+=])", r" \1 ", text)


def _tight(text):
    if not has_formula(text) or "\\ " in text or "text" in text:
        return None
    return re.sub(r"(?<![A-Za-z0-9 ]) +| +(?![A-Za-z0-9 ])", "", text)


def _large_brackets(text):
    if (
        r"\left" in text
        or "(" not in text
        or text.count("(") != text.count(")")
    ):
        return None
    return text.replace("(", r"\left(").replace(")", r"\right)")


def _reversed_list(text):
    if not _LIST.fullmatch(text) or re.search(r"[A-Za-z]{2}|,[0-9]{3}", text):
        return None
    return ", ".join(part.strip() for part in text.split(",")[::-1])


def _as_set(text):
    if not _LIST.fullmatch(text) or re.search(r"[A-Za-z]{2}|,[0-9]{3}", text):
        return None
    parts = [part.strip() for part in text.split(",")]
    return rf"\{{{', '.join(parts)}\}}" if len(set(parts)) > 1 else None


def _reversed_sum(text):
    if (
        not has_formula(text)
        or not _SUM.fullmatch(text)
        or re.search(r"\^\{?[^{}]*[-+]", text)
    ):
        return None
    terms = re.findall(r"[-+]?[^-+]+", text.replace(" ", ""))
    if len(terms) < 2 or text[-1] in "+-":
        return None
    signed = [term if term[0] in "+-" else "+" + term for term in terms]
    return "".join(signed[::-1]).removeprefix("+")


def _named(text):
    plain = _NUMBER.fullmatch(text) or _FRACTION.fullmatch(text)
    return "x = " + text if plain else None


def _unnamed(text):
    match = re.fullmatch(r"[a-z] ?= ?(-?[0-9]+|-?\\frac\{\d+\}\{\d+\})", text)
    return match[1] if match else None


def _degrees(text):
    if not text.endswith((r"^\circ", r"^{\circ}")):
        return None
    return text.removesuffix(r"^\circ").removesuffix(r"^{\circ}") + "°"


def _degree_words(text):
    if not re.fullmatch(r"[0-9.]+\^\{?\\circ\}?", text):
        return None
    return text.partition("^")[0] + r" \text{ degrees}"


def _thousands(text):
    if not re.fullmatch(r"-?[0-9]{4,}", text):
        return None
    return f"{int(text):,}"


def _thin_thousands(text):
    if not re.fullmatch(r"-?[0-9]{4,}", text):
        return None
    return f"{int(text):,}".replace(",", r"{,}\!")


def _ungrouped(text):
    if not re.fullmatch(r"[0-9]{1,3}(,(\\! ?)?[0-9]{3})+", text):
        return None
    return re.sub(r"[^0-9]", "", text)


def _with_unit(text):
    return text + r"\text{ cm}" if _NUMBER.fullmatch(text) else None


def _with_dollars(text):
    return r"\$" + text if re.fullmatch(r"[0-9]+", text) else None


def _surd(text):
    match = _SURD.fullmatch(text)
    if not match:
        return None
    return rf"\sqrt{{{int(match[1]) ** 2 * int(match[2])}}}"


def _plain_surd(text):
    match = _SURD.fullmatch(text)
    return f"{match[1]}*sqrt({match[2]})" if match else None


def _half_power(text):
    if not has_formula(text) or re.search(r"\\(sin|cos|max|[$bt|])|\]\{", text):
        return None
    changed = re.sub(r"\\sqrt\{([0-9A-Za-z]+)\}", r"{(\1)^{1/2}}", text)
    return changed if changed != text else None


def _unicode(text):
    changed = text
    for latex, sign in _SWAPS.items():
        changed = changed.replace(latex, sign)
    return changed if changed != text and has_formula(text) else None


def _relation(text):
    match = re.fullmatch(
        r"([(\[])(-?[0-9]+|-\\infty), ?(-?[0-9]+|\\infty)([)\]])", text
    )
    if not match or "infty" not in text or match[2][1:] == match[3]:
        return None
    if match[3] == r"\infty":
        return "x " + (">" if match[1] == "(" else r"\ge ") + match[2]
    return "x " + ("<" if match[4] == ")" else r"\le ") + match[3]


def _square_matrix(text):
    return text.replace("pmatrix", "bmatrix") if "pmatrix" in text else None


def _both_signs(text):
    match = re.fullmatch(r"([^,\\{}]+) ?\\pm ?([^,]+)", text)
    if not match:
        return None
    return f"{match[1]} + {match[2]}, {match[1]} - {match[2]}"


def _dotted(text):
    changed = re.sub(
        r"(?<![A-Za-z{\\^0-9._])([0-9]+)([a-z])(?![A-Za-z])",
        r"\1 \\cdot \2",
        text,
    )
    return changed if changed != text and has_formula(text) else None


def _braced_powers(text):
    changed = re.sub(r"\^([0-9a-z])", r"^{\1}", text)
    return changed if changed != text else None


def _conjunction(text):
    if not _LIST.fullmatch(text) or text.count(",") != 1:
        return None
    if re.search(r"[A-Za-z]{2}|,[0-9]{3}", text):
        return None
    return text.replace(",", r" \text{ or } ")


def _scientific(text):
    if not re.fullmatch(r"[1-9][0-9]*00", text):
        return None
    digits = text.rstrip("0")
    exponent = len(text) - 1
    head = digits[0] + ("." + digits[1:] if len(digits) > 1 else "")
    return rf"{head} \times 10^{{{exponent}}}"


def _cased(text):
    match = re.fullmatch(r"\\text\{([A-Za-z]{2,})\}", text)
    return match[1].lower() if match else None


REWRITES: dict[str, Callable[[str], str | None]] = {
    function.__name__.strip("_"): function
    for function in (
        _wrapped,
        _boxed,
        _displayed,
        _stopped,
        _big_fractions,
        _text_fractions,
        _slashed,
        _as_decimal,
        _as_fraction,
        _unreduced,
        _mixed,
        _point_zero,
        _spaced,
        _tight,
        _large_brackets,
        _reversed_list,
        _as_set,
        _reversed_sum,
        _named,
        _unnamed,
        _degrees,
        _degree_words,
        _thousands,
        _thin_thousands,
        _ungrouped,
        _with_unit,
        _with_dollars,
        _surd,
        _plain_surd,
        _half_power,
        _unicode,
        _relation,
        _square_matrix,
        _both_signs,
        _dotted,
        _braced_powers,
        _conjunction,
        _scientific,
        _cased,
    )
}


# --- Corruptions that change it ---------------------------------------------


def _digit(text, rng):
    if re.search(r"i\^|\^\{?0", text):
        return None  # powers of i and of zero may be equal
    places = [k for k, c in enumerate(text) if c in "0123456789"]
    if not places:
        return None
    place = rng.choice(places)
    digit = str((int(text[place]) + rng.randint(1, 8)) % 10)
    changed = text[:place] + digit + text[place + 1 :]
    # 1.20 and 1.2 differ in a digit of no weight; 0x is no x.
    return None if re.search(r"(?<![0-9.])0[0-9]", changed) else changed


def _sign(text, rng):
    if not has_formula(text) or re.fullmatch(r"[0.]+", text):
        return None
    if re.search(r"=-?0(?![0-9.])", text):
        return None
    if re.fullmatch(r"-?[0-9.]+|-?\\frac\{\d+\}\{\d+\}|-?[0-9]*\\.*", text):
        if "pm" in text or "begin" in text or "infty" in text:
            return None
        return text[1:] if text[0] == "-" else "-" + text
    match = re.search(r"(?<=[0-9a-z}] )[-+](?= ?[0-9a-z\\])", text)
    if not match:
        return None
    other = "-" if match[0] == "+" else "+"
    return text[: match.start()] + other + text[match.end() :]


def _swapped_fraction(text, rng):
    match = _FRACTION.search(text)
    if not match or match[2] == match[3] or "0" in (match[2], match[3]):
        return None
    swapped = rf"{match[1]}\frac{{{match[3]}}}{{{match[2]}}}"
    return text[: match.start()] + swapped + text[match.end() :]


def _other_bracket(text, rng):
    if not re.fullmatch(r"(\\left)?[(\[][^()\[\]]+,[^()\[\]]+[)\]]", text):
        return None
    if "infty" in text.rpartition(",")[2] or "\\right" in text:
        return None
    return text[:-1] + (")" if text[-1] == "]" else "]")


def _dropped(text, rng):
    if _TUPLE.fullmatch(text) and text.count(",") > 1:
        return text[: text.rindex(",")] + text[-1]
    if _LIST.fullmatch(text) and not re.search(r",[0-9]{3}|[a-z]{2}", text):
        return text[: text.rindex(",")]
    return None


def _extra(text, rng):
    plain = _NUMBER.fullmatch(text) or _FRACTION.fullmatch(text)
    if plain or (_LIST.fullmatch(text) and not re.search(r"[a-z]{2}", text)):
        return text + ", 977"
    return None


def _hedged(text, rng):
    return f"{text} or 977" if _NUMBER.fullmatch(text) else None


def _other_variable(text, rng):
    if not has_formula(text) or "text" in text:
        return None
    names = re.findall(r"(?<![A-Za-z\\])[abmnpqrstuxyz](?![A-Za-z])", text)
    if not names or len(set(names)) > 2 or "\\" in text.replace(r"\frac", ""):
        return None
    other = "w" if "w" not in text else "v"
    return re.sub(rf"(?<![A-Za-z\\]){names[0]}(?![A-Za-z])", other, text)


def _scaled(text, rng):
    if not _NUMBER.fullmatch(text) or not float(text):
        return None
    value = Fraction(text) * rng.choice((10, 100, Fraction(1, 10)))
    return str(float(value)) if value.denominator > 1 else str(value)


def _reversed_tuple(text, rng):
    match = re.fullmatch(r"\(([^()\[\]{}]*,[^()\[\]{}]*)\)", text)
    if not match or "infty" in text:
        return None
    parts = [part.strip() for part in match[1].split(",")]
    return None if parts == parts[::-1] else f"({', '.join(parts[::-1])})"


def _plus_one(text, rng):
    if (
        not has_formula(text)
        or "text" in text
        or re.search(r"\+ ?[Ckc]\b", text)
    ):
        return None
    if re.search(r"[,=<>$]|cup|begin|circ|%|pm|le|ge|\\[!{]|_|in |:", text):
        return None
    return text + " + 1"


def _rounded(text, rng):
    match = _FRACTION.fullmatch(text)
    if not match or not int(match[3]):
        return None
    value = Fraction(int(match[2]), int(match[3]))
    rounded = round(value, 3)
    return None if value == rounded else match[1] + f"{float(rounded):.3f}"


def _other_function(text, rng):
    if "=" in text:
        return None  # \sin \pi = 0 is as true of the tangent
    for one, other in ((r"\sin", r"\tan"), (r"\cos", r"\sin"), (r"\ln", "")):
        if re.search(re.escape(one) + "(?![a-z])", text) and has_formula(text):
            if one == r"\cos" and r"\sin" in text:
                continue
            return text.replace(one, other or r"\cos", 1)
    return None


def _lost_root(text, rng):
    match = re.search(r"\\sqrt\{([2-9]|[0-9]{2,})\}", text)
    if not match:
        return None
    return text[: match.start()] + match[1] + text[match.end() :]


def _one_sign(text, rng):
    return text.replace(r"\pm", "+") if r"\pm" in text else None


def _flipped(text, rng):
    for one, other in ((r"\leq", ">"), (r"\geq", "<"), ("<", ">"), (">", "<")):
        if one in text and has_formula(text):
            return text.replace(one, other)
    return None


def _half_line(text, rng):
    match = re.fullmatch(r"\((-?[0-9]+), ?\\infty\)", text)
    return rf"(-\infty, {match[1]})" if match else None


def _other_word(text, rng):
    words = {
        "yes": "No",
        "no": "Yes",
        "converges": "diverges",
        "diverges": "converges",
        "even": "odd",
        "function": "not a function",
        "east": "west",
    }
    inner = re.sub(r"\\text\{([^}]*)\}", r"\1", text).strip(". ").lower()
    return words.get(inner)


CORRUPTIONS: dict[str, Callable[[str, random.Random], str | None]] = {
    function.__name__.strip("_"): function
    for function in (
        _digit,
        _sign,
        _swapped_fraction,
        _other_bracket,
        _dropped,
        _extra,
        _hedged,
        _other_variable,
        _scaled,
        _reversed_tuple,
        _plus_one,
        _rounded,
        _other_function,
        _lost_root,
        _one_sign,
        _flipped,
        _half_line,
        _other_word,
    )
}


def pairs(found: list[Source], seed: int) -> list[Pair]:
    """All pairs of the sources, without repetition."""
    rng = random.Random(seed)
    made: dict[tuple[str, str, bool], Pair] = {}

    def add(prediction, gold, same, rule, solution=False):
        pair = Pair(prediction, gold, same, rule, solution)
        made.setdefault((prediction, gold, solution), pair)

    for source in found:
        gold = source.gold
        add(gold, gold, True, f"{source.name}: itself")
        for solution, right in source.solutions:
            marked = "solution" if right else "wrong solution"
            add(solution, gold, right, f"{source.name}: {marked}", True)
        inner = bare(gold)
        if len(inner) > LONGEST:
            continue
        for name, rule in REWRITES.items():
            rewritten = rule(inner)
            if rewritten is not None and rewritten != gold:
                add(rewritten, gold, True, f"rewrite: {name}")
        for name, rule in CORRUPTIONS.items():
            corrupted = rule(inner, rng)
            if corrupted is not None and corrupted != gold:
                add(corrupted, gold, False, f"corruption: {name}")
    return list(made.values())


# --- Measurement ------------------------------------------------------------


def _ours(pair: Pair) -> bool:
    prediction = pair.prediction
    if pair.solution:
        prediction = extract_answer(prediction) or ""
    return compare(prediction, pair.gold).verdict is Verdict.VALID


def _peer() -> Callable[[Pair], bool] | None:
    try:
        from math_verify import parse, verify
    except ImportError:
        return None

    def judge(pair: Pair) -> bool:
        answer = pair.prediction
        if not pair.solution:
            answer = _delimited(answer)
        return bool(verify(parse(_delimited(pair.gold)), parse(answer)))

    return judge


def _delimited(answer: str) -> str:
    """An answer as math-verify reads it best: in dollars, once."""
    if re.search(r"(?<!\\)\$|\\\[|\\\(|\\boxed", answer):
        return answer
    body = answer.removesuffix(".")
    return f"${body}$" + answer[len(body) :]


class Score(NamedTuple):
    """What one grader did on all pairs; times in seconds."""

    right: list[bool]
    seconds: list[float]


def score(judge: Callable[[Pair], bool], asked: list[Pair]) -> Score:
    """Judges pairs one after another, in this process."""
    right, seconds = [], []
    for pair in asked:
        start = time.perf_counter()
        same = judge(pair)
        seconds.append(time.perf_counter() - start)
        right.append(same == pair.same)
    return Score(right, seconds)


def throughput(asked: list[Pair], workers: int) -> tuple[float, int]:
    """Checks per second of a pool on the pairs that cheap tiers decide."""
    jobs = [
        (pair.prediction, pair.gold)
        for pair in asked
        if not pair.solution
        and compare(pair.prediction, pair.gold).tier in CHEAP
    ]
    with Pool(workers, ("jaxlrm.verify.answers.comparison",), cache=0) as pool:
        pool.map(decide, jobs[:1000])
        start = time.perf_counter()
        pool.map(decide, jobs)
        return len(jobs) / (time.perf_counter() - start), len(jobs)


def _percent(right: list[bool]) -> str:
    return f"{100 * sum(right) / len(right):.2f}" if right else "-"


def _row(name: str, asked: list[Pair], result: Score) -> str:
    true, false = (
        [r for p, r in zip(asked, result.right, strict=True) if p.same is same]
        for same in (True, False)
    )
    ordered = sorted(result.seconds)
    p99 = ordered[math.ceil(0.99 * len(ordered)) - 1]
    return (
        f"| {name} | {_percent(true)} of {len(true)} | {_percent(false)} of "
        f"{len(false)} | {1e3 * statistics.median(ordered):.3f} | "
        f"{1e3 * p99:.2f} | {1e3 * ordered[-1]:.1f} |"
    )


_HEAD = (
    "| | true accepted, % | false refused, % | median ms | p99 ms | max ms |\n"
    "|---|---|---|---|---|---|"
)


def _by_rule(asked: list[Pair], results: dict[str, Score]) -> str:
    rows = collections.defaultdict(lambda: [[] for _ in results])
    for index, pair in enumerate(asked):
        for column, result in enumerate(results.values()):
            rows[pair.rule][column].append(result.right[index])
    lines = [f"| pairs | {' | '.join(results)} | number |"]
    lines.append("|---" * (len(results) + 2) + "|")
    for rule in sorted(rows):
        cells = " | ".join(map(_percent, rows[rule]))
        lines.append(f"| {rule} | {cells} | {len(rows[rule][0])} |")
    return "\n".join(lines)


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--peer", type=int, default=2000, help="pairs for math-verify; 0: none"
    )
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument(
        "--failures", type=int, default=0, help="mistakes to print, per rule"
    )
    flags = parser.parse_args()
    if not flags.data.is_dir():
        parser.error(f"--data={flags.data} is no folder")
    asked = pairs(list(sources(flags.data)), flags.seed)
    if not asked:
        parser.error(f"none of the files is in --data={flags.data}")
    random.Random(flags.seed).shuffle(asked)
    ours = score(_ours, asked)
    print(_HEAD)
    print(_row("jaxlrm.verify", asked, ours), flush=True)
    on_math = [
        (pair, right, seconds)
        for pair, right, seconds in zip(asked, *ours, strict=True)
        if pair.rule.startswith("math500")
    ]
    if on_math:
        columns = [list(column) for column in zip(*on_math, strict=True)]
        math_score = Score(columns[1], columns[2])
        print(_row("jaxlrm.verify, MATH alone", columns[0], math_score))
    if flags.failures:
        _print_failures(asked, ours, flags.failures)
    peer = _peer() if flags.peer else None
    results = {"jaxlrm.verify": ours}
    if peer:
        sample = asked[: flags.peer]
        theirs = score(peer, sample)
        same = Score(ours.right[: flags.peer], ours.seconds[: flags.peer])
        print(_row(f"jaxlrm.verify, first {len(sample)}", sample, same))
        print(_row(f"math-verify, first {len(sample)}", sample, theirs))
        results = {"jaxlrm.verify": same, "math-verify": theirs}
        asked_by_both = sample
    else:
        print("\nmath-verify is not installed or not asked.")
        asked_by_both = asked
    print("\n" + _by_rule(asked_by_both, results), flush=True)
    rate, number = throughput(asked, flags.workers)
    print(
        f"\n{rate:,.0f} checks/s with {flags.workers} workers on {number:,} "
        "pairs that cheap tiers decide"
    )


def _print_failures(asked: list[Pair], result: Score, most: int) -> None:
    shown: collections.Counter[str] = collections.Counter()
    for pair, right in zip(asked, result.right, strict=True):
        if not right and shown[pair.rule] < most:
            shown[pair.rule] += 1
            prediction = pair.prediction
            if pair.solution:
                prediction = extract_answer(prediction) or ""
            print(f"{pair.rule}: {prediction[:160]!r} for {pair.gold[:160]!r}")


if __name__ == "__main__":
    main()
