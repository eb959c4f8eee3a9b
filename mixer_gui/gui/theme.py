"""Light and dark: one palette and one short style sheet each, on Qt's Fusion style."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass

from PySide6.QtCore import QRect, Qt
from PySide6.QtGui import QColor, QPainter, QPalette
from PySide6.QtWidgets import QApplication, QWidget

from mixer_gui.settings import Theme


@dataclass(frozen=True, slots=True)
class Colours:
    """What the style sheet and the painting functions draw with, as #rrggbb."""

    window: str
    card: str
    edge: str
    text: str
    muted: str
    accent: str
    bar: str
    field: str
    warning: str


DARK = Colours(
    window="#17191c",
    card="#212428",
    edge="#353a41",
    text="#e9ebee",
    muted="#a3abb6",
    accent="#6ea8ff",
    bar="#2f4d7c",
    field="#2a2e34",
    warning="#ffb454",
)
LIGHT = Colours(
    window="#f1f3f5",
    card="#ffffff",
    edge="#d5dae0",
    text="#1b2026",
    muted="#586372",
    accent="#1f5fd0",
    bar="#cfe0fb",
    field="#f7f8fa",
    warning="#9a5300",
)

STYLE_SHEET = """
QMainWindow, QDialog {{ background: {window}; }}
QFrame#card {{ background: {card}; border: 1px solid {edge}; border-radius: 8px; }}
QLabel#heading {{ font-weight: 600; }}
QLabel#muted {{ color: {muted}; }}
QLabel#warning {{ color: {warning}; }}
QLabel#badge {{ color: {muted}; border: 1px solid {edge}; border-radius: 8px; padding: 1px 7px; }}
QToolButton, QPushButton {{ background: {field}; border: 1px solid {edge}; border-radius: 6px; padding: 4px 10px; }}
QToolButton:hover, QPushButton:hover {{ border-color: {accent}; }}
QPushButton#primary, QPushButton#offer {{ background: {bar}; }}
QPushButton#primary:disabled, QPushButton#offer:disabled {{ background: {field}; }}
QToolButton:focus, QPushButton:focus, QComboBox:focus, QSpinBox:focus, QLineEdit:focus {{ border: 2px solid {accent}; }}
QSlider:focus, QCheckBox:focus {{ border: 1px solid {accent}; border-radius: 4px; }}
QCheckBox::indicator:unchecked {{
    width: 12px; height: 12px; background: {field}; border: 1px solid {muted}; border-radius: 3px;
}}
QToolButton:checked {{ background: {bar}; border-color: {accent}; }}
QToolButton:disabled, QPushButton:disabled {{ color: {muted}; }}
QToolButton::menu-indicator {{ width: 10px; subcontrol-position: right center; right: 4px; }}
QToolButton[popupMode="2"] {{ padding-right: 18px; }}
QToolButton#more {{ padding: 4px 9px; }}
QToolButton#more::menu-indicator {{ image: none; width: 0; }}
QDialog QLineEdit {{ background: {card}; border: 1px solid {edge}; border-radius: 6px; padding: 4px 6px; }}
QProgressBar {{ background: {field}; border: 1px solid {edge}; border-radius: 4px; }}
QProgressBar::chunk {{ background: {accent}; border-radius: 3px; }}
QFileDialog QToolButton {{ padding: 2px; }}
QFrame#card QListView {{ background: transparent; border: 1px solid transparent; border-radius: 6px; outline: 0; }}
QFrame#card QListView:focus {{ border-color: {accent}; }}
QStatusBar {{ background: {card}; border-top: 1px solid {edge}; }}
QStatusBar::item {{ border: none; }}
QToolTip {{ background: {card}; color: {text}; border: 1px solid {edge}; padding: 4px; }}
QTabBar::tab {{
    background: transparent; color: {muted}; border: 1px solid transparent; border-radius: 6px; padding: 4px 6px;
    margin-right: 1px;
}}
QTabBar::tab:selected {{ background: {bar}; color: {text}; border-color: {accent}; }}
QTabBar::tab:hover:!selected {{ color: {text}; border-color: {edge}; }}
QTabBar::tab:selected:focus {{ border: 2px solid {accent}; padding: 3px 5px; }}
QTabBar QToolButton {{ padding: 0; }}
QSplitter::handle {{ background: transparent; }}
QScrollBar:vertical {{ background: transparent; width: 10px; margin: 0; }}
QScrollBar:horizontal {{ background: transparent; height: 10px; margin: 0; }}
QScrollBar::handle {{ background: {edge}; border-radius: 4px; min-width: 24px; min-height: 24px; }}
QScrollBar::handle:hover {{ background: {muted}; }}
QScrollBar::add-line, QScrollBar::sub-line {{ width: 0; height: 0; }}
QScrollBar::add-page, QScrollBar::sub-page {{ background: none; }}
QMenuBar {{ background: {window}; }}
QMenuBar::item:selected, QMenu::item:selected {{ background: {bar}; color: {text}; }}
"""


