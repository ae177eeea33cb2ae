r"""Where steps end: a finite automaton over text, compiled to tables of tokens.

A step ends with a delimiter, such as a blank line, however tokens divide it:
`.\n\n` may be one token, or `\n` and `\n` two. Not inside a fenced block of
code, whose blank lines belong to the program. And not before there is
anything but white space in the step.

The automaton reads bytes. Its state holds three things: how much of a
delimiter the last bytes are, whether the step has text yet, and where in its
line and in which block the last byte stands. For each state and token the
tables say which state comes next, and whether a step ended on the way. So
does decoding follow it on the device: two reads for a token.

A token may go on behind a delimiter (`\n\nSo`). It is then the last token of
the step that it ends, and the next state has already read `So`: that tail is
the beginning of the next step's text. `Automaton.cut` says where a step's text
ends, and tails and texts joined in order give the chain's text.
"""

from __future__ import annotations

import collections
import dataclasses
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

_WHITE = b" \t\r\x0b\x0c"
_MOST_STATES = 256  # with a vocabulary of 150,000, tables of 115 MB
_OTHER = 0x78  # "x" stands for all bytes that no rule names

# Where the last byte stands. At the start of a line (or in its indent), behind
# one or two backticks that began it, behind three, in what follows them, and
# in the middle of any other line; outside of a block, then inside of one.
_START, _ONE, _TWO, _FENCE, _INFO, _MIDDLE = range(6)
_INSIDE = 6
_I_START, _I_ONE, _I_TWO, _I_FENCE, _, _I_MIDDLE = range(6, 12)


class _State(NamedTuple):
    """A state of the automaton.

    Attributes:
        place: see above.
        seen: the longest end of the text that begins a delimiter.
        blank: the step has no text yet but white space and `seen`.
    """

    place: int = _START
    seen: bytes = b""
    blank: bool = True


@dataclasses.dataclass(frozen=True)
class Automaton:
    """Tables over tokens; state 0 is that of a chain's beginning.

    Attributes:
        following: `[X, V] int16`, the state after a token.
        ends: `[X, V] bool`, whether a step ends with the token.
    """

    following: np.ndarray
    ends: np.ndarray
    _pieces: Sequence[bytes] = ()
    _ids: frozenset[int] = frozenset()
    _machine: _Machine | None = None

    def cut(
        self, ids: Sequence[int], before: bytes = b""
    ) -> tuple[bytes, bytes]:
        """The text of a step that ended, and the tail behind its delimiter.

        Args:
            ids: all tokens of the step.
            before: the tail of the step before it; it is this one's beginning.

        Returns:
            `before` and the text of the tokens, up to the end of the delimiter
            that the last of them holds; and what is left of that token.
        """
        text = before + b"".join(map(self._pieces.__getitem__, ids))
        if self._machine is None or not ids or ids[-1] in self._ids:
            return text, b""
        state, _ = self._machine.read(0, before)
        for end in range(len(before), len(text)):
            state, ended = self._machine.read(state, text[end : end + 1])
            if ended:
                return text[: end + 1], text[end + 1 :]
        return text, b""


def compile_automaton(
    pieces: Sequence[bytes],
    delimiters: Sequence[str] = (),
    ids: Sequence[int] = (),
    *,
    fences: bool = False,
) -> Automaton:
    """The tables of what ends a step.

    Args:
        pieces: bytes of each token, `V` of them.
        delimiters: texts that end a step, each at least a byte.
        ids: tokens that end a step whatever their text.
        fences: whether the line that closes a block of code ends one too.
    """
    machine = _Machine([d.encode() for d in delimiters], fences)
    # Tokens that differ in letters only are alike: few kinds are left.
    kinds: dict[bytes, list[int]] = collections.defaultdict(list)
    for number, piece in enumerate(pieces):
        kinds[machine.shorten(piece)].append(number)
    rows = list(kinds)
    kind_of = np.zeros(len(pieces), np.intp)
    for number, kind in enumerate(rows):
        kind_of[kinds[kind]] = number
    read = [
        [machine.read_short(state, kind) for kind in rows]
        for state in range(machine.size)
    ]
    following = np.array([[to for to, _ in row] for row in read], np.int16)
    ends = np.array([[ended for _, ended in row] for row in read], bool)
    following, ends = following[:, kind_of], ends[:, kind_of]
    following[:, list(ids)], ends[:, list(ids)] = 0, True
    return Automaton(following, ends, pieces, frozenset(ids), machine)


