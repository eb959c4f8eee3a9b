"""Names and shapes of the tensors in a PyTorch file, without torch and without running anything that it names.

Such a file is a zip archive with a pickle of a few kilobytes, which says what the tensors are, and their
numbers beside it. Only the pickle is read, so of a file on the Hub only that is transferred.
"""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
import zlib
from collections.abc import Callable
from typing import Any, BinaryIO, cast

from mixer_gui.records import MixerGuiError

Shapes = dict[str, tuple[int, ...]]

MAX_PICKLE_BYTES = 2**24
COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# All that zipfile raises for files that are damaged, encrypted or made to be odd.
UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    NotImplementedError,
    RuntimeError,
    EOFError,
    ValueError,
    IndexError,
)
PLAIN = (str, bytes, int, float, type(None))
WRAPPERS = ("state_dict", "model_state_dict", "model")


def read_pickled_shapes(file: BinaryIO, name: str) -> Shapes:
    """The shapes in a seekable file; what its reading raises is passed on.

    Raises MixerGuiError where it is another kind of file, or wants code to be run.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            member = next((info for info in archive.infolist() if info.filename.endswith("/data.pkl")), None)
            if member is None or member.file_size > MAX_PICKLE_BYTES or member.compress_type not in COMPRESSIONS:
                raise MixerGuiError(f"“{name}” is an archive, but not one of tensors.")
            pickled = archive.read(member)
    except UNREADABLE as error:
        if isinstance(error.__context__, OSError):  # which zipfile takes for another kind of file
            raise error.__context__ from None
        raise _unreadable(name, error) from error
    try:
        content = _Reader(io.BytesIO(pickled), name).load()
    except MixerGuiError:
        raise
    except Exception as error:  # a broken pickle can raise anything while it is read
        raise _unreadable(name, error) from error
    return _tensors(content, name)


def _unreadable(name: str, error: Exception) -> MixerGuiError:
    return MixerGuiError(
        f"“{name}” is not a PyTorch file that says what it holds; files older than PyTorch 1.6 do not.",
        f"{type(error).__name__}: {error}",
    )


class _Shape(tuple[int, ...]):
    """Stands for a tensor."""

    __slots__ = ()


class _Dictionary(dict[Any, Any]):
    """Stands for every dictionary. Its keys are plain: hashing a tuple in a tuple in … kills the process somewhere."""

    __slots__ = ()

    def __setitem__(self, key: object, value: object) -> None:
        if not isinstance(key, PLAIN):
            raise TypeError(f"a key is a {type(key).__name__}")
        super().__setitem__(key, value)


class _Reader(pickle._Unpickler):
    """Knows the handful of names of a state dict, each as a stand-in of this module; refuses all others.

    Its base is the one in Python: that in C takes as much memory as a number in the file says, 32 GB for a few bytes.
    """

    # The base's, which its types do not tell.
    stack: list[Any]
    append: Callable[[object], None]
    pop_mark: Callable[[], list[Any]]

    def __init__(self, file: BinaryIO, name: str) -> None:
        super().__init__(file)
        self._name = name

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 - as its base
        match module, name:
            case "collections", "OrderedDict":
                return _dictionary
            case "torch._utils", "_rebuild_tensor_v2":
                return _tensor
            case "torch._utils", "_rebuild_parameter":
                return _parameter
            case "torch", _ if name.endswith("Storage"):
                return name
        raise MixerGuiError(
            f"“{self._name}” was refused: it holds more than tensors ({module}.{name}) and could run code when it is "
            "read. Ask its author for a safetensors file."
        )

    def persistent_load(self, pid: Any) -> None:  # noqa: ANN401 - as its base
        """The numbers themselves, which stay where they are."""

    def _begin_dictionary(self) -> None:
        self.append(_Dictionary())

    def _make_dictionary(self) -> None:
        items = self.pop_mark()
        made = _Dictionary()
        for key, value in zip(items[::2], items[1::2], strict=True):
            made[key] = value
        self.append(made)

    def _forget_state(self) -> None:
        """The state of an object, such as the versions of a state dict's modules."""
        self.stack.pop()

    def _refuse_set(self) -> None:
        raise MixerGuiError(f"“{self._name}” is not a dictionary of tensors (a state dict).")

    dispatch = cast(
        Any,
        pickle._Unpickler.dispatch
        | {
            pickle.EMPTY_DICT[0]: _begin_dictionary,
            pickle.DICT[0]: _make_dictionary,
            pickle.BUILD[0]: _forget_state,
            pickle.EMPTY_SET[0]: _refuse_set,
            pickle.FROZENSET[0]: _refuse_set,
        },
    )


def _dictionary() -> _Dictionary:
    return _Dictionary()


def _tensor(_storage: object, _offset: object, size: tuple[int, ...], *_: object) -> _Shape:
    return _Shape(int(length) for length in size)


def _parameter(data: object, *_: object) -> object:
    return data


def _tensors(content: object, name: str) -> Shapes:
    for wrapper in WRAPPERS:
        if isinstance(content, dict) and isinstance(content.get(wrapper), dict):
            content = content[wrapper]
    if not isinstance(content, dict) or not all(
        isinstance(key, str) and isinstance(each, _Shape) for key, each in content.items()
    ):
        raise MixerGuiError(f"“{name}” is not a dictionary of tensors (a state dict).")
    return {key: tuple(shape) for key, shape in content.items()}
