"""Make assets/class-names from the installed timm's tables and WordNet's hierarchy; run by hand.

    python .ci/class_names.py [WORDNET_DICT_DIR]

The directory holds WordNet 3.0's `data.noun`; Debian's package wordnet-base has it at /usr/share/wordnet.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

TABLES = Path(__file__).resolve().parents[1] / "assets" / "class-names"
WORDNET = Path("/usr/share/wordnet")
PERSON = "n00007846"
# Our file -> timm's: the WNID of each class, one a line, in the order of the head's outputs.
ORDERS = {
    "imagenet-1k.txt": "imagenet_synsets.txt",
    "imagenet-21k-miil.txt": "imagenet21k_miil_synsets.txt",
    "imagenet-21k-google.txt": "imagenet21k_goog_synsets.txt",
}
NAMES, PERSONS = "synsets.tsv", "persons.txt"


def timm_tables() -> Path | None:
    """The folder of tables in timm, None where it is not installed. It is not imported: that would need torchvision."""
    found = find_spec("timm")
    places = [] if found is None else list(found.submodule_search_locations or ())
    return Path(places[0]) / "data" / "_info" if places else None


def name_tables(timm: Path) -> dict[str, str]:
    """File name -> content of all that comes from timm: the orders, and one table of names for them all."""
    orders = {ours: (timm / theirs).read_text("utf-8").split() for ours, theirs in ORDERS.items()}
    lines = (timm / "imagenet_synset_to_lemma.txt").read_text("utf-8").splitlines()
    names = dict(line.split("\t") for line in lines)
    used = sorted({wnid for order in orders.values() for wnid in order})
    tables = {file: _lines(order) for file, order in orders.items()}
    return tables | {NAMES: _lines(f"{wnid}\t{names[wnid]}" for wnid in used)}


def person_table(wordnet: Path, wnids: list[str]) -> str:
    """Which of `wnids` are kinds of persons, or persons: everything below PERSON, which itself is not among them."""
    below = _hyponyms(wordnet / "data.noun")
    found: set[str] = set()
    waiting = [PERSON]
    while waiting:
        new = below.get(waiting.pop(), set()) - found
        found |= new
        waiting.extend(new)
    return _lines(wnid for wnid in wnids if wnid in found)


def _hyponyms(nouns: Path) -> dict[str, set[str]]:
    """WNID -> those right below it: kinds (~) and instances (~i). A noun's WNID is n and its offset (wndb(5WN))."""
    below = {}
    for line in nouns.read_text("ascii").splitlines():
        if line.startswith("  "):  # the licence
            continue
        fields = line.partition(" | ")[0].split()
        first = 4 + 2 * int(fields[3], 16)  # offset, file, type, count of words, each word with its sense
        pointers = zip(fields[first + 1 :: 4], fields[first + 2 :: 4], fields[first + 3 :: 4], strict=False)
        below[f"n{fields[0]}"] = {f"n{to}" for sign, to, kind in pointers if sign in ("~", "~i") and kind == "n"}
    return below


def _lines(texts: Iterable[str]) -> str:
    return "".join(f"{text}\n" for text in texts)


def main() -> None:
    timm = timm_tables()
    if timm is None:
        sys.exit("timm is not installed: pip install --no-deps timm")
    wordnet = Path(sys.argv[1]) if len(sys.argv) > 1 else WORDNET
    if not (wordnet / "data.noun").is_file():
        sys.exit(f"{wordnet} has no data.noun: install Debian's wordnet-base, or name WordNet's directory")
    tables = name_tables(timm)
    wnids = [line.partition("\t")[0] for line in tables[NAMES].splitlines()]
    tables[PERSONS] = person_table(wordnet, wnids)
    for file, content in tables.items():
        (TABLES / file).write_text(content, encoding="utf-8", newline="\n")
        sys.stdout.write(f"{file}: {content.count(chr(10)):,} lines\n")


if __name__ == "__main__":
    main()
