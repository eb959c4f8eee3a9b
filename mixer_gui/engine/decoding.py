"""Gives decoders the most urgent pictures that are still wanted. Knows no model.

Pictures that somebody looks at have a decoder of their own, so that they never wait behind a folder's, and what it
keeps of the last one is not lost to them. A folder's are decoded side by side, on every core.
What is wanted is the pipeline's to say; its lock is shared, so that a picture is judged and moved in one go.
"""

from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field, replace
from functools import partial
from threading import Event, Lock

from mixer_gui.engine.mailbox import Mailbox
from mixer_gui.engine.steps import Picture
from mixer_gui.pictures.decoder import Decoder
from mixer_gui.pictures.decoder_pool import DecoderPool
from mixer_gui.records import (
    AddressSource,
    DecodedPicture,
    DecodeJob,
    FrameSource,
    Framing,
    MixerGuiError,
    PictureSource,
    Preprocessing,
    Priority,
)

# More than the engine thread's: where one of torch's threads waits for a core that decodes, the others spin.
BEHIND_ENGINE = 15

INPUTS_KEPT = 16  # network inputs of about 150 KB, so that an edit shows within a forward pass

InputKey = tuple[PictureSource, Framing, Preprocessing]


@dataclass(slots=True, eq=False)
class Lane:
    """A decoder, or several, and the pictures that wait for it."""

    decoder: Decoder | DecoderPool
    most: int  # pictures that it decodes at a time
    waiting: Mailbox[Picture] = field(default_factory=Mailbox)
    busy: int = 0  # pictures that were handed to it and have not come back
    under_way: dict[Future[DecodedPicture], Picture] = field(default_factory=dict)


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
        is_enough: Callable[[], bool] = lambda: False,
    ) -> None:
        """`is_wanted` and `preprocessing` are called with the lock held, the others without it, from any thread.

        While `is_enough`, what was decoded waits elsewhere, and no more of a folder is begun; call `feed` when it ends.
        """
        self.decoder = Decoder()
        self.shown = Lane(self.decoder, 1)
        self._pool = DecoderPool(niceness=BEHIND_ENGINE)
        self.folder = Lane(self._pool, len(self._pool))
        self._lanes = (self.shown, self.folder)
        self._is_enough = is_enough
        self._lock = lock
        self._closing = Event()
        self._is_wanted = is_wanted
        self._preprocessing = preprocessing
        self._decoded = decoded
        self._failed = failed
        self._inputs: OrderedDict[InputKey, DecodedPicture] = OrderedDict()  # the most recent last

    def start(self) -> None:
        """Have all threads, and the process for what is shown, so that no later call has to wait for them."""
        self.decoder.start()
        self._pool.start(children=0)

    def put(self, picture: Picture) -> None:
        """Decode a picture, unless nobody waits for it; an older one of its slot is dropped.

        One that was decoded lately and is on the screen is handed on at once, however many others wait.
        """
        with self._lock:
            if not self._is_wanted(picture):
                return
            known = self._known(picture)
            if known is None:
                lane = self.folder if picture.priority >= Priority.FOLDER else self.shown
                lane.waiting.put(picture, priority=picture.priority, slot=picture.slot)
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
        """Stop each decode under way that nobody waits for any more."""
        with self._lock:
            under_way = [each for lane in self._lanes for each in lane.under_way.items()]
            stale = [future for future, picture in under_way if not self._is_wanted(picture)]
        for future in stale:
            future.cancel()  # without the lock: this calls `_ended`

    def close(self) -> None:
        self._closing.set()
        for lane in self._lanes:
            lane.waiting.close()
            lane.decoder.close()

    def feed(self) -> None:
        """Give decoders that are free the most urgent pictures; called whenever either may have changed."""
        for lane in self._lanes:
            self._feed(lane)

    def _feed(self, lane: Lane) -> None:
        while not self._closing.is_set():
            is_enough = lane is self.folder and self._is_enough()
            with self._lock:
                picture = None if is_enough or lane.busy >= lane.most else lane.waiting.take()
                if picture is None:
                    return
                if not self._is_wanted(picture):
                    continue
                preprocessing = self._preprocessing(picture)
                lane.busy += 1
            future = self._submit(lane, picture, preprocessing)
            if future.done():  # here, not in a callback: many such in a row would nest too deep
                self._settle(lane, picture, preprocessing, future)
            else:
                future.add_done_callback(partial(self._ended, lane, picture, preprocessing))

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

    def _submit(self, lane: Lane, picture: Picture, preprocessing: Preprocessing | None) -> Future[DecodedPicture]:
        request = picture.request
        try:
            if isinstance(request.source, AddressSource | FrameSource):
                raise TypeError("an address has to be fetched first, and a frame is decoded")
            future = lane.decoder.submit(
                DecodeJob(request.source, preprocessing, request.framing, request.display_edge)
            )
        except Exception as error:
            future = Future()
            future.set_exception(error)
        with self._lock:
            lane.under_way[future] = picture
        self.cancel_stale()
        return future

    def _ended(
        self, lane: Lane, picture: Picture, preprocessing: Preprocessing | None, future: Future[DecodedPicture]
    ) -> None:
        """Called when a job ended, however it did: by a decoder's thread, or by the one that cancelled it."""
        self._settle(lane, picture, preprocessing, future)
        self.feed()

    def _settle(
        self, lane: Lane, picture: Picture, preprocessing: Preprocessing | None, future: Future[DecodedPicture]
    ) -> None:
        """Send what was decoded on its way, or say what went wrong. Raises nothing: a callback's error is lost."""
        with self._lock:
            lane.busy -= 1
            del lane.under_way[future]
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
