"""Tables of LaTeX commands: what each kind means in a step."""

from __future__ import annotations

import re

SPACES = frozenset(
    r"""\left \right \, \; \: \! \  \displaystyle \textstyle \big \Big \bigg
    \Bigg \bigl \bigr \Bigl \Bigr \biggl \biggr \Biggl \Biggr \limits \hline
    \nonumber \notag \hfill \rm \bf \it \middle""".split()
) | {"\\ "}
UNWRAPPED = frozenset(
    r"""\boxed \fbox \mathbf \boldsymbol \bm \cancel \underline \emph \mathit
    \overbrace \underbrace \bcancel \xcancel \framebox""".split()
)
TEXTS = frozenset(
    r"\text \textbf \textit \textrm \mathrm \mbox \operatorname \hbox".split()
)
DROPPED = frozenset(
    r"\phantom \hspace \vspace \label \tag \color \hphantom \vphantom".split()
)
ARROWS = frozenset(
    r"""\Rightarrow \implies \rightarrow \to \iff \Leftrightarrow \therefore
    \Longrightarrow \longrightarrow \quad \qquad \because \land \lor \wedge
    \vee \mid \longleftrightarrow \Longleftrightarrow""".split()
)
OPERATIONS = {
    r"\cdot": "*",
    r"\times": "*",
    r"\ast": "*",
    r"\div": "/",
    r"\bmod": r"\bmod",
    r"\mod": r"\bmod",
}
RELATIONS = {
    r"\le": "<=",
    r"\leq": "<=",
    r"\leqslant": "<=",
    r"\ge": ">=",
    r"\geq": ">=",
    r"\geqslant": ">=",
    r"\lt": "<",
    r"\gt": ">",
    r"\ne": "!=",
    r"\neq": "!=",
    r"\approx": "~",
    r"\simeq": "~",
    r"\doteq": "~",
    r"\equiv": "==",
    "=": "=",
    "==": "=",
    "<": "<",
    ">": ">",
    "<=": "<=",
    ">=": ">=",
    "!=": "!=",
}
ROWS = frozenset(
    """align aligned align* alignat alignat* alignedat equation equation*
    gather gather* gathered split eqnarray eqnarray* multline multline*
    flalign flalign*""".split()
)
FRACTIONS = frozenset(
    r"\frac \dfrac \tfrac \cfrac \binom \dbinom \tbinom".split()
)


def closing(text: str, start: int, opening: str, closing: str) -> int:
    """Where the bracket at `start` is closed; −1 if nowhere near."""
    depth = 0
    for index in range(start, min(len(text), start + 600)):
        character = text[index]
        if character == opening:
            depth += 1
        elif character == closing:
            depth -= 1
            if depth == 0:
                return index
    return -1


_TEXT_UNIT = re.compile(
    r"\\(?:text|mathrm|textbf|mbox) ?\{[^{}]{0,60}\}"
    r"(?:\^(?:[23]|\{[23]\}))?"
)
_SPACING = re.compile(
    r"\\(?:left|right|displaystyle|[bB]igg?[lr]?)(?![A-Za-z])|\\[,;:! ]"
)
_STYLES = re.compile(r"\\[dtc](frac|binom)")
_WRAP = re.compile(r"\\(?:boxed|mathbf|boldsymbol|cancel|bm)(?=\{)")
_DEGREE = re.compile(r"\^ ?(?:\{ ?\\circ ?\}|\\circ)|\\degree")
_COMMAS = re.compile(r"(?<=[0-9]),(?=[0-9]{3}(?![0-9]))")


def clean(text: str) -> str:
    """The raw inside of an operand, as the parser of values reads it."""
    if "\\" in text:
        text = _TEXT_UNIT.sub(" ", text)
        text = _DEGREE.sub("°", text)
        text = _SPACING.sub(" ", text)
        text = _STYLES.sub(r"\\\1", text)
        text = _WRAP.sub("", text)
        text = text.replace(r"\$", "").replace(r"\%", "%")
    if "," in text:
        text = _COMMAS.sub("", text)
    return text.replace("$", "")
