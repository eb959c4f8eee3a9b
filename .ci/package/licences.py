"""Licences of everything that is bundled, and its bill of materials; run by the Python that packages.

    python .ci/package/licences.py FOLDER [--sources FILE]

writes FOLDER/licences.json (what About lists), FOLDER/texts/ and FOLDER/sbom.cdx.json (CycloneDX 1.6, checked against
its schema). FILE has a line for each file that is bundled, with where it comes from: who owns one of them is listed.
Without it, that is all that the project needs here. Fails with a sentence where something is under the GPL only, has no
licence, or belongs to nobody known.

`texts/` holds what the packages themselves leave out: the FSF's texts as in Debian's base-files, GCC's exception as in
Debian's libgcc-s1, Intel's as in the package mkl 2026.2.0.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, distribution, distributions
from pathlib import Path
from typing import Any

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import ExternalReference, ExternalReferenceType, XsUri
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component as Listed
from cyclonedx.model.component import ComponentType
from cyclonedx.model.license import License, LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL
from PIL import features

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # not another version that is installed

from mixer_gui import components  # noqa: E402 - see above
from mixer_gui.components import PROJECT, Component  # noqa: E402

TEXTS = Path(__file__).resolve().parent / "texts"

LGPL = ("LGPL-3.0.txt", "GPL-3.0.txt")  # the LGPL's third version adds to the GPL's
GCC = ("GCC-exception-3.1.txt", "GPL-3.0.txt")
GCC_LICENCE = "GPL-3.0-or-later WITH GCC-exception-3.1"

# What the metadata of a distribution leave open: the terms under which it is bundled, and texts that are missing there.
DECIDED: dict[str, tuple[str, tuple[str, ...]]] = {
    "pyside6": ("LGPL-3.0-only", LGPL),
    "pyside6-essentials": ("LGPL-3.0-only", LGPL),
    "pyside6-addons": ("LGPL-3.0-only", LGPL),
    "shiboken6": ("LGPL-3.0-only", LGPL),
    "pi-heif": ("BSD-3-Clause AND LGPL-3.0-or-later", LGPL),  # with libheif and libde265 in it
    "pyinstaller": ("GPL-2.0-or-later WITH Bootloader-exception", ()),
    "pyinstaller-hooks-contrib": ("Apache-2.0", ()),  # of its hooks, those that run in a bundle
}
# Libraries of Debian's whose package has programs under the GPL besides.
DECIDED_LIBRARIES = {
    "libuuid1": "BSD-3-Clause",
    "libblkid1": "LGPL-2.1-or-later",
    "libmount1": "LGPL-2.1-or-later",
    "libstdc++6": GCC_LICENCE,
    "libgcc-s1": GCC_LICENCE,
    "libgomp1": GCC_LICENCE,
}
GPL = re.compile(r"(?<!L)GPL|(?<!Lesser )(?<!Library )General Public License", re.IGNORECASE)
EXCEPTION = re.compile(r"\bWITH\b|exception", re.IGNORECASE)


class UnfitError(Exception):
    """Something must not be bundled; the message is a sentence."""


@dataclass(frozen=True)
class Bundled:
    """A component with the address that names it in a bill of materials, and what its makers built into it."""

    component: Component
    purl: PackageURL | None = None
    parts: tuple[Listed, ...] = ()


def is_gpl_only(licence: str) -> bool:
    """Whether every alternative that a licence gives asks for the GPL, without an exception."""

    def asks(alternative: str) -> bool:
        terms = re.split(r"\s+AND\s+", alternative)
        return any(GPL.search(term) and not EXCEPTION.search(term) for term in terms)

    return all(asks(each) for each in re.split(r"\s+(?:OR|or)\s+(?!later|newer)", licence))


def check(found: Iterable[Bundled]) -> None:
    """Raise UnfitError for the first thing that must not be bundled."""
    for each in found:
        name, licence = each.component.name, each.component.licence
        if not licence:
            raise UnfitError(
                f"{name} says nowhere what its licence is: leave it out, or decide in {Path(__file__).name}."
            )
        if is_gpl_only(licence):
            raise UnfitError(f"{name} is under the GPL only ({licence}): it must not be bundled.")
        for part in each.parts:
            stated = next(iter(part.licenses), None)
            if stated is not None and is_gpl_only(words_of(stated)):
                raise UnfitError(f"{part.name} in {name} is under the GPL only: it must not be bundled.")
        if not each.component.text().strip():
            raise UnfitError(f"{name} has no text of its licence ({licence}): put it into {TEXTS.name}/.")


# --- who is bundled ------------------------------------------------------------------------------


def collect(sources: Iterable[Path] | None = None) -> list[Bundled]:
    """All that is bundled, the project's own first; `sources`: the bundled files, where they come from."""
    if sources is None:
        found = [each for each, _ in components.needed(PROJECT)] + [distribution("pyinstaller")]
        others = [*map(of_distribution, found[1:]), *in_qt(), *in_torch()]
    else:
        others = owners({Path(os.path.abspath(each)) for each in sources})  # noqa: PTH100 - links stay
    own = [of_distribution(distribution(PROJECT)), *map(Bundled, components.of_assets())]
    return [*own, *sorted([*others, python()], key=lambda each: each.component.name.lower())]


