"""The requests that can be run again. Its owner holds a lock around every call."""

from collections import OrderedDict

from mixer_gui.records import BytesSource, ClassifyRequest

MAX_REQUESTS = 1000
MAX_BYTES = 256 << 20  # of pictures that are not files


class RecentRequests:
    """Requests by id; the oldest are forgotten beyond the limits, the newest is always kept."""

    def __init__(self, *, max_requests: int = MAX_REQUESTS, max_bytes: int = MAX_BYTES) -> None:
        self._max_requests = max_requests
        self._max_bytes = max_bytes
        self._requests: OrderedDict[int, ClassifyRequest] = OrderedDict()

    def add(self, request: ClassifyRequest) -> None:
        """Add a request, or replace the one of its id."""
        self._requests[request.id] = request
        held = sum(_held_bytes(each) for each in self._requests.values())
        while len(self._requests) > 1 and (len(self._requests) > self._max_requests or held > self._max_bytes):
            held -= _held_bytes(self._requests.popitem(last=False)[1])

    def get(self, request_id: int) -> ClassifyRequest | None:
        return self._requests.get(request_id)

    def ids_of(self, view: str) -> tuple[int, ...]:
        """The ids of a view's requests, the oldest first."""
        return tuple(request.id for request in self._requests.values() if request.view == view)


def _held_bytes(request: ClassifyRequest) -> int:
    return len(request.source.data) if isinstance(request.source, BytesSource) else 0
