"""Only the families of the package are registered here."""

from __future__ import annotations

import pytest

from jaxlrm import extend
from jaxlrm.families import NAMES


@pytest.fixture(autouse=True, scope="module")
def _families_alone():
    """What other tests have registered would read the same texts."""
    with pytest.MonkeyPatch.context() as patch:
        known = {name: extend._FAMILIES[name] for name in NAMES}
        patch.setattr(extend, "_FAMILIES", known)
        yield
