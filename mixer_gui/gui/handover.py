"""Files for a window that is open already: its name, its messages, and handing over to it.

A message is four bytes with its length, then JSON. Qt is imported only where somebody may be listening.
"""

from __future__ import annotations

import json
import os
import struct
import sys
import tempfile
import time
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mixer_gui.settings import default_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtNetwork import QLocalSocket

VERSION = 1
LIMIT_BYTES = 4_000_000  # of a message; the system lets a program have half as much in its arguments
PATIENCE_S = 1.0
HEAD = struct.Struct(">I")


def server_name(settings: Path | None = None) -> str:
    """What the window of this user, display and settings file listens on.

    On Linux and macOS a socket's path. QLocalServer's own place for one would be the folder for temporary files, also
    where the user has a folder for just that.
    """
    shown_on = (os.environ.get(each, "") for each in ("WAYLAND_DISPLAY", "DISPLAY"))
    whose = "\n".join((str(Path.home()), str(settings or default_path()), *shown_on))
    name = f"mixer-gui-{zlib.crc32(whose.encode(errors='surrogateescape')):08x}"
    if sys.platform == "win32":
        return name
    return str(Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()) / name)


def packed(message: dict[str, Any]) -> bytes:
    body = json.dumps({"version": VERSION, **message}).encode()
    return HEAD.pack(len(body)) + body


def unpacked(body: bytes) -> dict[str, Any]:
    """Raises ValueError where this is no message of this version."""
    try:
        message = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not JSON ({error})") from None
    if not isinstance(message, dict) or message.get("version") != VERSION:
        raise ValueError(f"not version {VERSION}")
    return message


def files_of(message: dict[str, Any]) -> list[Path]:
    """The files that a message hands over. Raises ValueError where it is not about absolute paths."""
    files = message.get("files")
    if not isinstance(files, list) or not all(isinstance(each, str) for each in files):
        raise ValueError("no list of files")
    paths = [Path(each) for each in files]
    if not all(each.is_absolute() and "\0" not in str(each) for each in paths):
        raise ValueError("a path that is not absolute")
    return paths


def hand_over(files: Sequence[str], name: str = "") -> bool:
    """Have the window that is open open these files and come to the front; False where none answers.

    Takes at most `PATIENCE_S`. A socket at which nobody answers is removed, so that the next window can listen there.
    """
    name = name or server_name()
    if sys.platform != "win32":
        try:
            if Path(name).lstat().st_uid != os.getuid():
                return False
        except OSError:
            return False
    from PySide6.QtNetwork import QLocalServer, QLocalSocket

    socket = QLocalSocket()
    if _answers(socket, name, packed({"files": [str(Path(each).absolute()) for each in files], **_right_to_focus()})):
        return True
    socket.abort()
    QLocalServer.removeServer(name)
    return False


def _answers(socket: QLocalSocket, name: str, message: bytes) -> bool:
    until = time.monotonic() + PATIENCE_S

    def left_ms() -> int:
        return max(round((until - time.monotonic()) * 1000), 0)

    socket.connectToServer(name)
    if not socket.waitForConnected(left_ms()):
        return False
    socket.write(message)
    answer = b""
    while len(answer) < HEAD.size or len(answer) < HEAD.size + HEAD.unpack_from(answer)[0]:
        if not socket.bytesAvailable() and not socket.waitForReadyRead(left_ms()):
            return False
        answer += bytes(socket.readAll().data())
        if len(answer) > LIMIT_BYTES:
            return False
    try:
        return unpacked(answer[HEAD.size :]).get("taken") is True
    except ValueError:
        return False


def _right_to_focus() -> dict[str, str]:
    """The desktop gave it to this process, since the user started it; the window that is open needs it."""
    if sys.platform == "win32":
        import ctypes

        ctypes.windll.user32.AllowSetForegroundWindow(-1)
        return {}
    return {"activation": os.environ.get("XDG_ACTIVATION_TOKEN", "")}
