import pytest

from jaxlrm.verify import check_step, extract_answer, is_equivalent, run_python
from jaxlrm.verify.inputs import count_operations


@pytest.mark.parametrize(
    ("function", "arguments", "words"),
    [
        (is_equivalent, (b"1", "1"), r"prediction is b'1' \(bytes\).*decode"),
        (is_equivalent, ("1", None), r"gold is None .*pass ''"),
        (is_equivalent, ("1", 1), r"gold is 1 \(int\).*str\(value\)"),
        (extract_answer, (None,), "text is None"),
        (check_step, ("x = 1", b"x"), "step is b'x'"),
        (run_python, (b"print(1)",), "code is b'print"),
    ],
)
def test_what_is_no_text_is_refused(function, arguments, words):
    with pytest.raises(TypeError, match=words):
        function(*arguments)


def test_no_answer_is_no_right_answer():
    assert not is_equivalent(extract_answer(""), "5")


@pytest.mark.parametrize(
    ("line", "count"),
    [("3 + 4*x", 2), ("-3", 0), ("2 * -3", 1), ("x**2", 1), ("(1) - +2", 1)],
)
def test_signs_are_no_operations(line, count):
    assert count_operations(line) == count
