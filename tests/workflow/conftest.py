"""Checkouts: `clean` has no results and is shared, `fresh` is a test's own."""

from pathlib import Path

import pytest
from support.checkout import Checkout, check_out


@pytest.fixture(scope="session")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """For plans, which change nothing."""
    return check_out(tmp_path_factory.mktemp("clean"))


@pytest.fixture
def fresh(clean: Checkout, tmp_path: Path) -> Checkout:
    """For tests that change files or run jobs."""
    return clean.twin(tmp_path / "fresh")