def owners(sources: set[Path]) -> list[Bundled]:
    """Whoever a file comes from, each once. Raises UnfitError for a file that is nobody's."""
    here = {path: each for each in distributions() for path in files_of(each)}
    found, unknown = {}, set()
    for path in sources:
        owner = here.get(path)
        if owner is not None:
            found[key_of(owner)] = owner
        elif not is_own(path) and not is_pythons(path):
            unknown.add(path)
    found.pop(PROJECT, None)
    bundled = [of_distribution(each) for each in found.values()]
    names = {path.name for path in sources}
    if any(name.startswith(("libQt6", "Qt6", "QtCore")) for name in names):
        bundled += in_qt()
    if "torch" in found:
        bundled += in_torch()
    return [*bundled, *of_system(unknown)]


def files_of(found: Distribution) -> Iterator[Path]:
    """Where the files of a distribution lie, links not followed."""
    for each in found.files or ():
        yield Path(os.path.abspath(str(found.locate_file(each))))  # noqa: PTH100


def is_own(path: Path) -> bool:
    """Whether a file belongs to this repository, or was made in it by the build."""
    return path.is_relative_to(ROOT)


def is_pythons(path: Path) -> bool:
    """Whether a file is the interpreter's or of its standard library."""
    folders = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib")} | {os.path.dirname(os.__file__)}  # noqa: PTH120
    in_library = any(path.is_relative_to(each) for each in folders) and "site-packages" not in path.parts
    return in_library or re.match(r"(lib)?python3", path.name) is not None


def of_distribution(found: Distribution) -> Bundled:
    """A Python package, under the terms decided above where its metadata leave them open."""
    stated = components.of_distribution(found, found.metadata)
    licence, missing = DECIDED.get(key_of(found), (stated.licence, ()))
    texts = missing_texts(missing)

    def text() -> str:
        own = stated.text()
        return components.joined(([(stated.name, own)] if own else []) + texts)

    component = Component(stated.name, stated.version, licence, stated.home, text)
    return Bundled(component, PackageURL("pypi", name=key_of(found), version=found.version), parts_of(found))


def parts_of(found: Distribution) -> tuple[Listed, ...]:
    """What the bills of materials name that a distribution carries itself: libraries compiled into it."""
    bills = [each for each in found.files or () if each.parts[-2:-1] == ("sboms",) and each.name.endswith(".json")]
    parts = {}
    for bill in bills:
        for each in json.loads(bill.read_text(encoding="utf-8")).get("components", ()):
            if each["name"].lower() != found.name.lower() and each.get("scope") != "excluded" and not is_absent(each):
                parts[each["name"], each.get("version")] = each
    return tuple(part(each) for _, each in sorted(parts.items(), key=str))


def is_absent(stated: dict[str, Any]) -> bool:
    """Whether a part was left out: Pillow's bill names all that it can be built with, GPL's libimagequant among it."""
    return stated["name"] == "libimagequant" and not features.check("libimagequant")


