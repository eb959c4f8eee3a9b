"""A real drag: another process, the X server's protocol, a pointer moved by xdotool."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from x_server import x_server

from mixer_gui.settings import Settings, SettingsFile

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
RUN_APPLICATION = """
import sys
from pathlib import Path
from PySide6.QtCore import QTimer
from mixer_gui.app import build
from mixer_gui.settings import SettingsFile

if __name__ == "__main__":
    qt, application = build([], SettingsFile(Path(sys.argv[1])))
    window = application.window
    window.setGeometry(300, 100, 1100, 760)

    def told():
        current = window.session.current
        if current is not None and current.report is not None:
            print(current.source.path, current.report.predictions[0].label, flush=True)
            QTimer.singleShot(800, window.close)

    window.session.report_changed.connect(told)
    window.session.model_changed.connect(lambda ready: print("ready", flush=True))
    qt.exec()
"""


@pytest.fixture
def display() -> Iterator[str]:
    """An X server without a screen, on a number that it finds free."""
    if shutil.which("xdotool") is None:
        pytest.skip("a drag by X11 needs xdotool")
    with x_server("1600x900") as name:
        yield name


def test_file_dragged_out_of_another_process_is_classified(
    display: str, photographs: dict[str, Path], tmp_path: Path
) -> None:
    environment = {**os.environ, "DISPLAY": display, "QT_QPA_PLATFORM": "xcb", "PYTHONPATH": str(HERE.parents[1])}
    script = tmp_path / "run_application.py"
    script.write_text(RUN_APPLICATION)
    settings = tmp_path / "settings.json"
    SettingsFile(settings).save(Settings())
    application = subprocess.Popen(
        [sys.executable, str(script), str(settings)], env=environment, stdout=subprocess.PIPE, text=True
    )
    source = subprocess.Popen(
        [sys.executable, str(HERE / "drag_source.py"), str(photographs["coffee"]), "20", "300"],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert application.stdout is not None
        assert source.stdout is not None
        assert application.stdout.readline() == "ready\n"
        assert source.stdout.readline() == "shown\n"

        def pointer(*words: str) -> None:
            subprocess.run(["xdotool", *words], env=environment, check=True, stdin=subprocess.DEVNULL)
            time.sleep(0.05)  # the pace of a hand: the protocol answers each move before the next

        pointer("mousemove", "80", "360")
        pointer("mousedown", "1")
        for left in range(100, 700, 30):
            pointer("mousemove", str(left), "400")
        pointer("mouseup", "1")
        assert application.stdout.readline() == f"{photographs['coffee']} espresso\n"
        picture = os.environ.get("MIXER_GUI_DRAG_SCREENSHOT")  # to look at; needs ImageMagick
        if picture:
            time.sleep(0.3)
            subprocess.run(["import", "-window", "root", picture], env=environment, check=True)
        assert application.wait(timeout=20) == 0
    finally:
        for process in (source, application):
            process.kill()
            process.communicate()
