"""What runs inside the decoder process: one job at a time, from a pipe and back into it.

The parent imports this module only to name `serve`, so everything heavy is imported in functions.
Neither torch nor Qt, and nothing of the project but records and pictures.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import pickle
import signal
import sys
import threading
import time
import traceback
from multiprocessing import connection, parent_process
from typing import TYPE_CHECKING

from mixer_gui.records import BytesSource, DecodedPicture, DecodeJob, FileSource, Frame, MixerGuiError

if TYPE_CHECKING:
    from mixer_gui.pictures.decode import OpenPicture
    from mixer_gui.pictures.limits import Limits

READY = "ready"
STARTED = "started"

# How long after the parent's own time limit a job ends itself. It matters only where the parent is
# dead and a decoder hangs in C code, where no Python thread can act.
_SELF_DESTRUCTION_S = 5.0

# The last picture is kept at full resolution (4 bytes a pixel), so that moving the crop over it
# costs a resize and no decoding.
_LARGEST_KEPT_PIXELS = 64_000_000

Message = str | DecodedPicture | MixerGuiError


def serve(
    pipe: connection.Connection, limits: Limits, memory_bytes: int, timeout_s: float, keeps_last: bool, niceness: int
) -> None:
    """Announce READY, then for each DecodeJob send STARTED and its outcome, until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _limit_memory(memory_bytes)
    _watch_parent()
    if sys.platform != "win32":
        os.setpriority(os.PRIO_PROCESS, 0, max(niceness, os.getpriority(os.PRIO_PROCESS, 0)))
    # Nothing here multiplies matrices: without this numpy reserves memory for a thread on each core.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

    from mixer_gui.pictures.decode import register_formats

    register_formats()
    session = Session(limits, keeps_last=keeps_last)
    with contextlib.suppress(EOFError, OSError), open(os.devnull, "w") as nowhere:  # noqa: PTH123
        send(pipe, READY)
        while True:
            job = pickle.loads(pipe.recv_bytes())
            send(pipe, STARTED)
            faulthandler.dump_traceback_later(timeout_s + _SELF_DESTRUCTION_S, exit=True, file=nowhere)
            outcome = _outcome(session, job)
            faulthandler.cancel_dump_traceback_later()
            del job
            send(pipe, outcome)
            del outcome


def send(pipe: connection.Connection, message: Message) -> None:
    """Send a message with its arrays beside the pickle, so that pixels are not copied into it."""
    buffers: list[pickle.PickleBuffer] = []
    head = pickle.dumps(message, protocol=5, buffer_callback=buffers.append)
    pipe.send_bytes(bytes([len(buffers)]) + head)
    for buffer in buffers:
        pipe.send_bytes(buffer.raw())


def receive(pipe: connection.Connection) -> Message:
    """The counterpart of `send`; arrays are read-only because they lie in `bytes`.

    EOFError or OSError where the other side ended before its message did.
    """
    head = pipe.recv_bytes()
    buffers = [pipe.recv_bytes() for _ in range(head[0])]
    message: Message = pickle.loads(memoryview(head)[1:], buffers=buffers)
    return message


class Session:
    """Decodes jobs one after the other and may keep the last picture for the next crop of it."""

    def __init__(self, limits: Limits, *, keeps_last: bool = True) -> None:
        self._limits = limits
        self._keeps_last = keeps_last
        self._kept: tuple[object, OpenPicture] | None = None
        self._frame: tuple[int, Frame] | None = None  # display edge, frame of the kept picture

    def run(self, job: DecodeJob) -> DecodedPicture:
        """Decode, shrink for display, prepare for the network; MixerGuiError where that fails."""
        from mixer_gui.pictures.preprocess import prepare

        begin = time.perf_counter()
        picture = self._open(job.source)
        frame = self._shrink(picture, job.display_edge)
        decoded = time.perf_counter()
        network_input = None
        if job.preprocessing is not None:
            network_input = prepare(picture.image, job.preprocessing, job.framing)
        prepared = time.perf_counter()
        return DecodedPicture(frame, network_input, (decoded - begin) * 1e3, (prepared - decoded) * 1e3)

    def forget(self) -> None:
        """Drop the kept picture and its frame."""
        self._kept = None
        self._frame = None

    def _shrink(self, picture: OpenPicture, display_edge: int) -> Frame:
        from mixer_gui.pictures.decode import frame_of

        if self._frame is not None and self._frame[0] == display_edge:
            return self._frame[1]
        frame = frame_of(picture, display_edge)
        if self._kept is not None:
            self._frame = (display_edge, frame)
        return frame

    def _open(self, source: FileSource | BytesSource) -> OpenPicture:
        from mixer_gui.pictures.decode import open_picture

        if not self._keeps_last:
            return open_picture(source, self._limits)
        key = _identity(source)
        if self._kept is not None and key is not None and self._kept[0] == key:
            return self._kept[1]
        # Forget first: two large pictures at once would need twice the memory.
        self.forget()
        picture = open_picture(source, self._limits)
        if key is not None and picture.image.width * picture.image.height <= _LARGEST_KEPT_PIXELS:
            self._kept = (key, picture)
        return picture


def _identity(source: FileSource | BytesSource) -> object | None:
    """What tells one picture from another, and a file from its next version; None where unknown."""
    if isinstance(source, BytesSource):
        import hashlib

        return (source.name, hashlib.blake2b(source.data).digest())
    try:
        status = source.path.stat()
    except (OSError, ValueError):
        return None
    return (source.path, status.st_mtime_ns, status.st_size, status.st_ino)


def _outcome(session: Session, job: DecodeJob) -> DecodedPicture | MixerGuiError:
    try:
        return session.run(job)
    except MixerGuiError as error:
        # Its cause holds frames, and those hold pixels.
        return MixerGuiError(str(error), error.detail)
    except MemoryError:
        session.forget()
        sentence = f"“{job.source.name}” needs more memory than is allowed. Scale the picture down and try again."
        return MixerGuiError(sentence, traceback.format_exc())
    except Exception:
        session.forget()
        sentence = f"“{job.source.name}” could not be decoded; the log says more."
        return MixerGuiError(sentence, traceback.format_exc())


def _limit_memory(memory_bytes: int) -> None:
    """Cap the address space, so that a hostile picture cannot take the machine's memory.

    Holds on Linux. macOS accepts the limit and does not enforce it, and Windows has none: there the
    limit on pixels is the only one.
    """
    if sys.platform == "win32":
        return
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    soft = memory_bytes if hard == resource.RLIM_INFINITY else min(memory_bytes, hard)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _watch_parent() -> None:
    """End with the parent, however it ends; an idle worker would notice the pipe, a busy one not."""
    parent = parent_process()
    if parent is None:
        return

    def wait() -> None:
        connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=wait, name="parent-watch", daemon=True).start()
