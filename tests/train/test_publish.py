"""The published folder as its readers see it: the project's own loading, the command line, timm, a Markdown parser."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from checkpoints import random_mixer, tiny_config
from markdown_it import MarkdownIt
from PIL import Image
from references import import_timm
from safetensors.torch import load_file

from mixer_gui.model.checkpoint import load_checkpoint
from mixer_gui.model.config import MixerConfig
from mixer_gui.model.mixer import MlpMixer
from mixer_gui.records import Gelu, MixerGuiError, ModelRef
from mixer_gui.resources import default_model
from mixer_gui.train.card import card, plain
from mixer_gui.train.measure import Epoch, Figures
from mixer_gui.train.publish import Provenance, class_labels, mlp_ratio, publish
from mixer_gui.train.recipe import Recipe

CLASSES = ("ant", "bee", "cat", "dog", "elk")
WNIDS = ("n01443537", "n02123045", "n02504458", "n07720875", "n03444034")
NASTY = (
    "a|b",
    "`tick` ``` fence",
    "<script>alert(1)</script>",
    "*star* _under_ [link](http://x.org) ![i](j)",
    "---\nlicense: mit\n---\n# head: & $x$ &amp; \u202eevil",
)
BEFORE = Figures(count=40, top1=0.5, top5=0.9, loss=1.25, calibration_error=0.12)
AFTER = replace(BEFORE, loss=1.125, calibration_error=0.0375)
MADE = Provenance(
    device="an abacus, 2 beads",
    seconds=4321.5,
    pictures=12_345,
    history=(Epoch(1, 10.0, 100.0, 2.5, BEFORE), Epoch(2, 10.0, 100.0, 2.25, BEFORE)),
    before=BEFORE,
    after=AFTER,
    data="Drawn by a test, at https://example.org/a_b; free for all.",
    command="mixer-gui train drawn --out there",
)

Published = Callable[..., Path]


@pytest.fixture
def published(tmp_path: Path) -> Published:
    """`published(classes, network=…, temperature=…, made=…)`: a random Mixer's folder, which may be there already."""

    def write(
        classes: tuple[str, ...] = CLASSES,
        *,
        network: MixerConfig | None = None,
        model: MlpMixer | None = None,
        temperature: float = 1.0,
        made: Provenance = MADE,
        **options: str,
    ) -> Path:
        network = network or tiny_config()
        folder = tmp_path / "published"
        publish(folder, model or random_mixer(network), Recipe(network=network), classes, temperature, made, **options)
        return folder

    return write


def rounded(model: MlpMixer) -> MlpMixer:
    return model.half().float()


def images(config: MixerConfig) -> torch.Tensor:
    return torch.randn(3, 3, *config.image_size, generator=torch.Generator().manual_seed(0))


def config_of(folder: Path) -> dict[str, object]:
    content: dict[str, object] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return content


@pytest.mark.parametrize(
    "network",
    [
        tiny_config(),
        tiny_config(gelu=Gelu.TANH, layer_norm_eps=1e-5),
        tiny_config(image_size=(16, 32)),
    ],
    ids=["plain", "tanh", "wide"],
)
def test_reopened_folder_gives_the_rounded_weights_logits(published: Published, network: MixerConfig) -> None:
    folder = published(network=network, temperature=1.5)
    found = load_checkpoint(ModelRef(folder))
    with torch.inference_mode():
        expected = rounded(random_mixer(network))(images(network))[0]
        assert torch.equal(found.model(images(network))[0], expected)
    info = found.info
    assert (info.temperature, info.gelu, info.layer_norm_eps) == (1.5, network.gelu, network.layer_norm_eps)
    assert info.preprocessing == Recipe(network=network).preprocessing
    assert not info.assumed
    assert info.names.labels == CLASSES
    assert info.names.wnids == ()


def test_weights_are_stored_in_half_precision_and_nothing_else_is_left(published: Published) -> None:
    folder = published()
    tensors = load_file(folder / "model.safetensors")
    assert {tensor.dtype for tensor in tensors.values()} == {torch.float16}
    assert {path.name for path in folder.iterdir()} == {"model.safetensors", "config.json", "README.md", "training.svg"}


@pytest.mark.skipif(sys.platform == "win32", reason="no such rights there")
def test_every_file_has_the_rights_that_new_files_get(published: Published, tmp_path: Path) -> None:
    (tmp_path / "new").touch()
    expected = (tmp_path / "new").stat().st_mode
    assert {path.stat().st_mode for path in published().iterdir()} == {expected}


