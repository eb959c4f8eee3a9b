"""The Info.plist of “Mixer GUI.app”, as PyInstaller's BUNDLE takes it. For build.spec."""

from typing import Any

from mixer_gui import __version__
from mixer_gui.pictures.sources import PICTURE_SUFFIXES
from mixer_gui.records import VIDEO_SUFFIXES

# Apple allows letters, digits, hyphens and periods; the identifier on Linux has an underscore.
BUNDLE_IDENTIFIER = "io.github.mixer-gui.MixerGui"
OLDEST_MACOS = "14.0"  # that of torch's wheels; PySide6's are made for 13.0


def info_plist() -> dict[str, Any]:
    """What is added to PyInstaller's own keys, or stands in their place."""
    return {
        "CFBundleIdentifier": BUNDLE_IDENTIFIER,
        "CFBundleName": "Mixer GUI",
        "CFBundleDisplayName": "Mixer GUI",
        "CFBundleExecutable": "mixer-gui",
        "CFBundleShortVersionString": __version__,
        "CFBundleVersion": __version__,
        "NSHighResolutionCapable": True,
        "LSMinimumSystemVersion": OLDEST_MACOS,
        "LSApplicationCategoryType": "public.app-category.education",
        "NSHumanReadableCopyright": "Apache License 2.0",
        "NSCameraUsageDescription": "Mixer GUI shows what a network sees in the camera's picture. "
        "The picture stays on this computer.",
        "CFBundleDocumentTypes": [document_type("Picture", PICTURE_SUFFIXES), document_type("Video", VIDEO_SUFFIXES)],
    }


def document_type(name: str, suffixes: frozenset[str]) -> dict[str, Any]:
    """Files that “Open With” offers the application for; it is never their default."""
    return {
        "CFBundleTypeName": name,
        "CFBundleTypeRole": "Viewer",
        "LSHandlerRank": "Alternate",
        "CFBundleTypeExtensions": sorted(suffix.removeprefix(".") for suffix in suffixes),
    }
