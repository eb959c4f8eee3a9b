"""Gives the decoder's process one picture at a time, the most urgent that is still wanted. Knows no model.

What is wanted is the pipeline's to say; its lock is shared, so that a picture is judged and moved in one go.
"""

from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from dataclasses import replace
from functools import partial
from threading import Event, Lock

from mixer_gui.engine.mailbox import Mailbox
from mixer_gui.engine.steps import Picture
from mixer_gui.pictures.decoder import Decoder
from mixer_gui.records import (
    AddressSource,
    DecodedPicture,
    DecodeJob,
    FrameSource,
    Framing,
    MixerGuiError,
    PictureSource,
    Preprocessing,
)

INPUTS_KEPT = 16  # network inputs of about 150 KB, so that an edit shows within a forward pass

InputKey = tuple[PictureSource, Framing, Preprocessing]


class DecodeQueue:
    """Every method may be called from any thread, without the lock, and returns at once."""

    def __init__(
        self,
        lock: Lock,
        *,
        is_wanted: Callable[[Picture], bool],
        preprocessing: Callable[[Picture], Preprocessing | None],
        decoded: Callable[[Picture, DecodedPicture], None],
        failed: Callable[[Picture, Exception], None],
    ) -> None:
        """`is_wanted` and `preprocessing` are called with the lock held, the others without it, from any thread."""
        self.decoder = Decoder()
        self.waiting: Mailbox[Picture] = Mailbox()
        self.current: tuple[Picture, Future[DecodedPicture]] | None = None
        self.is_busy = False
        self._lock = lock
        self._closing = Event()
        self._is_wanted = is_wanted
        self._preprocessing = preprocessing
        self._decoded = decoded
        self._failed = failed
        self._inputs: OrderedDict[InputKey, DecodedPicture] = OrderedDict()  # the most recent last

    def put(self, picture: Picture) -> None:
        """Decode a picture, unless nobody waits for it; an older one of its slot is dropped.

        One that was decoded lately and is on the screen is handed on at once, however many others wait.
        """
        with self._lock:
            if not self._is_wanted(picture):
                return
            known = self._known(picture)
            if known is None:
                self.waiting.put(picture, priority=picture.priority, slot=picture.slot)
        if known is None:
            self.feed()
        else:
            self._hand_on(replace(picture, frame_published=True), known)

    def forget(self, sources: set[PictureSource]) -> None:
        """Remember nothing of these pictures any more."""
        with self._lock:
            for key in [key for key in self._inputs if key[0] in sources]:
                del self._inputs[key]

    def cancel_stale(self) -> None:
        """Stop the decode under way if nobody waits for it any more."""
        with self._lock:
            current = self.current
            if current is None or self._is_wanted(current[0]):
                return
        current[1].cancel()  # without the lock: this calls `_ended`

    def close(self) -> None:
        self._closing.set()
        self.waiting.close()
        self.decoder.close()

    def feed(self) -> None:
        """Give the decoder the most urgent picture if it has none; called whenever either may have changed."""
        while not self._closing.is_set():
            with self._lock:
                picture = None if self.is_busy else self.waiting.take()
                if picture is None:
                    return
                if not self._is_wanted(picture):
                    continue
                preprocessing = self._preprocessing(picture)
                self.is_busy = True
            future = self._submit(picture, preprocessing)
            if not future.done():
                future.add_done_callback(partial(self._ended, picture, preprocessing))
                return
            self._settle(
                picture, preprocessing, future
            )  # here, not in a callback: many such in a row would nest too deep

    def _known(self, picture: Picture) -> DecodedPicture | None:
        """What the network sees of a picture that was decoded lately, where its file need not be read again.

        That is: for a picture that is on the screen, or once more for questions about what it was. The lock is held.
        """
        preprocessing = self._preprocessing(picture)
        if preprocessing is None or not (picture.request.display_edge == 0 or picture.again):
            return None
        key = (picture.request.source, picture.request.framing, preprocessing)
        known = self._inputs.get(key)
        if known is not None:
            self._inputs.move_to_end(key)
        return known

    def _keep(self, picture: Picture, preprocessing: Preprocessing | None, decoded: DecodedPicture) -> None:
        if preprocessing is None or decoded.network_input is None:
            return
        frame = replace(decoded.frame, pixels=decoded.frame.pixels[:0].copy())
        key = (picture.request.source, picture.request.framing, preprocessing)
        with self._lock:
            self._inputs[key] = replace(decoded, frame=frame, decode_ms=0.0, preprocess_ms=0.0)
            self._inputs.move_to_end(key)
            while len(self._inputs) > INPUTS_KEPT:
                self._inputs.popitem(last=False)

    def _submit(self, picture: Picture, preprocessing: Preprocessing | None) -> Future[DecodedPicture]:
        request = picture.request
        try:
            if isinstance(request.source, AddressSource | FrameSource):
                raise TypeError("an address has to be fetched first, and a frame is decoded")
            future = self.decoder.submit(
                DecodeJob(request.source, preprocessing, request.framing, request.display_edge)
            )
        except Exception as error:
            future = Future()
            future.set_exception(error)
        with self._lock:
            self.current = (picture, future)
        self.cancel_stale()
        return future

    def _ended(self, picture: Picture, preprocessing: Preprocessing | None, future: Future[DecodedPicture]) -> None:
        """Called when a job ended, however it did: by the decoder's thread, or by the one that cancelled it."""
        self._settle(picture, preprocessing, future)
        self.feed()

    def _settle(self, picture: Picture, preprocessing: Preprocessing | None, future: Future[DecodedPicture]) -> None:
        """Send what was decoded on its way, or say what went wrong. Raises nothing: a callback's error is lost."""
        with self._lock:
            self.is_busy = False
            self.current = None
        try:
            decoded = future.result()
            self._keep(picture, preprocessing, decoded)
        except CancelledError:  # nobody wants it any more, or the decoder gave up
            self._failed(picture, MixerGuiError("The decoder has stopped. Start the program again."))
        except Exception as error:
            self._failed(picture, error)
        else:
            self._hand_on(picture, decoded)

    def _hand_on(self, picture: Picture, decoded: DecodedPicture) -> None:
        try:
            self._decoded(picture, decoded)
        except Exception as error:
            self._failed(picture, error)
