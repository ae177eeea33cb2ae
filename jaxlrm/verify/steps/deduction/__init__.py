r"""Does a line follow from another, where both may be any mathematics?

`steps` compares rational functions with its own quick parser; what that
cannot read (roots, logarithms, `x = \pm 2`, `x > 3`, systems, derivatives) or
leaves open (equations of a higher degree, of several unknowns) comes here.
"""

from jaxlrm.verify.steps.deduction.lines import (
    compare_lines,
    sort_of,
    takes_derivative,
)

__all__ = ["compare_lines", "sort_of", "takes_derivative"]
