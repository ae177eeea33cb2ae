"""All programs of these tests are compiled quickly."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True, scope="module")
def _compile_quickly(compile_quickly):
    """See `tests/conftest.py`."""
