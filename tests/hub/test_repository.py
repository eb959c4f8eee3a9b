"""Names of repositories as users type and paste them, and names of files as strangers choose them."""

import pytest

from mixer_gui.hub.catalogue import CATALOGUE, RECOMMENDED, entry_of
from mixer_gui.hub.repository import is_safe_name, parse
from mixer_gui.records import MixerGuiError, RepositoryRef

TIMM = "timm/mixer_b16_224.goog_in21k"


@pytest.mark.parametrize(
    ("text", "repository", "revision"),
    [
        (TIMM, TIMM, None),
        (f"  {TIMM}\n", TIMM, None),
        (f"{TIMM}@main", TIMM, "main"),
        (f"{TIMM}@refs/pr/3", TIMM, "refs/pr/3"),
        (f"https://huggingface.co/{TIMM}", TIMM, None),
        (f"https://huggingface.co/{TIMM}/", TIMM, None),
        (f"huggingface.co/{TIMM}", TIMM, None),
        (f"https://hf.co/{TIMM}?library=timm#files", TIMM, None),
        (f"https://huggingface.co/models/{TIMM}", TIMM, None),
        (f"https://huggingface.co/{TIMM}/tree/v1.0", TIMM, "v1.0"),
        (f"https://huggingface.co/{TIMM}/blob/main/config.json", TIMM, "main"),
        (f"https://huggingface.co/{TIMM}/resolve/refs/pr/3/config.json", TIMM, "refs/pr/3"),
        (f"https://huggingface.co/{TIMM}/commit/{'a' * 40}", TIMM, "a" * 40),
        (f"hf://{TIMM}", TIMM, None),
        (f"<{TIMM}>", TIMM, None),
    ],
)
def test_what_users_paste_is_understood(text: str, repository: str, revision: str | None) -> None:
    assert parse(text) == RepositoryRef(repository, revision)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "Type a repository's name"),
        ("mixer", "names no repository"),
        ("/mixer", "names no repository"),
        ("owner/", "names no repository"),
        ("../../etc", "cannot be a repository's name"),
        ("a/..", "cannot be a repository's name"),
        ("a/b--c", "cannot be a repository's name"),
        ("a/b/c", "cannot be a repository's name"),
        ("a/b c", "cannot be a repository's name"),
        ("a/" + "b" * 200, "cannot be a repository's name"),
        ("a/b@../../x", "cannot be a branch"),
        ("a/b@", "cannot be a branch"),
        ("a/b@x^2", "cannot be a branch"),
        ("https://example.com/a/b", "not a page of the Hugging Face Hub"),
        ("https://huggingface.co/datasets/a/b", "a dataset"),
        ("https://huggingface.co/spaces/a/b", "a Space"),
        ("https://huggingface.co/timm", "names no repository"),
        ("http://[", "not a valid address"),
    ],
)
def test_what_cannot_be_a_repository_is_told(text: str, word: str) -> None:
    with pytest.raises(MixerGuiError, match=word):
        parse(text)


@pytest.mark.parametrize("name", ["config.json", "a/b.safetensors", ".gitattributes", "ü.md"])
def test_ordinary_names_are_safe(name: str) -> None:
    assert is_safe_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "..",
        "../x",
        "a/../../x",
        "/etc/passwd",
        "a//b",
        "C:\\x",
        "a\\..\\x",
        "a:b",
        "x\0",
        "x\n",
        "./x",
        "x.",
        "x /y",
    ],
)
def test_names_that_could_leave_their_folder_are_not(name: str) -> None:
    assert not is_safe_name(name)


def test_the_catalogue_holds_the_six_known_ones() -> None:
    assert len(CATALOGUE) == 6
    assert RECOMMENDED.repository == "timm/mixer_b16_224.miil_in21k_ft_in1k"
    assert RECOMMENDED.top1 == max(entry.top1 or 0 for entry in CATALOGUE)
    assert entry_of(TIMM) in CATALOGUE
    assert entry_of("a/b") is None
    for entry in CATALOGUE:
        assert parse(entry.repository).repository == entry.repository


def test_the_catalogues_parameters_are_those_of_the_variants() -> None:
    from torch import device

    from mixer_gui.model.mixer import MlpMixer
    from mixer_gui.model.variants import variant

    for entry in CATALOGUE:
        with device("meta"):
            model = MlpMixer(variant("L/16" if "_l16_" in entry.repository else "B/16", num_classes=entry.classes))
        assert sum(parameter.numel() for parameter in model.parameters()) == entry.parameters
