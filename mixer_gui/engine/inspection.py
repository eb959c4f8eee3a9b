"""Looking at a checkpoint before it is loaded."""

import hashlib
from pathlib import Path

from mixer_gui.records import ModelInspected


def inspected(path: Path) -> ModelInspected:
    """Of a bare weights file, its digest and how its pictures were likely prepared; a folder says that itself.

    Raises MixerGuiError where the file is no checkpoint.
    """
    from mixer_gui.model.description import likely_assumptions

    if path.is_dir():
        return ModelInspected(path)
    likely = likely_assumptions(path)
    with path.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    return ModelInspected(path, digest, likely)