def test_timm_reads_the_folder(published: Published) -> None:
    timm = import_timm()
    network = tiny_config(tokens_mlp_dim=7, channels_mlp_dim=31)  # 7/12 and 31/12 are no round ratios
    folder = published(network=network, temperature=2.0)
    config = config_of(folder)
    theirs = timm.models.mlp_mixer.MlpMixer(num_classes=config["num_classes"], **config["model_args"]).eval()
    theirs.load_state_dict(load_file(folder / "model.safetensors"))
    with torch.inference_mode():
        expected = theirs(images(network))
        found = load_checkpoint(ModelRef(folder)).model(images(network))[0]
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    said = timm.models.PretrainedCfg(**config["pretrained_cfg"])
    data = timm.data.resolve_data_config(pretrained_cfg=said.to_dict())
    assert (data["input_size"], data["crop_pct"], data["interpolation"]) == ([3, 32, 32], 1.0, "bicubic")


def test_timm_makes_every_width_of_its_ratio() -> None:
    for channels in (12, 49, 192, 255, 1280):
        for hidden in range(1, 4 * channels):
            assert int(json.loads(json.dumps(mlp_ratio(hidden, channels))) * channels) == hidden


def test_published_folder_classifies_with_its_temperature(published: Published, tmp_path: Path) -> None:
    folder = published(WNIDS, temperature=3.0)
    picture = tmp_path / "picture.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (50, 70, 3), dtype=np.uint8)).save(picture)
    command = [sys.executable, "-m", "mixer_gui", "classify", str(picture), "--jsonl", "--device", "cpu", "-k", "5"]
    run = subprocess.run([*command, "--model", str(folder)], capture_output=True, text=True, encoding="utf-8")
    assert run.returncode == 0, run.stderr
    predictions = json.loads(run.stdout)["predictions"]
    logits = torch.tensor([each["logit"] for each in predictions])
    told = torch.tensor([each["probability"] for each in predictions])
    torch.testing.assert_close(told, torch.softmax(logits / 3.0, 0), rtol=1e-4, atol=1e-6)
    assert {each["wnid"] for each in predictions} == set(WNIDS)
    assert "goldfish, Carassius auratus" in {each["label"] for each in predictions}


def test_wnids_get_the_embedded_models_words() -> None:
    embedded = config_of(default_model().path)
    names, words = embedded["label_names"], embedded["label_descriptions"]
    assert isinstance(names, list)
    assert isinstance(words, dict)
    assert dict(zip(names, class_labels(tuple(names)), strict=True)) == words


def test_names_stay_where_one_is_no_known_wnid() -> None:
    assert class_labels((*WNIDS, "n99999999")) == (*WNIDS, "n99999999")


def test_config_says_how_it_was_made(published: Published) -> None:
    config = config_of(published(temperature=0.8))
    training = config["training"]
    assert isinstance(training, dict)
    assert training["torch"] == torch.__version__
    assert training["program"].startswith("mixer-gui ")
    assert (training["device"], training["pictures"]) == ("an abacus, 2 beads", 12_345)
    assert training["held_out"]["without_temperature"]["calibration_error"] == 0.12
    assert training["held_out"]["with_temperature"]["calibration_error"] == 0.0375
    recipe = training["recipe"]
    assert recipe["matrix_rate"] == 0.02
    assert recipe["augmentation"]["mixing"] == 0.5
    assert (recipe["network"]["hidden_dim"], recipe["network"]["gelu"]) == (12, "exact")
    assert (config["temperature"], config["gelu"]) == (0.8, "exact")
    assert not {"temperature", "gelu", "training"} & set(config["pretrained_cfg"])  # type: ignore[call-overload]


def test_title_is_shape_and_tag(published: Published) -> None:
    assert load_checkpoint(ModelRef(published())).info.name == "mixer_p8_d12_l3_32.published"
    assert load_checkpoint(ModelRef(published(tag="my pets!"))).info.name == "mixer_p8_d12_l3_32.my_pets"


@pytest.mark.parametrize("value", [1e5, -1e5, float("inf"), float("nan")])
def test_weights_that_half_precision_does_not_hold_are_refused_and_the_old_ones_stay(
    published: Published, value: float
) -> None:
    folder = published()
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    broken = random_mixer(tiny_config(), seed=1)
    broken.head.weight[0, 0] = value
    with pytest.raises(MixerGuiError, match=r"head\.weight"):
        published(model=broken)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize("classes", [CLASSES[:4], ("ant", *CLASSES[:4])])
