"""Whether something is a Mixer is the model's business, which this zone does not know: it comes in as two functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from mixer_gui.hub.pickled import Shapes, read_pickled_shapes
from mixer_gui.records import CheckpointInfo, MixerGuiError, ModelRef

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
PICKLED = "pytorch_model.bin"
WEIGHT_FILES = (WEIGHTS, INDEX, PICKLED)  # the preferred first


@dataclass(frozen=True, slots=True)
class Describe:
    """Both return a description, or raise MixerGuiError saying why it is no Mixer that runs here.

    `folder` is asked about a checkpoint on disk; `remote` gets "owner/name", the commit, the tensors' shapes and
    the content of config.json.
    """

    folder: Callable[[ModelRef], CheckpointInfo]
    remote: Callable[[str, str, Shapes, bytes], CheckpointInfo]

    def snapshot(self, path: Path, repository: str) -> CheckpointInfo:
        """A snapshot in the cache. Of pickles only names and shapes are read: others' may be many and large."""
        weights = weights_of(path)
        if weights is None or weights.name != PICKLED:
            return self.folder(ModelRef(path))
        try:
            with weights.open("rb") as file:
                shapes = read_pickled_shapes(file, weights.name)
            config = (path / CONFIG).read_bytes()
        except OSError as error:
            raise MixerGuiError(f"“{path}” cannot be read: {error.strerror or error}.", str(error)) from error
        return replace(self.remote(repository, path.name, shapes, config), path=path)


def weights_of(path: Path) -> Path | None:
    """The file with the weights of a snapshot, None where it has none."""
    return next((path / name for name in WEIGHT_FILES if (path / name).is_file()), None)
