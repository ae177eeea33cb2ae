"""Other spellings of what has a usual one: signs, commands, short texts."""

from __future__ import annotations

import re

_FULL_WIDTH = {chr(0xFF01 + k): chr(0x21 + k) for k in range(94)}
# ASCII and LaTeX for what people and models write.
UNICODE = str.maketrans(
    _FULL_WIDTH
    | dict.fromkeys("−‐‑‒–—﹣", "-")
    | dict.fromkeys("×✕✖⨯", r"\times ")
    | dict.fromkeys("·⋅•∙∗", r"\cdot ")
    | dict.fromkeys("\u00a0\u2002\u2003\u2004\u2005\u2006\u2007\u3000", " ")
    | dict.fromkeys("\u2008\u2009\u200a\u202f\u205f", r"\,")
    | dict.fromkeys("\u200b\u200c\u200d\u2060\ufeff\u00ad", "")
    | dict.fromkeys("º˚", "°")
    | dict.fromkeys("“”„", '"')
    | dict.fromkeys("‘’′", "'")
    | dict.fromkeys("⟨〈", r"\langle ")
    | dict.fromkeys("⟩〉", r"\rangle ")
    | {
        "÷": "/",
        "⁄": "/",
        "∕": "/",
        "±": r"\pm ",
        "∓": r"\mp ",
        "√": r"\sqrt",
        "∛": r"\sqrt[3]",
        "∜": r"\sqrt[4]",
        "∞": r"\infty ",
        "≤": r"\le ",
        "≥": r"\ge ",
        "⩽": r"\le ",
        "⩾": r"\ge ",
        "≠": r"\ne ",
        "≈": r"\approx ",
        "≡": r"\equiv ",
        "∪": r"\cup ",
        "∩": r"\cap ",
        "∈": r"\in ",
        "∅": r"\emptyset ",
        "ℝ": r"\mathbb{R}",
        "ℤ": r"\mathbb{Z}",
        "ℚ": r"\mathbb{Q}",
        "ℂ": r"\mathbb{C}",
        "ℕ": r"\mathbb{N}",
        "→": r"\to ",
        "…": r"\ldots ",
        "、": ",",
        "。": ".",
        "⌊": r"\lfloor ",
        "⌋": r"\rfloor ",
        "⌈": r"\lceil ",
        "⌉": r"\rceil ",
        "∠": r"\angle ",
        "△": r"\triangle ",
        "½": r"\frac{1}{2}",
        "⅓": r"\frac{1}{3}",
        "⅔": r"\frac{2}{3}",
        "¼": r"\frac{1}{4}",
        "¾": r"\frac{3}{4}",
        "⅕": r"\frac{1}{5}",
        "⅖": r"\frac{2}{5}",
        "⅗": r"\frac{3}{5}",
        "⅘": r"\frac{4}{5}",
        "⅙": r"\frac{1}{6}",
        "⅚": r"\frac{5}{6}",
        "⅛": r"\frac{1}{8}",
        "⅜": r"\frac{3}{8}",
        "⅝": r"\frac{5}{8}",
        "⅞": r"\frac{7}{8}",
        "ζ": r"\zeta ",
        "η": r"\eta ",
        "ν": r"\nu ",
        "ξ": r"\xi ",
        "χ": r"\chi ",
        "Γ": r"\Gamma ",
        "Θ": r"\Theta ",
        "Λ": r"\Lambda ",
        "Σ": r"\Sigma ",
        "Φ": r"\Phi ",
        "Ψ": r"\Psi ",
        "Ω": r"\Omega ",
        "α": r"\alpha ",
        "β": r"\beta ",
        "γ": r"\gamma ",
        "δ": r"\delta ",
        "Δ": r"\Delta ",
        "ε": r"\epsilon ",
        "θ": r"\theta ",
        "λ": r"\lambda ",
        "μ": r"\mu ",
        "π": r"\pi ",
        "ρ": r"\rho ",
        "σ": r"\sigma ",
        "τ": r"\tau ",
        "φ": r"\phi ",
        "ϕ": r"\phi ",
        "ψ": r"\psi ",
        "ω": r"\omega ",
    }
)
# The usual LaTeX command, or nothing, for others.
COMMANDS = (
    {
        "\\" + name: ""
        for name in """left right big Big bigg Bigg bigl bigr Bigl Bigr biggl
        biggr Biggl Biggr bigm displaystyle textstyle scriptstyle limits
        nolimits ! hfill hspace phantom ensuremath underline boldmath bf it tiny
        small normalsize large Large LARGE huge Huge""".split()
    }
    | {"\\" + name: " " for name in ", ; : quad qquad enspace > ".split()}
    | {
        "\\" + name: r"\frac"
        for name in ("dfrac", "tfrac", "cfrac", "nicefrac")
    }
    | {
        "\\" + name: r"\text"
        for name in """textbf textit mathrm mbox hbox textrm textnormal rm
        textsf texttt operatorname mathop emph textup""".split()
    }
    | {
        r"\ ": " ",
        r"\%": "%",
        r"\#": "#",
        r"\&": "&",
        r"\_": "_",
        r"\leq": r"\le",
        r"\leqslant": r"\le",
        r"\leqq": r"\le",
        r"\geq": r"\ge",
        r"\geqslant": r"\ge",
        r"\geqq": r"\ge",
        r"\neq": r"\ne",
        r"\lt": "<",
        r"\gt": ">",
        r"\degree": "°",
        r"\degrees": "°",
        r"\rightarrow": r"\to",
        r"\longrightarrow": r"\to",
        r"\varnothing": r"\emptyset",
        r"\oslash": r"\emptyset",
        r"\dbinom": r"\binom",
        r"\tbinom": r"\binom",
        r"\lvert": "|",
        r"\rvert": "|",
        r"\vert": "|",
        r"\lVert": r"\|",
        r"\rVert": r"\|",
        r"\Vert": r"\|",
        r"\lbrace": r"\{",
        r"\rbrace": r"\}",
        r"\lbrack": "[",
        r"\rbrack": "]",
        r"\lparen": "(",
        r"\rparen": ")",
        r"\colon": ":",
        r"\dots": r"\ldots",
        r"\cdots": r"\ldots",
        r"\ast": r"\cdot",
        r"\bullet": r"\cdot",
        r"\lor": r"\vee",
        r"\land": r"\wedge",
        r"\varphi": r"\phi",
        r"\varepsilon": r"\epsilon",
        r"\prime": "'",
        r"\backslash": r"\setminus",
        r"\$": "¤",
        r"\R": r"\mathbb{R}",
        r"\Z": r"\mathbb{Z}",
        r"\nsubseteq": r"\not\subseteq",
        r"\pounds": "£",
        r"\cent": "¢",
        r"\mod": r"\pmod",
        r"\euro": "€",
        r"\percent": "%",
        r"\ang": "°",
        r"\overrightarrow": r"\vec",
        r"\overline": r"\bar",
        r"\widehat": r"\hat",
        r"\infin": r"\infty",
        r"\thinspace": " ",
        r"\space": " ",
    }
)
# What a short text must contain, a pattern, and what stands for it.
RARE = tuple(
    (mark, re.compile(pattern), replacement)
    for mark, pattern, replacement in (
        ("'", r"^([0-9]+)' ?([0-9.]+)(?:\"|'')$", r"\1 feet \2 inches"),
        (
            "base",
            r"([0-9]{1,60}) (?:\\text ?\{ ?)?(?:in )?base ?\}?[ -]?"
            r"([0-9]{1,2}|[a-z]{3,8}) ?\}?",
            r"\1_{\2}",
        ),
        (
            "h",
            r"^([0-9.]+) ?h(?:rs?)? ([0-9.]+) ?m(?:ins?)?$",
            r"\1 hours \2 minutes",
        ),
        ("C", r"^([0-9]{1,4}) ?C ?([0-9]{1,4})$", r"\\binom{\1}{\2}"),
        (
            "C_",
            r"(?<![A-Za-z0-9)}])(?:\{\})?[_^]\{?([0-9]{1,4})\}? ?C"
            r"_\{?([0-9]{1,4})\}?",
            r"\\binom{\1}{\2}",
        ),
        (
            "P",
            r"^([0-9]{1,4}) ?P ?([0-9]{1,4})$",
            r"\\frac{\1!}{(\1-\2)!}",
        ),
        (
            "P_",
            r"(?<![A-Za-z0-9)}])(?:\{\})?[_^]\{?([0-9]{1,4})\}? ?P"
            r"_\{?([0-9]{1,4})\}?",
            r"\\frac{\1!}{(\1-\2)!}",
        ),
        (
            "nCr(",
            r"^nCr\(([0-9]{1,4}), ?([0-9]{1,4})\)$",
            r"\\binom{\1}{\2}",
        ),
        (
            "nPr(",
            r"^nPr\(([0-9]{1,4}), ?([0-9]{1,4})\)$",
            r"\\frac{\1!}{(\1-\2)!}",
        ),
        (" old", r"(?<=years|onths) old$", ""),
        ("in", r"(?<=[0-9]) ?in\.?(?=$|\^)", " inches"),
        # 5 (units)
        (
            ")",
            r"(?<=[0-9]) ?\(([a-z]{2,20}(?:[ /][a-z]{2,20}){0,2})\)"
            r"(?=$| ?[;,])",
            r" \1",
        ),
        # 0.1(6)
        (
            ")",
            r"^(-?[0-9]{1,9}\.[0-9]{0,9})\(([0-9]{1,9})\)$",
            r"\1\\bar{\2}",
        ),
        (
            r"\dot",
            r"\\dot ?\{?([0-9])\}?([0-9]{0,9})\\dot ?\{?([0-9])\}?$",
            r"\\bar{\1\2\3}",
        ),
        (r"\ldots", r"(?<=\.)([0-9]{1,40}) ?\\ldots$", r"\1..."),
        (
            "...",
            r"^(-?[0-9]{1,9}\.[0-9]{0,6}?)([0-9]{1,6}?)\2{2,20}\.{3}$",
            r"\1\\bar{\2}",
        ),
        # 0.142857142857...
        (
            "...",
            r"^(-?[0-9]{1,9}\.[0-9]{0,6}?)([0-9]{4,9}?)\2{1,9}\.{3}$",
            r"\1\\bar{\2}",
        ),
        # 1.000.000 and 1.000,99, where a comma marks decimals
        (
            ".",
            r"^(?=-?[0-9]{1,3}(?:\.[0-9]{3}){2,9}$).*$",
            lambda match: match.group().replace(".", ""),
        ),
        (
            ",",
            r"^-?[0-9]{1,3}(?:[. ][0-9]{3}){1,9},[0-9]{1,9}$",
            lambda match: re.sub("[. ]", "", match.group()).replace(",", "."),
        ),
        ("+/-", r"\+/-", r"\\pm "),
        # ff_{16}
        (
            "16",
            r"^(?=[0-9A-Fa-f]*[A-Fa-f])([0-9A-Fa-f]{2,60})_(\{?16\}?)$",
            lambda match: match.group(1).upper() + "_" + match.group(2),
        ),
        ("0b", r"^0b([01]{1,60})$", r"\1_2"),
        (
            "base",
            r"_ ?\{ ?\\text ?\{ ?base ?\}? ?-?([0-9]{1,2}) ?\}?\}",
            r"_{\1}",
        ),
        ("_{(", r"(?<=[0-9])_\{\(([0-9]{1,2})\)\}", r"_{\1}"),
        # log2(8)
        ("log", r"(?<![\\A-Za-z])log(2|10) ?(?=\()", r"\\log_{\1}"),
        ("U", r"(?<=[\])]) ?U ?(?=[\[(])", r"\\cup "),
        ("<", r"^<([^<>=]{1,80},[^<>=]{1,80})>$", r"\\langle \1\\rangle"),
        (")_", r"\(([0-9]{1,60})\)(?=_)", r"\1"),
        ("(mod", r"\(mod ([^()]{1,40})\)", r"\\pmod{\1}"),
        ("^", r"(?<=[0-9])\^ ?(?:\{ ?o ?\}|o(?![A-Za-z]))", "°"),
        ("USD", r"^USD ?(?=[0-9])", "¤"),
        ("US¤", r"^US¤", "¤"),
        ("Rs", r"^(?:\\text ?\{ ?)?Rs\.? ?\}? ?(?=[0-9])", "₹"),
        (
            r"\mu",
            r"(?<=[0-9]) ?\\mu ?\\text ?\{ ?([gms]) ?\}",
            r" \\text{micro\1}",
        ),
        ("Omega", r"(?<=[0-9]) ?\\Omega$", " ohms"),
        ("equal", r"(?<= )(?:is equal to|equals)(?= )", "="),
        ("sq", r"(?<![\\A-Za-z])sq[. ] ?(?=[a-z])", "square "),
    )
)
