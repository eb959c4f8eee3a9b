"""Files that the system opens with the application, as macOS has them: events for Qt's application object."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

# A process of its own: there is one application object in a process, and the tests' is Qt's.
PROGRAM = """
import json, sys
from PySide6.QtCore import QTimer, QUrl
from PySide6.QtGui import QFileOpenEvent
from mixer_gui.gui.desktop import DesktopApplication

qt = DesktopApplication(sys.argv[:1])
first, second, third = sys.argv[1:]
steps = [(first, second), ("https://example.org/picture.png", third)]
arrivals = []

def go_on():
    if not steps:
        qt.quit()
        return
    for address in steps.pop(0):
        qt.postEvent(qt, QFileOpenEvent(QUrl(address)))

def take(files):
    arrivals.append([str(each) for each in files])
    go_on()

qt.files_arrived.connect(take)
QTimer.singleShot(0, go_on)
qt.exec()
print(json.dumps(arrivals))
"""


def test_files_opened_together_arrive_together_and_addresses_do_not(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("café 1.png", "two & three.heic", "clip.mp4")]
    addresses = [path.as_uri() for path in paths]
    run = subprocess.run([sys.executable, "-c", PROGRAM, *addresses], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout) == [[str(paths[0]), str(paths[1])], [str(paths[2])]]
