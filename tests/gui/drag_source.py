"""A program of its own from which a file is dragged: `python drag_source.py FILE LEFT TOP`."""

import sys

from PySide6.QtCore import QMimeData, Qt, QUrl
from PySide6.QtGui import QDrag, QMouseEvent
from PySide6.QtWidgets import QApplication, QLabel


class Source(QLabel):
    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if event.buttons() & Qt.MouseButton.LeftButton:
            mime = QMimeData()
            mime.setUrls([QUrl.fromLocalFile(sys.argv[1])])
            drag = QDrag(self)
            drag.setMimeData(mime)
            drag.exec(Qt.DropAction.CopyAction)


application = QApplication([])
source = Source("drag me")
source.setWindowFlag(Qt.WindowType.X11BypassWindowManagerHint)
source.setGeometry(int(sys.argv[2]), int(sys.argv[3]), 120, 120)
source.show()
sys.stdout.write("shown\n")
sys.stdout.flush()
application.exec()
