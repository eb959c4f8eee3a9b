"""What the tests of downloading share: a Hub that is patient enough for tests, and a download that is watched."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mixer_gui.hub.client import Hub
from mixer_gui.hub.describe import Describe
from mixer_gui.hub.download import Download, Pulled
from mixer_gui.hub.errors import explained
from mixer_gui.model.description import describe, describe_remote
from mixer_gui.records import DownloadProgress, RepositoryRef

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from faulty_proxy import FaultyProxy
    from hub_repositories import Repository

WEIGHTS = "*/model.safetensors"
DESCRIBE = Describe(describe, describe_remote)


def hub_of(
    proxy: FaultyProxy, cache: Path, *, silence_s: float = 10.0, pauses_s: tuple[float, ...] = (0.1,) * 5
) -> Hub:
    return Hub(endpoint=proxy.endpoint, cache=cache, silence_s=silence_s, pauses_s=pauses_s)


@dataclass
class Watched:
    """One run of a download: its progress, and the sentence that the user reads where it failed."""

    hub: Hub
    ref: RepositoryRef
    cancel_when: Callable[[DownloadProgress], bool] = lambda progress: False
    progress: list[DownloadProgress] = field(default_factory=list)
    pulled: Pulled | None = None
    sentence: str = ""
    fetched_bytes: int = 0

    def run(self) -> Watched:
        download = Download(
            self.hub,
            self.ref,
            cancelled=lambda: bool(self.progress) and self.cancel_when(self.progress[-1]),
            progressed=self.progress.append,
        )
        try:
            self.pulled = download.run()
        except Exception as error:
            self.sentence = str(explained(error, self.ref, self.hub))
        self.fetched_bytes = download.fetched_bytes
        return self

    @property
    def notes(self) -> list[str]:
        """What it waited for, without the seconds that count down."""
        texts = [progress.note.split("; trying")[0] for progress in self.progress]
        return [text for index, text in enumerate(texts) if text and text != texts[index - 1]]


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def assert_whole(watched: Watched, repository: Repository) -> None:
    """It is done, and every file is bit for bit the repository's."""
    assert watched.pulled is not None, watched.sentence
    for file in repository.files.iterdir():
        assert digest(watched.pulled.path / file.name) == digest(file)
    assert not list(watched.hub.folder.glob("models--*/blobs/*mixer-gui*"))


def assert_nothing_to_load(cache: Path, hub_repository: Repository) -> None:
    """No snapshot of the repository holds weights, and the store knows no whole model."""
    folder = cache / f"models--{hub_repository.name.replace('/', '--')}"
    assert not list(folder.glob("snapshots/*/model.safetensors"))
