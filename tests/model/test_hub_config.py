"""What `config.json` may say, and what is answered where it says nonsense."""

import json
from pathlib import Path

import pytest
from references import import_timm

from mixer_gui.model.hub_config import HubConfig, read_hub_config
from mixer_gui.records import ClassNames, CropMode, Gelu, Interpolation, MixerGuiError


def config_of(tmp_path: Path, content: object) -> HubConfig:
    (tmp_path / "config.json").write_text(json.dumps(content), encoding="utf-8")
    return read_hub_config(tmp_path)


MIIL = {
    "architecture": "mixer_b16_224",
    "num_classes": 1000,
    "pretrained_cfg": {
        "tag": "miil_in21k_ft_in1k",
        "input_size": [3, 224, 224],
        "test_input_size": [3, 288, 288],
        "mean": [0, 0, 0],
        "std": [1, 1, 1],
        "interpolation": "bilinear",
        "crop_pct": 0.875,
        "test_crop_pct": 1.0,
        "crop_mode": "squash",
    },
}


def test_preprocessing_is_read_as_timm_resolves_it(tmp_path: Path) -> None:
    config = config_of(tmp_path, MIIL)
    assert config.input_size == (224, 224)  # the test size is for those who ask for it
    assert (config.mean, config.std) == ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    assert (config.interpolation, config.crop_pct) == (Interpolation.BILINEAR, 0.875)
    assert config.crop_mode is CropMode.SQUASH
    resolved = import_timm().data.resolve_data_config(pretrained_cfg=MIIL["pretrained_cfg"])
    assert tuple(resolved["input_size"][1:]) == config.input_size
    assert tuple(resolved["mean"]) == config.mean
    assert (resolved["crop_pct"], resolved["crop_mode"]) == (config.crop_pct, config.crop_mode)


def test_an_old_config_without_pretrained_cfg_is_all_of_it(tmp_path: Path) -> None:
    config = config_of(tmp_path, {"architecture": "mixer_b16_224", **MIIL["pretrained_cfg"], "labels": ["a", "b"]})
    assert config.input_size == (224, 224)
    assert config.interpolation is Interpolation.BILINEAR
    assert config.class_names(2).labels == ("a", "b")


def test_a_silent_config_says_nothing(tmp_path: Path) -> None:
    config = config_of(tmp_path, {})
    said = (config.input_size, config.mean, config.std, config.interpolation, config.crop_pct, config.gelu)
    assert said == (None,) * 6
    assert config.temperature == 1.0
    assert config.class_names(3) == ClassNames()


def test_model_args_win_where_the_size_is_fixed(tmp_path: Path) -> None:
    fixed = {
        "model_args": {"img_size": [64, 96]},
        "pretrained_cfg": {"input_size": [3, 32, 32], "fixed_input_size": True},
    }
    assert config_of(tmp_path, fixed).input_size == (64, 96)
    free = fixed | {"pretrained_cfg": {"input_size": [3, 32, 32]}}
    assert config_of(tmp_path, free).input_size == (32, 32)


@pytest.mark.parametrize(
    ("word", "gelu"), [("none", Gelu.EXACT), ("exact", Gelu.EXACT), ("erf", Gelu.EXACT), ("tanh", Gelu.TANH)]
)
def test_the_gelu_is_read_by_its_names(tmp_path: Path, word: str, gelu: Gelu) -> None:
    assert config_of(tmp_path, {"gelu": word}).gelu is gelu


