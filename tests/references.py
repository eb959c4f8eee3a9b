"""Trusted implementations to compare with, where they are installed; tests only."""

from __future__ import annotations

from types import ModuleType

import pytest

from mixer_gui.bench import reference
from mixer_gui.records import MixerGuiError


def import_timm() -> ModuleType:
    """The timm package, or a skipped test with the reason."""
    try:
        return reference.import_timm()
    except MixerGuiError as error:
        pytest.skip(str(error))
