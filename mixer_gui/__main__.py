"""Entry point of `mixer-gui` and `python -m mixer_gui`: argv to the command line or to the window.

Boot order, the only place that fixes it:

1. `freeze_support()`: in a packaged executable a child process starts here too and must go no further.
2. Standard output and error, which a windowed executable has not: whatever is written to them goes nowhere.
3. A command first (`classify`, `models`, …), `--help` or `--version`: `cli`, which never imports PySide6.
4. `--self-test`, which needs no display.
5. Anything else is files for the window: options but WINDOW_OPTIONS are refused, then a missing display, before
   Qt aborts.
6. A window that is open already gets the files, and this process ends, unless one of WINDOW_OPTIONS is there.
7. `app`, which paints the window and has its worker thread import torch after that.

Children that multiprocessing spawns import this module again: nothing heavy, and nothing runs.
"""

from __future__ import annotations

import os
import sys
import time
from multiprocessing import freeze_support

ENTERED = time.monotonic()  # where the system does not say when the process started, this is the beginning

COMMANDS = frozenset({"bench", "classify", "models", "summary", "train"})
CLI_OPTIONS = frozenset({"--help", "-h", "--version"})
SELF_TEST = "--self-test"
STARTUP_REPORT = "--startup-report"
NEW_WINDOW = "--new-window"
WINDOW_OPTIONS = frozenset({STARTUP_REPORT, NEW_WINDOW})  # either opens a window of its own


def main() -> int:
    """Run the program on `sys.argv`; returns the exit code: 2 for a usage error, 1 where it could not run."""
    freeze_support()
    fill_missing_streams()
    arguments = sys.argv[1:]
    if arguments and (arguments[0] in COMMANDS or arguments[0] in CLI_OPTIONS):
        try:
            if arguments[0] in COMMANDS:
                from mixer_gui import logs

                logs.start("commands")
            from mixer_gui.cli import main as run_command

            return run_command(arguments)
        except KeyboardInterrupt:  # before the command could see to it
            return 130
    if arguments and arguments[0].partition("=")[0] == SELF_TEST:
        from mixer_gui.self_test import main as run_self_test

        return run_self_test(arguments)
    try:
        files = files_of(arguments)
    except ValueError as error:
        return _refuse(f"{error}\nTry “mixer-gui --help”.", 2)
    if not has_display():
        return _refuse(
            "Mixer GUI needs a display for its window, and there is none here (neither DISPLAY nor WAYLAND_DISPLAY "
            "is set). “mixer-gui classify FILES…” works without one.",
            1,
        )
    report = None
    try:
        is_alone = any(wants(each, arguments) for each in WINDOW_OPTIONS)
        if not is_alone:
            from mixer_gui.gui.handover import hand_over

            if hand_over(files):
                return 0
        if wants(STARTUP_REPORT, arguments):
            from mixer_gui.startup import Mark, StartupReport

            report = StartupReport(ENTERED)
            report.import_qt()
        from mixer_gui.app import main as run_window

        if report is not None:
            report.mark(Mark.MODULES)
    except ImportError as error:
        if ".so" not in str(error):
            raise
        return _refuse(
            f"Qt could not be loaded: {error}. On Debian and Ubuntu “bash .ci/start” in the project's folder "
            "installs what is missing.",
            1,
        )
    return run_window(files, report, is_alone=True) if is_alone else run_window(files)


def files_of(arguments: list[str]) -> list[str]:
    """The files among the arguments of the window; after `--` everything is one. ValueError names options."""
    split = arguments.index("--") if "--" in arguments else len(arguments)
    before, after = arguments[:split], arguments[split + 1 :]
    options = [each for each in before if each.startswith("-") and each not in WINDOW_OPTIONS]
    if options:
        raise ValueError(f"mixer-gui: unknown option{'s' if len(options) > 1 else ''} {', '.join(options)}")
    return [each for each in before if each not in WINDOW_OPTIONS] + after


def wants(option: str, arguments: list[str]) -> bool:
    """Whether an option of the window is there, before any `--`."""
    split = arguments.index("--") if "--" in arguments else len(arguments)
    return option in arguments[:split]


def has_display() -> bool:
    """Whether Qt can be expected to open a window. Without X11 or Wayland it would abort the process."""
    if not sys.platform.startswith("linux"):
        return True
    return any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"))


def fill_missing_streams() -> None:
    """Standard output and error are None in a windowed executable, and many a library writes to them unasked.

    On POSIX, the next files that are opened have the numbers of those that are closed: what Qt prints would go into its
    connection to the display.
    """
    for number in range(3) if os.name == "posix" else ():
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - the process's own, to its end
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115


def _refuse(sentence: str, exit_code: int) -> int:
    if sys.__stderr__ is None:  # the only place left to say it
        import logging

        from mixer_gui import logs

        logs.start("window")
        logging.getLogger(__name__).error("%s", sentence)
    sys.stderr.write(sentence + "\n")
    return exit_code


if __name__ == "__main__":
    sys.exit(main())
