"""A real HTTP server on this machine, with the habits of good and bad ones. For tests only."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class PictureServer(ThreadingHTTPServer):
    """Serves `picture` at any path, unless the path's first part names another habit.

    /status/404 answers so; /stall sends headers and half of the picture, then nothing; /mute sends nothing
    at all; /drip sends a byte now and then; /chunked tells no length; /endless never ends; /claims/N says
    that N bytes come; /cut ends early; /redirect?ADDRESS leads there; /loop leads to itself.
    """

    daemon_threads = True

    def __init__(self, picture: bytes, address: tuple[str, int] = ("127.0.0.1", 0)) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, Handler)
        self.picture = picture
        self.closing = threading.Event()
        self.reached = threading.Event()  # a request has come
        self.headers: list[dict[str, str]] = []
        host = f"[{address[0]}]" if ":" in address[0] else address[0]
        self.address = f"http://{host}:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is what some tests do; its error is not the server's."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: PictureServer

    def log_message(self, *_: object) -> None:
        pass

    def begin(self, status: int = 200, length: int | None = None, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Connection", "close")
        if length is not None:
            self.send_header("Content-Length", str(length))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def do_GET(self) -> None:
        self.server.headers.append({name.lower(): value for name, value in self.headers.items()})
        self.server.reached.set()
        self.close_connection = True
        picture, closing = self.server.picture, self.server.closing
        path, _, query = self.path.partition("?")
        match path.strip("/").split("/"):
            case ["status", code]:
                self.begin(int(code), 0)
            case ["redirect"]:
                self.begin(302, 0, Location=query)
            case ["loop"]:
                self.begin(302, 0, Location="/loop")
            case ["mute"]:
                closing.wait(20)
            case ["stall"]:
                self.begin(200, len(picture))
                self.wfile.write(picture[: len(picture) // 2])
                closing.wait(20)
            case ["drip"]:
                self.begin(200, 1000)
                while not closing.wait(0.05):
                    self.wfile.write(b".")
            case ["chunked"]:
                self.begin(200, Transfer_Encoding="chunked")
                for start in range(0, len(picture), 1000):
                    piece = picture[start : start + 1000]
                    self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
                self.wfile.write(b"0\r\n\r\n")
            case ["endless"]:
                self.begin(200)
                while not closing.is_set():
                    self.wfile.write(bytes(100_000))
            case ["claims", length]:
                self.begin(200, int(length))
                closing.wait(20)
            case ["cut"]:
                self.begin(200, len(picture))
                self.wfile.write(picture[: len(picture) // 2])
            case _:
                self.begin(200, len(picture), Content_Type="image/png")
                self.wfile.write(picture)


@contextmanager
def serving(picture: bytes, host: str = "127.0.0.1") -> Iterator[PictureServer]:
    server = PictureServer(picture, (host, 0))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, name="server")
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()


def closed_port() -> int:
    """A port of this machine at which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
