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
from jaxlrm.families.rules import arithmetic as arithmetic_rule
from jaxlrm.families.rules import derivative as derivative_rule
from jaxlrm.families.rules import factors as factors_rule
from jaxlrm.families.rules import moves as moves_rule
from jaxlrm.families.rules import polynomials as polynomials_rule
from jaxlrm.families.rules import programs as programs_rule
from jaxlrm.families.rules import systems as systems_rule
from jaxlrm.families.system import LinearSystem

# Each with its rule. Where two families read a text, the first one takes it.
_FAMILIES = (
    (LinearEquation(), None),
    (LinearSystem(), systems_rule),
    (AddSubMultiple(), arithmetic_rule),
    (RationalArithmetic(), arithmetic_rule),
    (GreatestCommonDivisor(), arithmetic_rule),
    (LeastCommonMultiple(), arithmetic_rule),
    (PrimeFactorisation(), factors_rule),
    (Evaluation(), arithmetic_rule),
    (Expand(), polynomials_rule),
    (Derivative(), derivative_rule),
    (Game24(), moves_rule),
    (Countdown(), moves_rule),
    (Programs(), programs_rule),
)
for _family, _rule in _FAMILIES:
    register(_family, _rule)
NAMES = tuple(family.name for family, _ in _FAMILIES)
