"""A real Hub on this machine: the package olah in a process of its own, over git repositories. For tests only."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

START_S = 60.0
SHOWN_LOG_BYTES = 4000
# What the Hub stores as git-LFS whatever its size, and the size from which it stores everything so.
LFS_SUFFIXES = frozenset({".safetensors", ".bin", ".npz", ".pth", ".pt"})
LFS_FROM_BYTES = 10_000_000

# olah as its own command starts it; it ends with the process that started it, even where that one is killed.
COMMAND = """
import os, sys, threading
from olah.server import cli

def follow():
    sys.stdin.buffer.read()
    os._exit(0)

threading.Thread(target=follow, daemon=True).start()
cli()
"""
CONFIG = """
[basic]
host = "127.0.0.1"
port = {port}
repos-path = "{folder}/cache"
hf-scheme = "http"
hf-netloc = "127.0.0.1:9"
mirror-netloc = "127.0.0.1:{port}"
mirror-lfs-netloc = "127.0.0.1:{port}"
mirrors-path = ["{folder}/mirrors"]

[accessibility]
offline = true
"""
# Neither the user's settings nor the machine's nor those of a git that runs the tests reach these repositories.
GIT = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "Test",
    "GIT_AUTHOR_EMAIL": "test@example.com",
    "GIT_COMMITTER_NAME": "Test",
    "GIT_COMMITTER_EMAIL": "test@example.com",
}


class HubServer:
    """Serves what was added, at `endpoint`, from entering its `with` block to leaving it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "server.log"
        self._reservation = reserve_port()
        self.port = int(self._reservation.getsockname()[1])
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None
        (folder / "mirrors").mkdir(parents=True)
        (folder / "olah.toml").write_text(CONFIG.format(port=self.port, folder=folder), encoding="utf-8")

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self._reservation.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._reservation.close()

    def start(self) -> None:
        """Returns when the server answers; the port is the same each time."""
        if self._process is not None:
            return
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", COMMAND, "-c", "olah.toml", "--log-path", "logs"],
                cwd=self.folder,
                env=_environment() | {"HOME": str(self.folder), "HF_HOME": str(self.folder / "huggingface")},
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + START_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"olah did not start:\n{self.log_tail()}")
            time.sleep(0.02)

    def stop(self) -> None:
        """Off at once: nobody listens at the port, and transfers are cut. Any number of times."""
        if self._process is None:
            return
        process, self._process = self._process, None
        process.kill()
        process.wait()
        if process.stdin is not None:
            process.stdin.close()

    def log_tail(self) -> str:
        """The end of what the server printed, for messages."""
        return self.log.read_bytes()[-SHOWN_LOG_BYTES:].decode(errors="replace") if self.log.exists() else ""

    def add(self, repository: str, files: Path, *, branch: str = "main", tag: str | None = None) -> str:
        """Make `files` the whole content of a branch of `repository` by a new commit; returns its hash."""
        clone = self.clone(repository)
        if not clone.exists():
            clone.mkdir(parents=True)
            self._git(clone, "init", "--quiet", "--initial-branch", branch)
        elif branch in self._git(clone, "branch", "--format", "%(refname:short)").split():
            self._git(clone, "symbolic-ref", "HEAD", f"refs/heads/{branch}")
        else:
            self._git(clone, "checkout", "--quiet", "-b", branch)
        for path in clone.iterdir():
            if path.name != ".git":
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        for path in sorted(files.rglob("*")):
            if path.is_file():
                self._store(clone, path, clone / path.relative_to(files))
        self._git(clone, "add", "--all", "--force")
        self._git(clone, "commit", "--quiet", "--allow-empty", "--message", "Files")
        if tag is not None:
            self._git(clone, "tag", tag)
        return self._git(clone, "rev-parse", "HEAD").strip()

    def remove(self, repository: str) -> None:
        """From now on it is unknown."""
        shutil.rmtree(self.clone(repository))

    def clone(self, repository: str) -> Path:
        """The folder of the repository, which may not be there."""
        return self.folder / "mirrors" / "models" / repository

    def _store(self, clone: Path, source: Path, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.suffix not in LFS_SUFFIXES and source.stat().st_size < LFS_FROM_BYTES:
            shutil.copyfile(source, target)
            return
        with source.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        stored = clone / ".git" / "lfs" / "objects" / digest[:2] / digest[2:4] / digest
        stored.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, stored)
        target.write_bytes(
            f"version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize {source.stat().st_size}\n".encode()
        )

    def _git(self, clone: Path, *arguments: str) -> str:
        ran = subprocess.run(["git", *arguments], cwd=clone, env=_environment(), capture_output=True, text=True)
        if ran.returncode != 0:
            raise RuntimeError(f"git {' '.join(arguments)}:\n{ran.stderr}")
        return ran.stdout

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("GIT_")} | GIT


def reserve_port() -> socket.socket:
    """A socket that keeps a free port of this machine for a server that allows reuse, as servers do; close it.

    Nobody listens there until that server starts, and nobody else gets the port while it is stopped.
    """
    reservation = socket.socket()
    reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reservation.bind(("127.0.0.1", 0))
    return reservation