def part(stated: dict[str, Any]) -> Listed:
    """A component of another bill of materials, with what says which one it is and its licence."""
    purl = stated.get("purl")
    named = [each.get("license", {}) for each in stated.get("licenses", ())]
    licences = [each["expression"] for each in stated.get("licenses", ()) if "expression" in each]
    licences += [each.get("id") or each["name"] for each in named if each]
    return Listed(
        name=stated["name"],
        version=stated.get("version"),
        purl=None if purl is None else PackageURL.from_string(purl),
        licenses=[LicenseFactory().make_from_string(" AND ".join(licences))] if licences else (),
    )


def words_of(licence: License) -> str:
    """A licence of a bill of materials as it is written."""
    return licence.value if isinstance(licence, LicenseExpression) else licence.id or licence.name or ""


def python() -> Bundled:
    """The interpreter."""
    stated = components.python()
    return Bundled(stated, PackageURL("generic", name="python", version=stated.version))


def in_qt() -> Iterator[Bundled]:
    """What PySide6's packages carry besides themselves and say nothing of: Qt, and FFmpeg in QtMultimedia."""
    version = distribution("PySide6_Essentials").version
    text = components.joined(
        [
            (
                "Qt",
                "Qt is used under the LGPL, version 3. Its sources: https://download.qt.io/official_releases/qt/\n"
                "Third-party code in it: https://doc.qt.io/qt-6/licenses-used-in-qt.html",
            ),
            *missing_texts(LGPL),
        ]
    )
    qt = Component("Qt", version, "LGPL-3.0-only", "https://www.qt.io", lambda: text)
    yield Bundled(qt, PackageURL("generic", name="qt", version=version))
    libraries = {each for each in files_of(distribution("PySide6_Addons")) if "avutil" in each.name and each.is_file()}
    for library in sorted(libraries)[:1]:
        yield ffmpeg(library.read_bytes())


def ffmpeg(library: bytes) -> Bundled:
    """FFmpeg by what its own libavutil says: how it was configured decides its licence."""
    licence = re.search(rb"libavutil license: ([^\0]+)", library)
    version = re.search(rb"FFmpeg-n?([\d.]+\d)", library)
    if licence is None:
        raise UnfitError("libavutil does not say under which licence FFmpeg was built: it must not be bundled.")
    words = licence.group(1).decode()
    expression = {"LGPL version 2.1 or later": "LGPL-2.1-or-later", "LGPL version 3 or later": "LGPL-3.0-or-later"}
    number = "" if version is None else version.group(1).decode()
    text = components.joined([("FFmpeg", f"FFmpeg says: {words}"), *missing_texts(("LGPL-2.1.txt", *LGPL))])
    stated = Component("FFmpeg", number, expression.get(words, words), "https://ffmpeg.org", lambda: text)
    return Bundled(stated, PackageURL("generic", name="ffmpeg", version=number or None))


def in_torch() -> Iterator[Bundled]:
    """Libraries in torch's package that its own texts leave out."""
    for library in sorted(each for each in files_of(distribution("torch")) if each.parent.name == "lib"):
        if library.name.startswith("libgomp"):
            yield unnamed("libgomp", GCC_LICENCE, "https://gcc.gnu.org", GCC)
        elif re.match(r"(lib)?torch_cpu\.(so|dll)$", library.name) and b"oneMKL" in library.read_bytes():
            home = "https://www.intel.com/content/www/us/en/developer/tools/oneapi/onemkl.html"
            yield unnamed("Intel oneMKL", "Intel Simplified Software License", home, ("oneMKL.txt",))


def unnamed(name: str, licence: str, home: str, texts: tuple[str, ...]) -> Bundled:
    """A library that does not say its version."""
    text = components.joined(missing_texts(texts))
    return Bundled(Component(name, "", licence, home, lambda: text))


def of_system(paths: set[Path]) -> list[Bundled]:
    """The packages of the system that shared libraries come from; only Debian's kind is known."""
    found = {}
    for path in sorted(paths):
        name = debian_package(path)
        if name is None:
            raise UnfitError(f"{path} belongs to no package that is known here: its licence cannot be told.")
        found[name] = debian(name)
    return list(found.values())