def test_timms_activation_decides_where_no_gelu_is_named(tmp_path: Path) -> None:
    assert config_of(tmp_path, {"model_args": {"act_layer": "gelu_tanh"}}).gelu is Gelu.TANH
    assert config_of(tmp_path, {"gelu": "exact", "model_args": {"act_layer": "gelu_tanh"}}).gelu is Gelu.EXACT
    with pytest.raises(MixerGuiError, match=r"act_layer.*'relu'"):
        config_of(tmp_path, {"model_args": {"act_layer": "relu"}})


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({"pretrained_cfg": [1]}, "pretrained_cfg"),
        ({"model_args": "x"}, "model_args"),
        ({"gelu": "swish"}, "gelu.*'swish'"),
        ({"gelu": ["tanh"]}, "gelu"),
        ({"temperature": 0}, "temperature.*is 0"),
        ({"temperature": "warm"}, "temperature.*'warm'"),
        ({"temperature": True}, "temperature.*True"),
        ({"temperature": float("nan")}, "temperature.*nan"),
        ({"layer_norm_eps": -1}, "layer_norm_eps"),
        ({"pretrained_cfg": {"mean": [0.5, 0.5]}}, "mean.*three"),
        ({"pretrained_cfg": {"mean": 0.5}}, "mean"),
        ({"pretrained_cfg": {"mean": [0.5, float("nan"), 0.5]}}, "mean"),
        ({"pretrained_cfg": {"std": [0.5, 0, 0.5]}}, "std.*positive"),
        ({"pretrained_cfg": {"std": ["a", "b", "c"]}}, "std"),
        ({"pretrained_cfg": {"crop_pct": 7}}, "crop_pct.*is 7"),
        ({"pretrained_cfg": {"crop_pct": 1e-9}}, "crop_pct"),
        ({"pretrained_cfg": {"crop_mode": "zoom"}}, "crop_mode.*center, squash, border"),
        ({"pretrained_cfg": {"interpolation": ["bicubic"]}}, "interpolation"),
        ({"pretrained_cfg": {"input_size": [3, 224]}}, "input_size"),
        ({"pretrained_cfg": {"input_size": [1, 224, 224]}}, "RGB"),
        ({"pretrained_cfg": {"input_size": [3, 224.0, 224]}}, "input_size"),
        ({"pretrained_cfg": {"input_size": [3, 0, 224]}}, "input_size"),
        ({"pretrained_cfg": {"input_size": [3, 10**9, 10**9]}}, "input_size"),
        ({"model_args": {"img_size": "big"}}, "input_size"),
        ([1, 2], "list, not an object"),
        ("text", "str, not an object"),
    ],
)
def test_a_value_that_cannot_be_used_is_named(tmp_path: Path, content: object, sentence: str) -> None:
    with pytest.raises(MixerGuiError, match=sentence):
        config_of(tmp_path, content)


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b'{"architecture": "\xff"}', "not text in UTF-8"),
        (b"[" * 200_000, "not valid JSON|not an object"),
        (b'{"temperature": ' + b"9" * 10_000 + b"}", "JSON|temperature"),
        (b" " * (2**24 + 1), "larger than"),
    ],
)
def test_bytes_that_are_no_config_get_a_sentence(tmp_path: Path, raw: bytes, sentence: str) -> None:
    (tmp_path / "config.json").write_bytes(raw)
    with pytest.raises(MixerGuiError, match=sentence) as raised:
        read_hub_config(tmp_path)
    assert len(str(raised.value)) < 400


def test_names_for_titles_are_short_and_printable(tmp_path: Path) -> None:
    for bad in ("a\nb", "", "x" * 1000, 7, None, "\x1b[31m"):
        assert config_of(tmp_path, {"architecture": bad}).architecture is None


@pytest.mark.parametrize(
    ("content", "wnids", "labels"),
    [
        # As this project writes them, and as timm's configurations have them.
        (
            {
                "label_names": ["n01443537", "n07753592"],
                "label_descriptions": {"n07753592": "banana", "n01443537": "goldfish, Carassius auratus"},
            },
            ("n01443537", "n07753592"),
            ("goldfish, Carassius auratus", "banana"),
        ),
        ({"label_names": ["n01443537", "n07753592"]}, ("n01443537", "n07753592"), ("n01443537", "n07753592")),
        ({"label_names": ["n01443537", "n07753592"], "label_descriptions": ["goldfish", "banana"]},
         ("n01443537", "n07753592"), ("goldfish", "banana")),
        ({"label_names": ["cat", "dog"]}, (), ("cat", "dog")),
        ({"label_names": ["cat", "n07753592"]}, (), ("cat", "n07753592")),
        ({"label_descriptions": ["cat", "dog"]}, (), ("cat", "dog")),
        ({"pretrained_cfg": {"label_names": ["cat", "dog"]}}, (), ("cat", "dog")),
        # What does not fit the head is left out: a wrong name is worse than none.
        ({"label_names": ["cat", "dog", "cow"]}, (), ()),
        ({"label_names": ["cat"]}, (), ()),
        ({"label_names": ["cat", 7]}, (), ()),
        ({"label_names": {"cat": 0, "dog": 1}}, (), ()),
        ({"label_names": "catdog"}, (), ()),
        ({"label_names": ["cat", "dog"], "label_descriptions": ["a cat"]}, (), ("cat", "dog")),
        ({"label_names": ["cat", "dog"], "label_descriptions": {"cat": 7}}, (), ("cat", "dog")),
    ],
)  # fmt: skip
def test_class_names_are_used_where_they_fit(
    tmp_path: Path, content: object, wnids: tuple[str, ...], labels: tuple[str, ...]
) -> None:
    assert config_of(tmp_path, content).class_names(2) == ClassNames(wnids, labels)
