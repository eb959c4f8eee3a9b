"""What a repository holds, asked of the Hub before anything is downloaded."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial
from typing import BinaryIO, cast

from mixer_gui.hub import client
from mixer_gui.hub.cache import RepositoryFolder
from mixer_gui.hub.client import Hub, RemoteFile, RemoteSnapshot
from mixer_gui.hub.describe import CONFIG, INDEX, PICKLED, Describe
from mixer_gui.hub.download import weight_names
from mixer_gui.hub.patience import Patience
from mixer_gui.hub.pickled import Shapes, read_pickled_shapes
from mixer_gui.hub.safetensors_head import read_safetensors_shapes
from mixer_gui.records import Cancelled, CheckpointInfo, MixerGuiError, RepositoryFound, RepositoryRef

MAX_CONFIG_BYTES = 2**24
READ_AHEAD_BYTES = 2**17


def look_up(
    hub: Hub, ref: RepositoryRef, describe: Describe, *, cancelled: Callable[[], bool] = lambda: False
) -> RepositoryFound:
    """Read the names and shapes of its tensors and its config.json, and say whether it is a Mixer that runs here.

    A repository that is none is an answer, too. Raises Cancelled and what `errors.explained` explains.
    """
    patience = Patience(hub, cancelled, lambda reason: None)
    ask = patience.ask
    found = ask(partial(client.snapshot, hub, ref))
    try:
        names = [CONFIG, *weight_names(hub, found, patience)]
    except Cancelled:
        raise
    except MixerGuiError as error:
        return _answer(ref, found, sentence=str(error))
    files = [ask(partial(client.remote_file, hub, ref.repository, found.commit, name)) for name in names]
    read = partial(client.read_small, hub, ref.repository, found.commit, CONFIG, MAX_CONFIG_BYTES)
    config = ask(read)
    folder = RepositoryFolder(hub.folder, ref.repository)
    total = sum(file.size for file in files)
    missing = total - sum(folder.arrived_bytes(found.commit, file) for file in files)
    try:
        shapes: Shapes = {}
        for file in files[1:]:
            if file.name != INDEX:
                shapes |= ask(partial(_read_shapes, hub, found, file))
        info = describe.remote(ref.repository, found.commit, shapes, config)
    except client.PartsNotServedError:
        sentence = f"{hub.host} sends whole files only: whether it is a Mixer shows once it is downloaded."
        return _answer(ref, found, total=total, missing=missing, sentence=sentence, can_download=True)
    except Cancelled:
        raise
    except MixerGuiError as error:
        return _answer(ref, found, total=total, missing=missing, sentence=str(error))
    return _answer(ref, found, total=total, missing=missing, info=info, can_download=True)


def _read_shapes(hub: Hub, found: RemoteSnapshot, weights: RemoteFile) -> Shapes:
    read = read_pickled_shapes if weights.name == PICKLED else read_safetensors_shapes
    reader = client.RemoteReader(hub, found.repository, found.commit, weights)
    with io.BufferedReader(reader, buffer_size=READ_AHEAD_BYTES) as file:
        return read(cast(BinaryIO, file), f"{weights.name} of {found.repository}")


def _answer(
    ref: RepositoryRef,
    found: RemoteSnapshot,
    *,
    total: int = 0,
    missing: int = 0,
    info: CheckpointInfo | None = None,
    sentence: str = "",
    can_download: bool = False,
) -> RepositoryFound:
    return RepositoryFound(
        ref=ref,
        commit=found.commit,
        download_bytes=total,
        missing_bytes=missing,
        licence=found.licence,
        info=info,
        sentence=sentence,
        can_download=can_download,
    )
