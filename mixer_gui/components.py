"""What this installation is made of, with licences: a frozen bundle's list, else what Python's packages say.

Neither torch nor Qt. Texts are read when they are asked for: torch alone has 500 KB of them.
"""

from __future__ import annotations

import json
import platform
import re
import sysconfig
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import Distribution, PackageMetadata, PackageNotFoundError, distribution
from pathlib import Path

from mixer_gui.records import MixerGuiError
from mixer_gui.resources import assets_folder, licences_folder

PROJECT = "mixer-gui"
LONGEST_NAME = 100  # characters: some packages put the whole text where the name belongs
TEXT_NAME = re.compile(r"(LICEN[CS]E|COPYING|NOTICE)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Component:
    """One thing that is installed or bundled. `licence` is an SPDX expression where its makers give one."""

    name: str
    version: str
    licence: str
    home: str
    text: Callable[[], str] = field(compare=False, repr=False)


def components() -> tuple[Component, ...]:
    """Of this installation: the project's own first. Raises MixerGuiError where a bundle's list is damaged."""
    folder = licences_folder()
    return tuple(installed() if folder is None else bundled(folder))


def bundled(folder: Path) -> list[Component]:
    """What `.ci/package/licences.py` wrote into a folder."""
    try:
        listed = json.loads((folder / "licences.json").read_text(encoding="utf-8"))
        return [
            Component(
                each["name"], each["version"], each["licence"], each["home"], _reader(folder / "texts" / each["text"])
            )
            for each in listed
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        sentence = "This installation of Mixer GUI is incomplete: its list of licences is missing. Install it again."
        raise MixerGuiError(sentence, repr(error)) from error


def installed() -> list[Component]:
    """The project, its model and names, then Python and all that the project needs of what is installed."""
    own, *others = [of_distribution(*each) for each in needed(PROJECT)]
    return [own, *of_assets(), *by_name([python(), *others])]


def by_name(found: Iterable[Component]) -> list[Component]:
    """In the order of an alphabetical list."""
    return sorted(found, key=lambda each: each.name.lower())


def of_assets() -> list[Component]:
    """The embedded model and the class names; their README files state their terms."""
    assets = assets_folder()
    return [
        Component(
            "Built-in model",
            "",
            "terms of ImageNet's pictures, see text",
            "",
            _reader(assets / "default-model" / "README.md"),
        ),
        Component(
            "Class names",
            "",
            "Apache-2.0 AND LicenseRef-WordNet",
            "https://wordnet.princeton.edu",
            _reader(assets / "class-names" / "README.md"),
        ),
    ]


def python() -> Component:
    """The interpreter and its standard library."""
    standard = Path(sysconfig.get_path("stdlib"))
    places = (standard / "LICENSE.txt", standard.parent.parent / "LICENSE.txt", standard.parent / "LICENSE.txt")
    text = next((each for each in places if each.is_file()), None)
    return Component(
        "Python",
        platform.python_version(),
        "PSF-2.0",
        "https://www.python.org",
        (lambda: "") if text is None else _reader(text),
    )


def needed(name: str, seen: set[str] | None = None) -> Iterator[tuple[Distribution, PackageMetadata]]:
    """A distribution and, below it, all that it needs and is installed; extras that nobody asked for are not.

    With its metadata, since these are read and parsed each time they are taken from the distribution.
    """
    seen = set() if seen is None else seen
    key = re.sub(r"[-_.]+", "-", name).lower()
    if key in seen:
        return
    seen.add(key)
    try:
        found = distribution(name)
    except PackageNotFoundError:
        return  # for another system, or not asked for
    metadata = found.metadata
    yield found, metadata
    for line in metadata.get_all("Requires-Dist") or ():
        requirement, _, marker = line.partition(";")
        if "extra" not in marker:
            yield from needed(re.split(r"[^\w.-]", requirement.strip(), maxsplit=1)[0], seen)


def of_distribution(found: Distribution, metadata: PackageMetadata) -> Component:
    """What a distribution's metadata say."""
    name, version = metadata["Name"], metadata["Version"]
    return Component(name, version, licence_of(metadata), home_of(metadata), lambda: text_of(found))


def licence_of(metadata: PackageMetadata) -> str:
    """The expression; else the name; else the classifiers. One of the GPL's family among these is always told."""
    expression = _first(metadata, "License-Expression")
    if expression:
        return expression
    name = " ".join(_first(metadata, "License").split())
    classifiers = [
        each.rpartition("::")[2].strip() for each in metadata.get_all("Classifier") or () if each.startswith("License")
    ]
    if not name or len(name) > LONGEST_NAME:
        return " AND ".join(classifiers)
    copyleft = [each for each in classifiers if "General Public" in each and "GPL" not in name]
    return " AND ".join([name, *copyleft])


def text_of(found: Distribution) -> str:
    """All licence texts that a distribution carries, one after the other; empty where it carries none."""
    names = found.metadata.get_all("License-File") or _text_files(found)
    texts = ((name, found.read_text(f"licenses/{name}") or found.read_text(name)) for name in names)
    return joined([(name, text) for name, text in texts if text])


def joined(texts: list[tuple[str, str]]) -> str:
    """One text of several, each below its name."""
    if len(texts) == 1:
        return texts[0][1]
    return "\n\n\n".join(f"──── {name} ────\n\n{text.strip()}" for name, text in texts)


def _text_files(found: Distribution) -> list[str]:
    """Of a distribution made before the metadata named them, relative to its own folder."""
    paths = [each for each in found.files or () if each.parts[0].endswith(".dist-info")]
    return ["/".join(each.parts[1:]) for each in paths if TEXT_NAME.match(each.name)]


def home_of(metadata: PackageMetadata) -> str:
    """Where its makers can be found; empty where they do not say."""
    addresses = dict(line.split(", ", 1) for line in metadata.get_all("Project-URL") or () if ", " in line)
    named = {label.lower(): address for label, address in addresses.items()}
    chosen = (named[label] for label in ("homepage", "source", "repository", "documentation") if label in named)
    return _first(metadata, "Home-page") or next(chosen, next(iter(named.values()), ""))


def _first(metadata: PackageMetadata, key: str) -> str:
    return str(next(iter(metadata.get_all(key) or ()), ""))


def _reader(path: Path) -> Callable[[], str]:
    return lambda: path.read_text(encoding="utf-8")
