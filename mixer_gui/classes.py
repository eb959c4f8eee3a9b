"""Names of ImageNet's classes for heads whose checkpoint carries none, and which of them are shown on request only."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from mixer_gui.records import ClassNames
from mixer_gui.resources import asset_path

# Number of classes -> its table in assets/class-names and what it is called. No two sets in use have as many.
TABLES = {
    1000: ("imagenet-1k.txt", "ImageNet-1k"),
    11221: ("imagenet-21k-miil.txt", "ImageNet-21k (MIIL)"),
    21843: ("imagenet-21k-google.txt", "ImageNet-21k (Google)"),
}
HARMLESS = 1000  # of ImageNet-1k's names, and of smaller choices from it, none has to be hidden


@cache
def known_names(count: int) -> ClassNames | None:
    """The names of the well-known set with `count` classes; None where there is none of this size.

    Read when first asked for, in any thread. Raises MixerGuiError where the installation is incomplete.
    """
    if count not in TABLES:
        return None
    file, title = TABLES[count]
    words = dict(line.split("\t") for line in _lines("synsets.tsv"))
    wnids = tuple(_lines(file))
    return hide_persons(ClassNames(wnids, tuple(words[wnid] for wnid in wnids), title))


def hide_persons(names: ClassNames) -> ClassNames:
    """The same names, those of kinds of people hidden where there are more than ImageNet-1k's.

    WordNet has slurs among them. Told by WNID, so names without WNIDs stay as they are.
    """
    if len(names.wnids) <= HARMLESS:
        return names
    persons = _persons()
    return replace(names, hidden=frozenset(index for index, wnid in enumerate(names.wnids) if wnid in persons))


@cache
def _persons() -> frozenset[str]:
    return frozenset(_lines("persons.txt"))


def _lines(file: str) -> list[str]:
    return asset_path(f"class-names/{file}").read_text(encoding="utf-8").splitlines()