_painted: ContextVar[Colours | None] = ContextVar("painted", default=None)  # in place of the theme's


def colours() -> Colours:
    """The colours of the theme in use, for what delegates paint.

    Taken from the application: the palette of a view that a style sheet made transparent says black.
    """
    theme = DARK if QApplication.palette().color(QPalette.ColorRole.Window).lightness() < 128 else LIGHT
    return _painted.get() or theme


@contextmanager
def painted_light(widget: QWidget) -> Iterator[None]:
    """As long as this lasts, a widget paints itself in light colours, whatever the theme: for paper."""
    if colours() is LIGHT:
        yield
        return
    palette = widget.palette() if widget.testAttribute(Qt.WidgetAttribute.WA_SetPalette) else QPalette()
    sheet, token = widget.styleSheet(), _painted.set(LIGHT)
    widget.setPalette(_palette(LIGHT))
    widget.setStyleSheet(STYLE_SHEET.format(**asdict(LIGHT)) + sheet)
    try:
        yield
    finally:
        _painted.reset(token)
        widget.setStyleSheet(sheet)
        widget.setPalette(palette)


def paint_placeholder(painter: QPainter, area: QRect, text: str) -> None:
    """What an empty list says of what will be in it."""
    painter.setPen(QColor(colours().muted))
    painter.drawText(area.adjusted(8, 8, -8, -8), int(Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap), text)


def apply_theme(application: QApplication, theme: Theme) -> None:
    """Set palette and style sheet; SYSTEM follows what the desktop says, light where it says nothing."""
    dark = theme == Theme.DARK or (
        theme == Theme.SYSTEM and application.styleHints().colorScheme() == Qt.ColorScheme.Dark
    )
    scheme = DARK if dark else LIGHT
    application.setPalette(_palette(scheme))
    application.setStyleSheet(STYLE_SHEET.format(**asdict(scheme)))


def _palette(scheme: Colours) -> QPalette:
    palette = QPalette()
    role = QPalette.ColorRole
    for which, colour in (
        (role.Window, scheme.window),
        (role.WindowText, scheme.text),
        (role.Base, scheme.card),
        (role.AlternateBase, scheme.field),
        (role.Text, scheme.text),
        (role.Button, scheme.field),
        (role.ButtonText, scheme.text),
        (role.BrightText, "#ffffff"),
        (role.Highlight, scheme.accent),
        (role.HighlightedText, "#ffffff" if scheme is LIGHT else "#101214"),
        (role.Accent, scheme.accent),
        (role.Link, scheme.accent),
        (role.ToolTipBase, scheme.card),
        (role.ToolTipText, scheme.text),
        (role.PlaceholderText, scheme.muted),
        (role.Mid, scheme.edge),
        (role.Dark, scheme.edge),
        (role.Shadow, scheme.edge),
    ):
        palette.setColor(which, QColor(colour))
    for which in (role.WindowText, role.Text, role.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, which, QColor(scheme.muted))
    return palette
