"""The screen as a source: another program shows a photograph, the window looks at that part of the screen."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from x_server import x_server

from mixer_gui.settings import Settings, SettingsFile

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
SHOW = """
import sys
from PySide6.QtCore import Qt
from PySide6.QtGui import QPixmap
from PySide6.QtWidgets import QApplication, QLabel

application = QApplication([])
label = QLabel()
label.setPixmap(QPixmap(sys.argv[1]))
label.setWindowFlags(Qt.WindowType.X11BypassWindowManagerHint)
label.move(40, 60)
label.show()
print(label.pixmap().width(), label.pixmap().height(), flush=True)
application.exec()
"""
LOOK = """
import json
import sys
from pathlib import Path
from PySide6.QtCore import QTimer
from mixer_gui.app import build
from mixer_gui.records import Rect, ScreenFeed
from mixer_gui.settings import SettingsFile

if __name__ == "__main__":
    qt, application = build([], SettingsFile(Path(sys.argv[1])))
    window = application.window
    window.setGeometry(700, 40, 880, 700)
    seen = []

    def answered(answer, frame):
        seen.append([answer.predictions[0].label, list(frame.pixels.shape)])
        if len(seen) == 10:
            window.live.freeze()
            print(json.dumps({"first": seen[0], "last": seen[-1]}), flush=True)
            QTimer.singleShot(500, window.close)

    def ready(_model):
        source = ScreenFeed("", Rect(40.0, 60.0, float(sys.argv[2]), float(sys.argv[3])))
        window.live.open(source, "Part of the screen")

    window.live.answered.connect(answered)
    window.live.complained.connect(lambda sentence: print(json.dumps({"failure": sentence}), flush=True))
    window.session.model_changed.connect(ready)
    qt.exec()
"""


@pytest.fixture
def display() -> Iterator[str]:
    with x_server("1600x900") as name:
        yield name


@pytest.mark.parametrize(("photograph", "label"), [("coffee", "espresso"), ("rocket", "projectile")])
def test_part_of_the_screen_is_classified_as_what_is_shown_there(
    display: str, photographs: dict[str, Path], tmp_path: Path, photograph: str, label: str
) -> None:
    environment = {**os.environ, "DISPLAY": display, "QT_QPA_PLATFORM": "xcb", "PYTHONPATH": str(ROOT)}
    for name, script in (("show.py", SHOW), ("look.py", LOOK)):
        (tmp_path / name).write_text(script)
    settings = tmp_path / "settings.json"
    SettingsFile(settings).save(Settings(steady_s=0.0))
    show = subprocess.Popen(
        [sys.executable, str(tmp_path / "show.py"), str(photographs[photograph])],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert show.stdout is not None
        size = show.stdout.readline().split()
        look = subprocess.run(
            [sys.executable, str(tmp_path / "look.py"), str(settings), *size],
            env=environment,
            capture_output=True,
            text=True,
            timeout=90,
        )
    finally:
        show.kill()
        show.communicate()
    assert look.returncode == 0, look.stderr
    verdict = json.loads(look.stdout.splitlines()[-1])
    assert "failure" not in verdict
    assert label in verdict["last"][0]
    assert verdict["last"][1] == [int(size[1]), int(size[0]), 3]
