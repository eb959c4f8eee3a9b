"""What a drop or the clipboard holds: files, picture data, addresses, a model. No widget, no decoding."""

from __future__ import annotations

import os.path
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from PySide6.QtCore import QBuffer, QByteArray, QIODevice, QMimeData
from PySide6.QtGui import QImage, QImageWriter

from mixer_gui.hub.repository import HOSTS
from mixer_gui.pictures.sources import PICTURE_SUFFIXES
from mixer_gui.records import VIDEO_SUFFIXES, WEIGHT_SUFFIXES, AddressSource, BytesSource, PictureSource

# Encoded pictures as programs offer them; these bytes go to the decoder's process as they are.
ENCODED_TYPES = ("image/png", "image/jpeg", "image/webp", "image/avif", "image/gif", "image/tiff", "image/bmp")


@dataclass(frozen=True, slots=True)
class Dropped:
    """What to open: paths on disk (pictures and folders), other pictures, a video, a model to use, or to look up.

    `hub_page` is the address of a page on the Hugging Face Hub.
    """

    paths: tuple[Path, ...] = ()
    pictures: tuple[PictureSource, ...] = ()
    video: Path | None = None
    more_videos: int = 0  # that are not opened
    model: Path | None = None
    hub_page: str = ""

    def __bool__(self) -> bool:
        return bool(self.paths or self.pictures or self.video or self.model or self.hub_page)


def is_model(path: Path) -> bool:
    """Whether a path is a checkpoint by its looks: a weights file, or a folder with a config.json. Raises nothing."""
    suffix = path.suffix.lower()
    if suffix in WEIGHT_SUFFIXES or suffix in PICTURE_SUFFIXES:  # for pictures the disk is not asked
        return suffix in WEIGHT_SUFFIXES
    return has_config(path)


def has_config(folder: Path) -> bool:
    """Whether a folder is in Hub format by its looks. Raises nothing."""
    return os.path.isfile(folder / "config.json")  # noqa: PTH113 - Path.is_file raises where it may not look


def is_hub_page(address: str) -> bool:
    """Whether an address leads to a page on the Hub, and not to a picture that lies there. Raises nothing."""
    try:
        parts = urlsplit(address)
        if parts.scheme.lower() not in ("http", "https") or (parts.hostname or "").lower() not in HOSTS:
            return False
    except ValueError:
        return False
    path = PurePosixPath(parts.path)
    # "blob" shows a file on a page, "resolve" is the file; what is above owner/name/… is the Hub's own decoration.
    return path.suffix.lower() not in PICTURE_SUFFIXES or "blob" in path.parts[3:4]


def sort_paths(paths: list[Path]) -> Dropped:
    """Pictures and folders of them here, the first video and the first model there."""
    videos = [path for path in paths if path.suffix.lower() in VIDEO_SUFFIXES]
    models = [path for path in paths if path not in videos and is_model(path)]
    pictures = tuple(path for path in paths if path not in videos and path not in models)
    return Dropped(
        paths=pictures,
        video=videos[0] if videos else None,
        more_videos=max(len(videos) - 1, 0),
        model=models[0] if models else None,
    )


def may_hold_pictures(mime: QMimeData) -> bool:
    """Cheap enough for every move of a drag: asks for formats, not for data."""
    return mime.hasUrls() or mime.hasImage() or any(mime.hasFormat(each) for each in ENCODED_TYPES)


def read_mime(mime: QMimeData, name: str) -> Dropped:
    """Sort out what was dropped or pasted.

    Files come first; then picture data, which a browser offers beside the address; then addresses.
    `name` is for picture data, which has none of its own.
    """
    urls = mime.urls() if mime.hasUrls() else []
    files = [Path(url.toLocalFile()) for url in urls if url.isLocalFile()]
    if files:
        return sort_paths(files)
    for kind in ENCODED_TYPES:
        if mime.hasFormat(kind):
            data = mime.data(kind).data()
            if data:
                return Dropped(pictures=(BytesSource(name, bytes(data)),))
    if mime.hasImage():
        image = mime.imageData()
        if isinstance(image, QImage) and not image.isNull():
            return Dropped(pictures=(BytesSource(name, encode(image)),))
    addresses = [url.toString() for url in urls if url.scheme().lower() in ("http", "https", "data")]
    if not addresses and mime.hasText():
        text = mime.text().strip()
        if text.lower().startswith(("http://", "https://", "data:image/")) and "\n" not in text:
            addresses = [text]
    pages = [address for address in addresses if is_hub_page(address)]
    pictures = tuple(AddressSource(address) for address in addresses if address not in pages)
    return Dropped(pictures=pictures, hub_page=pages[0] if pages else "")


def encode(image: QImage) -> bytes:
    """An image as BMP: lossless, and far faster to write than PNG, since this holds the window's thread."""
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    kind = b"PNG" if image.hasAlphaChannel() and image.width() * image.height() < 1_000_000 else b"BMP"
    QImageWriter(buffer, kind).write(image)  # QImage.save refuses the bytes that its annotation asks for
    data: QByteArray = buffer.data()
    return bytes(data.data())