def debian_package(path: Path) -> str | None:
    """The package that installed a file; None where none did. Since /lib became a link, either name may be noted."""
    real = path.resolve()
    names = {str(path), str(real), *(str(each).removeprefix("/usr") for each in (path, real))}
    try:
        asked = subprocess.run(["dpkg-query", "--search", *sorted(names)], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    return asked.stdout.partition(":")[0] or None


def debian(name: str) -> Bundled:
    """One of Debian's packages, by its copyright file: the licence of the most files, where the file says it."""
    format_ = "${Version}\t${Homepage}\n"
    asked = subprocess.run(["dpkg-query", "--show", f"--showformat={format_}", name], capture_output=True, text=True)
    version, _, home = asked.stdout.partition("\n")[0].partition("\t")
    text = Path("/usr/share/doc", name, "copyright").read_text(encoding="utf-8", errors="replace")
    main = re.search(r"^Files: \*\n.*?^License: *(.+?)$", text, re.MULTILINE | re.DOTALL)
    licence = DECIDED_LIBRARIES.get(name) or ("see its text" if main is None else main.group(1))
    stated = Component(name, version, licence, home, lambda: text)
    return Bundled(stated, PackageURL("deb", "debian", name, version))


def key_of(found: Distribution) -> str:
    """A distribution's name as the index spells it."""
    return re.sub(r"[-_.]+", "-", found.name).lower()


def missing_texts(names: tuple[str, ...]) -> list[tuple[str, str]]:
    """Of licences whose texts the packages leave out."""
    return [(name.removesuffix(".txt"), (TEXTS / name).read_text(encoding="utf-8")) for name in names]


# --- what is written -----------------------------------------------------------------------------


def write(folder: Path, found: list[Bundled]) -> None:
    """The list for About with its texts, and the bill of materials. Raises UnfitError, with nothing written."""
    check(found)
    bill = bill_of(found)
    texts = folder / "texts"
    texts.mkdir(parents=True, exist_ok=True)
    listed = []
    for each in found:
        component = each.component
        file = re.sub(r"[^\w.+-]+", "-", component.name) + ".txt"
        (texts / file).write_text(component.text(), encoding="utf-8")
        listed.append(
            {
                "name": component.name,
                "version": component.version,
                "licence": component.licence,
                "home": component.home,
                "text": file,
            }
        )
    (folder / "licences.json").write_text(json.dumps(listed, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (folder / "sbom.cdx.json").write_text(bill, encoding="utf-8")


def bill_of(found: list[Bundled]) -> str:
    """The bill of materials as CycloneDX 1.6, valid by its schema."""
    own, *others = found
    bom = Bom(components=[entry(each) for each in others])
    bom.metadata.component = entry(own, ComponentType.APPLICATION)
    bom.register_dependency(bom.metadata.component, bom.components)
    text = JsonV1Dot6(bom).output_as_string(indent=1)
    wrong = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if wrong is not None:
        raise UnfitError(f"The bill of materials does not keep to its schema: {wrong}")
    return text


def entry(bundled: Bundled, kind: ComponentType = ComponentType.LIBRARY) -> Listed:
    """One component of the bill."""
    stated = bundled.component
    home = [ExternalReference(type=ExternalReferenceType.WEBSITE, url=XsUri(stated.home))] if stated.home else []
    return Listed(
        name=stated.name,
        version=stated.version or None,
        type=kind,
        bom_ref=f"{stated.name}@{stated.version}",
        licenses=[LicenseFactory().make_from_string(stated.licence)],
        purl=bundled.purl,
        external_references=home,
        components=bundled.parts,
    )


def main(arguments: list[str]) -> int:
    """See above; 1 where something must not be bundled, 2 for a usage error."""
    if len(arguments) not in (1, 3) or (len(arguments) == 3 and arguments[1] != "--sources"):
        sys.stderr.write("usage: licences.py FOLDER [--sources FILE]\n")
        return 2
    sources = None
    if len(arguments) == 3:
        lines = Path(arguments[2]).read_text(encoding="utf-8").splitlines()
        sources = [Path(line) for line in lines if line]
    try:
        found = collect(sources)
        write(Path(arguments[0]), found)
    except UnfitError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"Licences of {len(found)} components in {arguments[0]}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