class _Machine:
    """The automaton over bytes.

    Attributes:
        size: states.
    """

    def __init__(self, delimiters: Sequence[bytes], fences: bool):
        self._delimiters, self._fences = tuple(delimiters), fences
        self._begun = {d[:n] for d in delimiters for n in range(len(d) + 1)}
        self._begun.add(b"")
        named = {*b"`\n", *_WHITE, *b"".join(delimiters)}
        # One byte stands for all that mean the same to every rule.
        classes = bytes(b if b in named else _OTHER for b in range(256))
        if _OTHER in named:  # a letter of a delimiter: take a free one
            free = next(b for b in range(33, 256) if b not in named)
            classes = bytes(b if b in named else free for b in range(256))
            other = free
        else:
            other = _OTHER
        self._classes = classes
        one = re.escape(bytes([other]))
        self._runs, self._one = re.compile(one + b"{2,}"), bytes([other])
        self._explore(sorted(named | {other}))

    def _explore(self, alphabet: Sequence[int]) -> None:
        """Finds all states that can be reached from the first."""
        numbers = {_State(): 0}
        queue = collections.deque(numbers)
        self._steps: list[dict[int, tuple[int, bool]]] = []
        while queue:
            state = queue.popleft()
            row = {}
            for byte in alphabet:
                after, ended = self._step(state, byte)
                if after not in numbers:
                    if len(numbers) == _MOST_STATES:
                        raise ValueError(
                            f"step delimiters {self._delimiters} are too "
                            "long or too many; shorten them"
                        )
                    numbers[after] = len(numbers)
                    queue.append(after)
                row[byte] = numbers[after], ended
            self._steps.append(row)
        self.size = len(numbers)

    def shorten(self, piece: bytes) -> bytes:
        """The shortest text that is read as `piece` is."""
        return self._runs.sub(self._one, piece.translate(self._classes))

    def read(self, state: int, text: bytes) -> tuple[int, bool]:
        """The state after `text`, and whether a step ended in it."""
        return self.read_short(state, self.shorten(text))

    def read_short(self, state: int, text: bytes) -> tuple[int, bool]:
        """`read` of what is `shorten`ed already."""
        any_ended = False
        for byte in text:
            state, ended = self._steps[state][byte]
            any_ended |= ended
        return state, any_ended

    def _step(self, state: _State, byte: int) -> tuple[_State, bool]:
        """The state after a byte, and whether a step ends with it."""
        place = _place_after(state.place, byte)
        if self._fences and place < _INSIDE <= state.place:
            return _State(place), True
        text = state.seen + bytes([byte])
        seen = _longest(text, self._begun)
        blank = state.blank and not text[: len(text) - len(seen)].strip()
        whole = [d for d in self._delimiters if seen.endswith(d)]
        if not whole:
            return _State(place, seen, blank), False
        if place >= _INSIDE:  # it is a part of the program
            return _State(place, _longest(seen[1:], self._begun), blank), False
        delimiter = max(whole, key=len)
        before = seen[: len(seen) - len(delimiter)]
        if blank and not before.strip():  # an empty step is none
            return _State(place, b"", not delimiter.strip()), False
        return _State(place), True


def _longest(text: bytes, begun: set[bytes]) -> bytes:
    """The longest end of `text` that is among `begun`."""
    return next(text[i:] for i in range(len(text) + 1) if text[i:] in begun)


def _place_after(place: int, byte: int) -> int:
    """Where a byte stands that follows one at `place`."""
    inside = place >= _INSIDE
    here = place - _INSIDE if inside else place
    if byte == 0x0A:
        if here in (_FENCE, _INFO):  # opens a block, or closes it
            return _START if inside else _I_START
        return _I_START if inside else _START
    if byte == 0x60:
        after = {
            _START: _ONE,
            _ONE: _TWO,
            _TWO: _FENCE,
            _FENCE: _FENCE,
        }.get(here, _MIDDLE)
    elif byte in _WHITE:
        after = {
            _START: _START,
            _FENCE: _FENCE if inside else _INFO,
            _INFO: _INFO,
        }.get(here, _MIDDLE)
    else:
        opens = here in (_FENCE, _INFO) and not inside
        after = _INFO if opens else _MIDDLE
    return after + _INSIDE if inside else after
