"""Names of ImageNet's classes: the committed tables, what is hidden of them, and which heads get them."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from checkpoints import random_mixer, spelled, tiny_config, write_hub_folder, write_tensors

from mixer_gui.classes import TABLES, hide_persons, known_names
from mixer_gui.model.description import describe
from mixer_gui.records import HIDDEN_NAME, CheckpointInfo, ClassNames, ModelRef, Prediction, revealed
from mixer_gui.resources import asset_path

SCRIPT = Path(__file__).parents[1] / ".ci" / "class_names.py"


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    """The script that makes the tables."""
    spec = importlib.util.spec_from_file_location("class_names", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def committed(file: str) -> str:
    return asset_path(f"class-names/{file}").read_bytes().decode("utf-8")


def names_of(count: int) -> ClassNames:
    names = known_names(count)
    assert names is not None
    return names


def test_tables_are_what_the_script_makes_of_timms(maker: ModuleType) -> None:
    timm = maker.timm_tables()
    if timm is None:
        pytest.skip("timm is not installed, whose tables these are made from")
    for file, content in maker.name_tables(timm).items():
        assert committed(file) == content, file


def test_hidden_classes_are_what_the_script_finds_in_wordnet(maker: ModuleType) -> None:
    wordnet = Path(os.environ.get("WNSEARCHDIR", maker.WORDNET))  # WordNet's own variable
    if not (wordnet / "data.noun").is_file():
        pytest.skip("WordNet is not installed (Debian's wordnet-base), whose hierarchy says what a person is")
    wnids = [line.partition("\t")[0] for line in committed("synsets.tsv").splitlines()]
    assert committed("persons.txt") == maker.person_table(wordnet, wnids)


def test_hierarchy_is_read_down_through_kinds_and_instances(maker: ModuleType, tmp_path: Path) -> None:
    lines = (
        "  1 This software and database is being provided to you\n"
        "00007846 03 n 02 person 0 individual 0 003 @ 00004475 n 0000 ~ 00000010 n 0000 + 00000011 v 0101 | a human\n"
        "00000010 18 n 01 artist 0 002 @ 00007846 n 0000 ~i 00000020 n 0000 | one who ~ 00000030 n\n"
        "00000020 18 n 01 Goya 0 001 @i 00000010 n 0000 | a painter\n"
        "00000030 05 n 01 dog 0 000 | a pet\n"
    )
    (tmp_path / "data.noun").write_text(lines, encoding="ascii")
    wnids = ["n00000010", "n00000020", "n00000030", "n00007846"]
    assert maker.person_table(tmp_path, wnids) == "n00000010\nn00000020\n"


@pytest.mark.parametrize(("count", "hidden"), [(1000, 0), (11221, 875), (21843, 2836)])
def test_a_table_names_every_class_once(count: int, hidden: int) -> None:
    names = names_of(count)
    assert len(names.wnids) == len(names.labels) == len(set(names.wnids)) == count
    assert all(names.labels)
    assert len(names.hidden) == hidden
    assert names.title == TABLES[count][1]
    assert known_names(count) is names  # read once


@pytest.mark.parametrize(
    ("count", "index", "wnid", "label"),
    [
        (1000, 0, "n01440764", "tench, Tinca tinca"),
        (1000, 281, "n02123045", "tabby, tabby cat"),
        (1000, 967, "n07920052", "espresso"),
        (1000, 999, "n15075141", "toilet tissue, toilet paper, bathroom tissue"),
        (11221, 0, "n00005787", "benthos"),
        (11221, 2, "n00007846", "person, individual, someone, somebody, mortal, soul"),
        (21843, 0, "n00004475", "organism, being"),
        (21843, 21842, "n15102894", "knothole"),
    ],
)
def test_well_known_classes_are_where_they_belong(count: int, index: int, wnid: str, label: str) -> None:
    names = names_of(count)
    assert (names.wnid(index), names.label(index)) == (wnid, label)


@pytest.mark.parametrize("wnid", ["n09835506", "n10148035", "n10565667"])
def test_persons_are_hidden_in_the_large_sets_and_named_in_imagenet_1k(wnid: str) -> None:
    small, large = names_of(1000), names_of(21843)
    assert small.label(small.wnids.index(wnid)) != HIDDEN_NAME
    index = large.wnids.index(wnid)
    assert large.label(index) == HIDDEN_NAME
    assert large.label(index, reveal=True) == small.label(small.wnids.index(wnid))
    assert large.wnid(index) == wnid
    ranking = (Prediction(index, wnid, large.label(index), 0.9, 1.0), Prediction(0, None, large.label(0), 0.1, 0.0))
    assert [each.label for each in revealed(ranking, large)] == [large.labels[index], large.labels[0]]


def test_a_number_of_classes_that_is_nobodys_gets_no_names() -> None:
    assert all(known_names(count) is None for count in (0, 200, 999, 1001, 11821, 21841, 21842))


def described(tmp_path: Path, dialect: str, classes: int, **changes: object) -> CheckpointInfo:
    model = random_mixer(tiny_config(num_classes=classes))
    return describe(ModelRef(write_hub_folder(model, tmp_path / f"{dialect}-{classes}", dialect, **changes)))


@pytest.mark.parametrize(
    ("dialect", "classes", "title"),
    [
        ("timm", 1000, "ImageNet-1k"),
        ("google", 1000, "ImageNet-1k"),
        ("tutorial", 1000, ""),
        ("tutorial", 11221, "ImageNet-21k (MIIL)"),
        ("timm", 11221, "ImageNet-21k (MIIL)"),
        ("google", 21843, "ImageNet-21k (Google)"),
        ("timm", 283, ""),
    ],
)
def test_a_silent_checkpoint_is_named_by_its_number_of_classes(
    tmp_path: Path, dialect: str, classes: int, title: str
) -> None:
    names = described(tmp_path, dialect, classes).names
    assert names.title == title
    assert (names.label(281) == "class 281") == (title == "")


def test_a_bare_file_of_timms_is_named_too(tmp_path: Path) -> None:
    tensors = spelled(random_mixer(tiny_config(num_classes=1000)), "timm")
    assert describe(ModelRef(write_tensors(tensors, tmp_path / "bare.safetensors"))).names == known_names(1000)


def test_names_of_the_checkpoints_own_win(tmp_path: Path) -> None:
    own = [f"thing {index}" for index in range(1000)]
    names = described(tmp_path, "timm", 1000, label_names=own).names
    assert (names.title, names.labels, names.hidden) == ("", tuple(own), frozenset())


def test_names_of_the_checkpoints_own_are_hidden_by_their_wnids(tmp_path: Path) -> None:
    known = names_of(11221)
    words = dict(zip(known.wnids, known.labels, strict=True))
    info = described(tmp_path, "timm", 11221, label_names=list(known.wnids), label_descriptions=words)
    assert info.names == ClassNames(known.wnids, known.labels, "", known.hidden)
    few = ClassNames(("n09835506",), ("ballplayer",))
    assert hide_persons(few) == few


def test_the_embedded_model_keeps_its_own_names(tiny_checkpoint: Callable[..., Path]) -> None:
    assert describe(ModelRef(tiny_checkpoint())).names == ClassNames()
    assert describe(ModelRef(asset_path("default-model"))).names.title == ""
