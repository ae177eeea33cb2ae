import pytest

from jaxlrm.verify.answers.printed import as_latex


@pytest.mark.parametrize(
    ("text", "latex"),
    [
        ("Fraction(1, 2)", r"\frac{1}{2}"),
        ("[Fraction(1, 2), 3]", r"[\frac{1}{2}, 3]"),
        ("[1. 2.]", "[1., 2.]"),
        ("array([1, 2], dtype=int64)", "[1, 2]"),
        ("np.float64(2.5)", "2.5"),
        ("(3+4j)", "3+4i"),
        ("{x: 1, y: 2}", "x = 1, y = 2"),
        ("[{x: 1}, {x: 2}]", r"x = 1 \text{ or } x = 2"),
        ("FiniteSet(1, 2)", r"\{1, 2\}"),
        ("Interval(0, oo)", "[0, oo)"),
        ("Interval.Lopen(0, 1)", "(0, 1]"),
        ("EmptySet", r"\emptyset"),
        ("['A', 'B']", "A, B"),
        # Not of a program.
        ("(1, 2)", "(1, 2)"),
        ("f(x) = 2x", "f(x) = 2x"),
        ("{1, 2}", "{1, 2}"),
        ("{x : x > 2}", "{x : x > 2}"),
        ("[1, 2)", "[1, 2)"),
        ("Matrix of 5", "Matrix of 5"),
    ],
)
def test_printed(text, latex):
    assert as_latex(text) == latex
