"""What a row of the list of models says, in words. No widgets."""

from __future__ import annotations

import time
from dataclasses import dataclass

from PySide6.QtCore import QCoreApplication

from mixer_gui.gui.amounts import ago_text, moment_text, preprocessing_text, share_text, size_text
from mixer_gui.gui.model_items import ModelItem, Place, short_commit
from mixer_gui.records import CatalogueEntry, StoredModel

SEPARATOR = " · "
NO_BREAK_SPACE = "\u00a0"


def classes_text(classes: int) -> str:
    return _tr("{0:,} classes").format(classes)


def accuracy_text(entry: CatalogueEntry) -> str:
    if entry.top1 is None:
        return _tr("top-1: – (not ImageNet-1k's classes)")
    return _tr("{0:.1f} % top-1 (ImageNet-1k)").format(entry.top1)


def _tr(text: str) -> str:
    return QCoreApplication.translate("model_words", text)


def badge_text(item: ModelItem) -> str:
    if item.is_in_use:
        return _tr("in use")
    if item.place == Place.HUB and item.entry is not None and item.entry.is_recommended:
        return _tr("recommended")
    return ""


def about_text(item: ModelItem) -> str:
    if item.place == Place.BUILT_IN:
        return _tr("Comes with the program and works without a network. Everyday things, in small pictures.")
    return "" if item.entry is None else item.entry.good_for


def facts_text(item: ModelItem) -> str:
    """What is known of it, to choose by: of one on disk by its own files, else by the catalogue."""
    stored, entry, info = item.stored, item.entry, item.info
    facts = []
    if info is not None and item.place != Place.HUB:
        facts.append(classes_text(info.classes))
    elif entry is not None:
        facts.append(classes_text(entry.classes))
    if item.place == Place.DISK and stored is not None:
        facts += [size_text(stored.size_bytes), ago_text(stored.last_used, time.time())]
    elif entry is not None:
        facts.append(size_text(entry.download_bytes))
    if entry is not None:
        facts += [accuracy_text(entry), entry.licence]
    return joined(facts)


def origin_text(item: ModelItem) -> str:
    """Which one it is exactly, and how its pictures are prepared."""
    stored, entry, info = item.stored, item.entry, item.info
    facts = []
    if stored is not None:
        commit = short_commit(stored.commit)
        is_named = item.title == stored.repository
        facts.append(_tr("commit {0}").format(commit) if is_named else f"{stored.repository}@{commit}")
    elif item.ref is not None and str(item.ref) != item.title:
        facts.append(str(item.ref))
    if info is not None:
        facts.append(preprocessing_text(info.preprocessing))
    elif entry is not None:
        facts.append(entry.preprocessing)
    return joined(facts)


def joined(facts: list[str]) -> str:
    """With separators at which a line may end, and nowhere else."""
    return SEPARATOR.join(fact.replace(" ", NO_BREAK_SPACE) for fact in facts)


def tooltip_text(item: ModelItem) -> str:
    stored = item.stored
    if stored is None:
        return ""
    lines = [_tr("Commit {0}").format(stored.commit), str(stored.path)]
    if stored.last_used is not None:
        lines.insert(1, _tr("Last used: {0}").format(moment_text(stored.last_used)))
    return "\n".join(lines)


def state_text(item: ModelItem, *, is_being_removed: bool) -> str:
    if is_being_removed:
        return _tr("Deleting …")
    if item.place == Place.HUB and item.stored is not None:
        share = share_text(item.stored.size_bytes, item.stored.total_bytes)
        return _tr("{0} arrived. It goes on from there.").format(share)
    return ""


def detail_text(item: ModelItem) -> str:
    if item.download is not None and item.download.ended is not None and item.download.has_failed:
        return item.download.ended.detail
    return "" if item.failure is None else item.failure.detail


def purpose_text(item: ModelItem) -> str:
    """What the row's first button is for."""
    if item.place != Place.HUB:
        return _tr("Classify with this model from now on")
    if item.stored is not None:
        return _tr("Fetch what is missing; what has arrived is not fetched again")
    return _tr("Fetch it from the Hugging Face Hub; then it works without a network")


@dataclass(frozen=True, slots=True)
class Deletion:
    """What the user is asked before a model is deleted."""

    question: str
    consequence: str


def deletion(item: ModelItem, stored: StoredModel) -> Deletion:
    consequence = f"{stored.repository}@{short_commit(stored.commit)}\n\n" + _tr(
        "It can be downloaded again. But it lies in the Hugging Face cache, which other programs on this computer use, "
        "too: they would have to download it again as well."
    )
    if item.is_in_use:
        consequence += "\n\n" + _tr("It is in use: the built-in model takes its place first.")
    return Deletion(_tr("Delete {0}, {1}?").format(item.title, size_text(stored.size_bytes)), consequence)
