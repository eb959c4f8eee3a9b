"""Which rows the list of models has: every model once, whole ones apart from what is not all there."""

from __future__ import annotations

from pathlib import Path

from mixer_gui.gui.model_items import Download, ModelItem, Place, model_items, ref_of, repository_of, title_of
from mixer_gui.hub.catalogue import RECOMMENDED
from mixer_gui.records import DownloadEnd, DownloadEnded, RepositoryRef, StoredModel

BUILT_IN = ModelItem(key="built-in", place=Place.BUILT_IN, title="Built-in model", path=Path("/built-in"))
COMMIT, OTHER_COMMIT = "a" * 40, "b" * 40


def partial(repository: str, commit: str = COMMIT, refs: tuple[str, ...] = ("main",)) -> StoredModel:
    return StoredModel(
        repository=repository,
        commit=commit,
        path=Path("/cache", f"models--{repository.replace('/', '--')}", "snapshots", commit),
        size_bytes=31,
        total_bytes=240,
        last_used=None,
        refs=refs,
        info=None,
    )


def rows(*stored: StoredModel, downloads: tuple[Download, ...] = ()) -> list[ModelItem]:
    """Those that are not complete, without the catalogue's that nobody has touched."""
    items = model_items(stored, downloads, {}, built_in=BUILT_IN, in_use=None, loading=None)
    assert items[0] == BUILT_IN
    assert len({item.key for item in items}) == len(items)
    return [item for item in items if item.place == Place.HUB and (item.stored or item.download)]


def test_partial_model_and_the_download_that_continues_it_are_one_row() -> None:
    for ref in (RepositoryRef("owner/name"), RepositoryRef("owner/name", COMMIT)):
        (row,) = rows(partial("owner/name"), downloads=(Download(ref),))
        assert row.stored is not None
        assert row.ref == ref
        assert row.is_arriving


def test_another_revision_has_a_row_of_its_own() -> None:
    download = Download(RepositoryRef("owner/name", "v2"))
    first, second = rows(partial("owner/name"), downloads=(download,))
    assert first.download is None
    assert second.download is download
    assert len(rows(partial("owner/name"), partial("owner/name", OTHER_COMMIT, ("v2",)), downloads=(download,))) == 2


def test_row_keeps_its_key_while_a_model_begins_to_arrive() -> None:
    ref = RepositoryRef(RECOMMENDED.repository)
    items = model_items((), (), {}, built_in=BUILT_IN, in_use=None, loading=None)
    before = next(item for item in items if item.entry is RECOMMENDED)
    (during,) = rows(downloads=(Download(ref),))
    (after,) = rows(partial(RECOMMENDED.repository), downloads=(Download(ref),))
    assert before.key == during.key == after.key


def test_download_that_is_over_and_listed_is_not_shown_any_more_unless_it_failed() -> None:
    ref = RepositoryRef("owner/name")
    for end, count in ((DownloadEnd.DONE, 0), (DownloadEnd.CANCELLED, 0), (DownloadEnd.FAILED, 1)):
        ended = DownloadEnded(ref=ref, end=end, sentence="")
        assert len(rows(downloads=(Download(ref, ended=ended, is_listed=True),))) == count
        assert len(rows(downloads=(Download(ref, ended=ended),))) == 1


def test_model_is_continued_at_its_commit_for_its_branch_may_have_moved() -> None:
    assert ref_of(partial("owner/name")) == RepositoryRef("owner/name", COMMIT)
    assert ref_of(partial("owner/name", refs=("v2",))) == RepositoryRef("owner/name", COMMIT)


def test_folder_in_the_cache_is_called_by_its_title_or_repository() -> None:
    assert title_of(partial(RECOMMENDED.repository).path) == RECOMMENDED.title
    assert title_of(partial("owner/name").path) == "owner/name"
    assert title_of(Path("/models/my-mixer")) == "my-mixer"
    assert repository_of(Path("/models/snapshots/x")) is None
