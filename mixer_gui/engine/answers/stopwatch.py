"""How long an answer took that was made in steps, without the time between them."""

import time


class Stopwatch:
    """Runs inside `with`, as often as there are steps."""

    def __init__(self) -> None:
        self.total_ms = 0.0
        self.last_ms = 0.0  # of the last step alone
        self._started = 0.0

    def __enter__(self) -> None:
        self._started = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self.last_ms = (time.perf_counter() - self._started) * 1e3
        self.total_ms += self.last_ms
