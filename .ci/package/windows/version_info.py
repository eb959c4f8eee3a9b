"""The version resource of the Windows programs: what Explorer shows under Properties, Details. For build.spec."""

import re
from typing import TYPE_CHECKING

from mixer_gui import __version__

if TYPE_CHECKING:
    from PyInstaller.utils.win32.versioninfo import VSVersionInfo

LANGUAGE, CODE_PAGE = 0x0409, 1200  # US English, UTF-16


def numbers(version: str = __version__) -> tuple[int, int, int, int]:
    """The four numbers that Windows compares. Raises ValueError where the version does not begin with three."""
    found = re.match(r"(\d+)\.(\d+)\.(\d+)", version)
    if found is None:
        raise ValueError(f"{version} is no version of the form 1.2.3")
    major, minor, patch = (int(each) for each in found.groups())
    return major, minor, patch, 0


def strings(program: str) -> dict[str, str]:
    """What is shown of `program`, a file name without its suffix."""
    return {
        "CompanyName": "The Mixer GUI project",
        "FileDescription": "Mixer GUI" if program == "mixer-gui" else "Mixer GUI (command line)",
        "FileVersion": __version__,
        "InternalName": program,
        "LegalCopyright": "Apache License 2.0",
        "OriginalFilename": f"{program}.exe",
        "ProductName": "Mixer GUI",
        "ProductVersion": __version__,
    }


def version_resource(program: str = "mixer-gui") -> "VSVersionInfo":
    """For `EXE(version=…)`; works on Windows only, where PyInstaller has what it reads resources with."""
    from PyInstaller.utils.win32.versioninfo import (
        FixedFileInfo,
        StringFileInfo,
        StringStruct,
        StringTable,
        VarFileInfo,
        VarStruct,
        VSVersionInfo,
    )

    table = StringTable(f"{LANGUAGE:04x}{CODE_PAGE:04x}", [StringStruct(*each) for each in strings(program).items()])
    return VSVersionInfo(
        ffi=FixedFileInfo(filevers=numbers(), prodvers=numbers()),
        kids=[StringFileInfo([table]), VarFileInfo([VarStruct("Translation", [LANGUAGE, CODE_PAGE])])],
    )
