"""Who may import whom: the table in README, read off the import statements and checked in fresh processes."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from checkpoints import random_mixer, spelled, tiny_config, write_hub_folder, write_tensors

PACKAGE = Path(__file__).parents[1] / "mixer_gui"
LINE_LIMIT = 450
VAGUE_NAMES = {"utils", "util", "misc", "helpers", "helper", "common"}

# Zone -> zones of the project that it may import besides its own and the version in `mixer_gui` ("");
# the most specific zone of a module counts.
ALLOWED = {
    "": set(),
    "records": set(),
    "libraries": set(),
    "resources": {"records"},
    "flavour": set(),
    "logs": set(),
    "components": {"resources", "records"},
    "settings": {"records"},
    "results": {"records"},
    "hub": {"records"},
    "media": {"records"},
    "pictures": {"records"},
    "classes": {"resources", "records"},
    "model": {"classes", "records"},
    "explain": {"model", "records"},
    "train": {"classes", "model", "pictures", "records"},
    "engine": {"explain", "libraries", "model", "pictures", "hub", "records"},
    "gui": {
        "hub.catalogue",
        "hub.repository",
        "pictures.geometry",
        "pictures.sources",
        "settings",
        "results",
        "resources",
        "components",
        "flavour",
        "logs",
        "records",
    },
    "gui.media_worker": {"media", "gui", "libraries", "records"},
    "gui.workers": {"engine", "hub", "model", "gui", "records"},
    "startup": set(),
    "app": {"gui", "logs", "settings", "resources", "records", "startup"},
    "cli": {"commands", "bench", "hub", "engine", "model", "pictures", "results", "resources", "settings", "records"},
    "commands": {"engine", "hub", "media", "model", "pictures", "results", "resources", "settings", "train", "records"},
    "bench": {
        "app",
        "commands",
        "gui",
        "hub",
        "engine",
        "explain",
        "model",
        "pictures",
        "resources",
        "settings",
        "results",
        "records",
    },
    "self_test": {
        "app",
        "classes",
        "components",
        "engine",
        "flavour",
        "hub",
        "media",
        "model",
        "pictures",
        "resources",
        "settings",
        "records",
    },
    "__main__": {"app", "cli", "gui.handover", "logs", "self_test", "startup"},
}
TORCH_ZONES = {"model", "explain", "engine", "train", "bench"}
QT_ZONES = {"gui", "media", "app", "bench", "self_test", "startup"}


def modules() -> list[str]:
    """Dotted names below the package: "" is its __init__, "gui.window" a module."""
    return [dotted(path) for path in sorted(PACKAGE.rglob("*.py"))]


def dotted(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def source(module: str) -> str:
    folder = PACKAGE.joinpath(*module.split(".")) if module else PACKAGE
    path = folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")
    return path.read_text(encoding="utf-8")


def imported(module: str) -> Iterator[str]:
    """Absolute names of all that a module imports, at any depth and for type checking too."""
    for node in ast.walk(ast.parse(source(module))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module or '__init__'} imports relatively, line {node.lineno}"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imported_from_project(module: str) -> Iterator[str]:
    """Dotted names below the package; `from mixer_gui.records import Report` counts as "records"."""
    known = set(modules()) | set(ALLOWED)
    for name in imported(module):
        if name == "mixer_gui" or name.startswith("mixer_gui."):
            inner = name.removeprefix("mixer_gui").removeprefix(".")
            while inner not in known:
                inner = inner.rpartition(".")[0]
            yield inner


def zone(module: str) -> str:
    """The most specific zone in the table that holds the module; itself where there is none."""
    name = module
    while name and name not in ALLOWED:
        name = name.rpartition(".")[0]
    return name or module


def within(module: str, zones: set[str]) -> bool:
    return any(module == each or (each and module.startswith(each + ".")) for each in zones)


@pytest.mark.parametrize("module", modules())
def test_module_belongs_to_a_zone(module: str) -> None:
    assert zone(module) in ALLOWED, f"{module} is in no zone: give it a row in this table and in README's"


@pytest.mark.parametrize("module", modules())
def test_imports_point_down(module: str) -> None:
    own = zone(module)
    allowed = {"", own, *ALLOWED.get(own, set())}
    forbidden = sorted({name for name in imported_from_project(module) if not within(name, allowed)})
    assert not forbidden, f"{module or '__init__'} may not import {', '.join(forbidden)}"


def test_package_itself_imports_nothing() -> None:
    assert not list(imported(""))


@pytest.mark.parametrize(
    ("package", "zones"), [("torch", TORCH_ZONES), ("PySide6", QT_ZONES)], ids=["torch", "PySide6"]
)
def test_heavy_package_stays_in_its_zones(package: str, zones: set[str]) -> None:
    strays = [
        module
        for module in modules()
        if not within(module, zones) and any(name.split(".")[0] == package for name in imported(module))
    ]
    assert not strays, f"{', '.join(strays)} may not import {package}"


@pytest.mark.parametrize("module", modules())
def test_module_has_a_telling_name_and_a_reasonable_length(module: str) -> None:
    assert not VAGUE_NAMES & set(module.split("."))
    length = len(source(module).splitlines())
    assert length <= LINE_LIMIT, f"{module} has {length} lines: split it"


def test_every_module_says_what_lives_in_it() -> None:
    silent = [module for module in modules() if not ast.get_docstring(ast.parse(source(module)))]
    assert not silent


def test_table_notices_a_forbidden_import(monkeypatch: pytest.MonkeyPatch) -> None:
    code = (
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from mixer_gui.engine.device import choose_device\n"
    )
    monkeypatch.setattr(sys.modules[__name__], "source", lambda module: code)
    with pytest.raises(AssertionError, match=r"records may not import engine\.device"):
        test_imports_point_down("records")


def loaded_by(code: str) -> set[str]:
    """The top-level packages in memory after `code` ran in a fresh interpreter."""
    report = "\nimport sys; print(*{name.partition('.')[0] for name in sys.modules})"
    run = subprocess.run([sys.executable, "-c", code + report], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


@pytest.mark.skipif(not (PACKAGE / "gui" / "window.py").exists(), reason="the window is not written yet")
def test_importing_the_window_leaves_torch_and_numpy_unloaded() -> None:
    loaded = loaded_by("import mixer_gui.gui.window")
    assert "PySide6" in loaded
    assert not loaded & {"torch", "numpy", "typer", "rich"}


def test_importing_the_command_line_leaves_torch_and_qt_unloaded() -> None:
    assert not loaded_by("import mixer_gui.cli") & {"torch", "numpy", "PySide6"}


def test_importing_the_decoder_leaves_what_decodes_unloaded() -> None:
    assert not loaded_by("import mixer_gui.pictures.decoder") & {"torch", "numpy", "PIL", "PySide6"}


def test_describing_a_checkpoint_leaves_torch_unloaded(tmp_path: Path) -> None:
    model = random_mixer(tiny_config())
    folder = write_hub_folder(model, tmp_path / "folder")
    archive = write_tensors(spelled(model, "google"), tmp_path / "bare.npz")
    loaded = loaded_by(
        "from pathlib import Path\n"
        "from mixer_gui.model.description import describe, likely_assumptions\n"
        "from mixer_gui.records import ModelRef\n"
        f"assert describe(ModelRef(Path({str(folder)!r}))).layers == 3\n"
        f"assert describe(ModelRef(Path({str(archive)!r}))).layers == 3\n"
        f"assert likely_assumptions(Path({str(archive)!r})).mean\n"
    )
    assert "safetensors" in loaded
    assert not loaded & {"torch", "PySide6"}


@pytest.mark.parametrize("arguments", [["--help"], ["classify", "--help"], ["summary", "--help"], ["--version"]])
def test_command_line_works_where_qt_is_not_installed(arguments: list[str]) -> None:
    code = (
        "import sys; sys.modules['PySide6'] = None\n"
        "from mixer_gui.__main__ import main\n"
        f"sys.argv = ['mixer-gui', *{arguments!r}]\n"
        "sys.exit(main())"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert "mixer-gui" in run.stdout
