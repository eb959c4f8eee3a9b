"""The window that is open listens here for the files of programs started after it. Lives in the window's thread."""

from __future__ import annotations

import logging
import os

from PySide6.QtCore import QObject, QTimer, Signal, Slot
from PySide6.QtNetwork import QLocalServer, QLocalSocket

from mixer_gui.gui.handover import HEAD, LIMIT_BYTES, files_of, packed, unpacked

log = logging.getLogger(__name__)

SILENCE_MS = 5_000  # a caller that has said nothing whole until then is left
TOKEN_LENGTH = 1_000


class Instance(QObject):
    """Answers each caller, then tells of its files. What is no message of ours is logged and gets no answer."""

    files_arrived = Signal(object)  # list[Path], absolute; empty: the window is only to come to the front

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._server = QLocalServer(self)
        self._server.setSocketOptions(QLocalServer.SocketOption.UserAccessOption)
        self._server.newConnection.connect(self._greet)

    def listen(self, name: str) -> bool:
        """Whether it can be heard there; nobody else may be listening."""
        QLocalServer.removeServer(name)
        listens = self._server.listen(name)
        if not listens:
            log.warning("files of later starts cannot be received at %s: %s", name, self._server.errorString())
        return listens

    @Slot()
    def close(self) -> None:
        self._server.close()

    @Slot()
    def _greet(self) -> None:
        while (socket := self._server.nextPendingConnection()) is not None:
            caller = Caller(socket, self)
            caller.files_named.connect(self.files_arrived)
            caller.listen()


class Caller(QObject):
    """One program that was started later, or something else that found the socket. Gone with its connection."""

    files_named = Signal(object)  # list[Path]

    def __init__(self, socket: QLocalSocket, parent: QObject) -> None:
        super().__init__(parent)
        socket.setParent(self)
        socket.setReadBufferSize(HEAD.size + LIMIT_BYTES)
        self._socket = socket
        self._silence = QTimer(self, singleShot=True, interval=SILENCE_MS)
        self._silence.timeout.connect(self._leave)
        socket.disconnected.connect(self.deleteLater)
        socket.readyRead.connect(self.listen)

    @Slot()
    def listen(self) -> None:
        """To what has come so far."""
        head = bytes(self._socket.peek(HEAD.size).data())
        length = HEAD.unpack(head)[0] if len(head) == HEAD.size else 0
        if length > LIMIT_BYTES:
            self._refuse(f"{length} bytes")
        elif len(head) < HEAD.size or self._socket.bytesAvailable() < HEAD.size + length:
            if not self._silence.isActive():
                self._silence.start()
        else:
            self._understand(bytes(self._socket.read(HEAD.size + length).data())[HEAD.size :])

    def _understand(self, body: bytes) -> None:
        try:
            message = unpacked(body)
            files = files_of(message)
        except ValueError as error:
            self._refuse(str(error))
            return
        self._socket.write(packed({"taken": True}))
        self._socket.flush()
        token = message.get("activation")
        if isinstance(token, str) and 0 < len(token) <= TOKEN_LENGTH and token.isprintable():
            os.environ["XDG_ACTIVATION_TOKEN"] = token  # Qt takes it from there when it activates a window
        log.info("files from a later start: %d", len(files))
        self.files_named.emit(files)

    def _refuse(self, why: str) -> None:
        log.warning("a message was ignored: %s", why)
        self._leave()

    @Slot()
    def _leave(self) -> None:
        self._socket.abort()
