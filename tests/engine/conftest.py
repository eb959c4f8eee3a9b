"""What several tests of the engine start from."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from running import Running, running


@pytest.fixture
def run() -> Iterator[Running]:
    """A pipeline whose steps run in a thread; closed afterwards."""
    with running() as started:
        yield started
