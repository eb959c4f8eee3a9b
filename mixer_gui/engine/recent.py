"""The requests that can be run again. Its owner holds a lock around every call."""

from collections import OrderedDict

from mixer_gui.records import BytesSource, ClassifyRequest

MAX_REQUESTS = 1000
MAX_BYTES = 256 << 20  # of pictures that are not files
ANSWERED_KEPT = 2  # the last report may be on its way to the window, which still asks about the one before


class RecentRequests:
    """Requests by id, which rise; those unused the longest are forgotten beyond the limits, the newest is always kept.

    Of a view, what can be asked about is kept: its newest request, the last few that were answered, and the last few
    of these without edits. A picture that several requests share counts once.
    """

    def __init__(self, *, max_requests: int = MAX_REQUESTS, max_bytes: int = MAX_BYTES) -> None:
        self._max_requests = max_requests
        self._max_bytes = max_bytes
        self._requests: OrderedDict[int, ClassifyRequest] = OrderedDict()  # the last used last
        self._answered: set[int] = set()

    def add(self, request: ClassifyRequest) -> None:
        """Add a request, or replace the one of its id."""
        self._requests[request.id] = request
        self._requests.move_to_end(request.id)
        ids = self.ids_of(request.view)
        answered = [each for each in ids if each in self._answered]
        unedited = [each for each in answered if not self._requests[each].edits]
        for superseded in set(ids) - {ids[-1], *answered[-ANSWERED_KEPT:], *unedited[-ANSWERED_KEPT:]}:
            del self._requests[superseded]
        while len(self._requests) > 1 and (
            len(self._requests) > self._max_requests or self._held_bytes() > self._max_bytes
        ):
            self._requests.popitem(last=False)
        self._answered &= self._requests.keys()

    def get(self, request_id: int) -> ClassifyRequest | None:
        """The request, which is used by that; None where it is forgotten."""
        request = self._requests.get(request_id)
        if request is not None:
            self._requests.move_to_end(request_id)
        return request

    def note_answered(self, request_id: int) -> None:
        """Its report was published."""
        if request_id in self._requests:
            self._answered.add(request_id)

    def ids_of(self, view: str) -> tuple[int, ...]:
        """The ids of a view's requests, the oldest first."""
        return tuple(sorted(request.id for request in self._requests.values() if request.view == view))

    def _held_bytes(self) -> int:
        sources = (request.source for request in self._requests.values())
        return sum({id(each.data): len(each.data) for each in sources if isinstance(each, BytesSource)}.values())
