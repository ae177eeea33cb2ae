"""Generated families of problems: an extension, which importing registers.

Thirteen families with their step rules (`rules/`), and recipes of training that
need them (`training/`). See docs/families.md.
"""

from jaxlrm.extend import register
from jaxlrm.families.arithmetic import AddSubMultiple
from jaxlrm.families.countdown import Countdown, Game24
from jaxlrm.families.derivative import Derivative
from jaxlrm.families.divisors import GreatestCommonDivisor, LeastCommonMultiple
from jaxlrm.families.evaluation import Evaluation
from jaxlrm.families.factors import PrimeFactorisation
from jaxlrm.families.linear import LinearEquation
from jaxlrm.families.polynomials import Expand
from jaxlrm.families.programs import Programs
from jaxlrm.families.rational import RationalArithmetic
from jaxlrm.families.rules import (
    arithmetic,
    derivative,
    factors,
    moves,
    polynomials,
    programs,
    systems,
)
from jaxlrm.families.system import LinearSystem

# Each with its rule. Where two families read a text, the first one takes it.
_FAMILIES = (
    (LinearEquation(), None),
    (LinearSystem(), systems),
    (AddSubMultiple(), arithmetic),
    (RationalArithmetic(), arithmetic),
    (GreatestCommonDivisor(), arithmetic),
    (LeastCommonMultiple(), arithmetic),
    (PrimeFactorisation(), factors),
    (Evaluation(), arithmetic),
    (Expand(), polynomials),
    (Derivative(), derivative),
    (Game24(), moves),
    (Countdown(), moves),
    (Programs(), programs),
)
for _family, _rule in _FAMILIES:
    register(_family, _rule)
NAMES = tuple(family.name for family, _ in _FAMILIES)