def test_names_that_do_not_fit_the_head_are_refused(published: Published, classes: tuple[str, ...]) -> None:
    with pytest.raises(MixerGuiError, match="names do not fit"):
        published(classes)


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan"), 1e4])
def test_a_temperature_that_the_application_refuses_is_not_written(published: Published, temperature: float) -> None:
    with pytest.raises(MixerGuiError, match="temperature"):
        published(temperature=temperature)


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    network = tiny_config()
    with pytest.raises(MixerGuiError, match="could not be written"):
        publish(tmp_path / "taken", random_mixer(network), Recipe(network=network), CLASSES, 1.0, MADE)


def test_folder_is_published_again_over_itself(published: Published) -> None:
    published()
    again = random_mixer(tiny_config(), seed=5)
    folder = published(model=again, made=replace(MADE, device="another one"))
    with torch.inference_mode():
        expected = rounded(random_mixer(tiny_config(), seed=5))(images(tiny_config()))[0]
        assert torch.equal(load_checkpoint(ModelRef(folder)).model(images(tiny_config()))[0], expected)
    assert "another one" in (folder / "README.md").read_text(encoding="utf-8")


def card_of(folder: Path) -> tuple[dict[str, object], str]:
    """The front matter as YAML reads it, and the rest."""
    text = (folder / "README.md").read_text(encoding="utf-8")
    _, front, body = text.split("---\n", 2)
    return yaml.safe_load(front), body


def test_card_tells_figures_recipe_and_terms(published: Published) -> None:
    front, body = card_of(published(temperature=0.8))
    assert (front["pipeline_tag"], front["license"]) == ("image-classification", "other")
    for words in (
        "12.00 %",
        "3.75 %",
        "50.00 %",
        "1.1250",
        "temperature 0.8",
        "a grid of 4×4",
        "mixer-gui train drawn --out there",
        "72 minutes on an abacus",
        "12,345 pictures",
        "<https://example.org/a_b>; free for all.",
        "| `matrix_rate` | 0.02 |",
        "| `augmentation.aspect` | 1.33333 |",
        "| `augmentation.flip` | yes |",
        "ant; bee; cat; dog; elk.",
        "(training.svg)",
    ):
        assert words in body


@pytest.mark.parametrize("muon", [True, False])
def test_card_names_the_optimisers_that_were_used(tmp_path: Path, muon: bool) -> None:
    network = tiny_config()
    publish(tmp_path, random_mixer(network), Recipe(network=network, muon=muon), CLASSES, 1.0, MADE)
    body = card_of(tmp_path)[1]
    assert ("Muon for the matrices" in body) == muon
    assert "AdamW" in body


def test_card_without_held_out_pictures_claims_no_figures(published: Published) -> None:
    _, body = card_of(published(made=replace(MADE, before=None, after=None, history=())))
    assert "no pictures were held out" in body
    assert "top-1" not in body
    assert "training.svg" not in body


def test_card_whose_data_were_not_told_says_that_terms_are_not_known(published: Published) -> None:
    made = Provenance(device="a", seconds=1, pictures=2, history=(), before=None, after=None)
    assert "not known here" in card_of(published(made=made))[1]


def test_card_tells_top5_only_where_it_can_be_wrong_and_counts_one_second(tmp_path: Path) -> None:
    wanted = replace(MADE, seconds=1.2)
    for count in (5, 6):
        text = card(Recipe(network=tiny_config(num_classes=count)), tuple("abcdef"[:count]), 1.0, wanted, 1000)
        assert ("| top-5 | 90.00 % |" in text) == (count == 6)
        assert "in 1 second on" in text


def test_no_name_and_no_words_break_the_card(published: Published) -> None:
    made = replace(MADE, data=" ".join(NASTY), device=NASTY[2] + "\n\n# big", command="mixer-gui train '```' \n# x")
    front, body = card_of(published(NASTY, made=made))
    assert front["license"] == "other"
    parser = MarkdownIt("commonmark").enable("table")
    kinds = [token.type for token in parser.parse(body)]
    good = [token.type for token in parser.parse(card_of(published())[1])]
    assert kinds == good
    html = parser.render(body)
    assert "<script" not in html
    assert "<em>" not in html
    assert "evil" in html
    assert "\u202e" not in html
    assert html.count("<img") == 1
    shown = re.sub(r"\s+", " ", html.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", '"'))
    assert "a|b; `tick` ``` fence; <script>alert(1)</script>; *star* _under_" in shown


@pytest.mark.parametrize("text", ["a|b", "*x* _y_ [z] <b> ~~s~~ \\ `c` &amp; #1", "plain words, 3.5 % (of 10)"])
def test_plain_text_reads_as_it_was_written(text: str) -> None:
    html = MarkdownIt("commonmark").enable("strikethrough").render(f"It is {plain(text)}")
    shown = html.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&").strip()
    assert shown == f"<p>It is {text}</p>"
