"""One model on the CPU: what its reports say, against the model itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from inputs import decoded, request

from mixer_gui.engine.answers.classes import answer_class
from mixer_gui.engine.answers.mixing import answer_patch
from mixer_gui.engine.classifier import Classifier
from mixer_gui.explain.mixing import mixing_matrix
from mixer_gui.model.checkpoint import load_checkpoint
from mixer_gui.model.mixer import MixerBlock, Record
from mixer_gui.records import ClassRequest, DevicePreference, MixerGuiError, ModelRef, PatchRequest, Report

PATCHES, LAYERS, CLASSES = 16, 3, 5

WriteCheckpoint = Callable[..., Path]


def classifier_of(path: Path) -> Classifier:
    return Classifier(load_checkpoint(ModelRef(path)), DevicePreference.CPU)


@pytest.fixture
def classifier(tiny_checkpoint: WriteCheckpoint) -> Classifier:
    return classifier_of(tiny_checkpoint(pretrained_cfg={"mean": [0.4, 0.5, 0.6], "std": [0.2, 0.3, 0.25]}))


def arrays(report: Report) -> dict[str, np.ndarray]:
    return {name: getattr(report, name) for name in ("update", "relative_update", "evidence", "centred_evidence")}


def test_report_holds_read_only_float32_maps_of_the_stated_shapes(classifier: Classifier) -> None:
    report, _ = classifier.classify(request(Path("tiny")), decoded(), Record.MAPS)
    assert {name: array.shape for name, array in arrays(report).items()} == {
        "update": (LAYERS, PATCHES),
        "relative_update": (LAYERS, PATCHES),
        "evidence": (3, PATCHES),
        "centred_evidence": (3, PATCHES),
    }
    for array in arrays(report).values():
        assert array.dtype == np.float32
        assert array.std() > 0
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_report_says_what_the_model_said(classifier: Classifier) -> None:
    picture = decoded()
    assert picture.network_input is not None
    report, _ = classifier.classify(request(Path("tiny")), picture, Record.MAPS)
    mean, std = np.array([0.4, 0.5, 0.6]), np.array([0.2, 0.3, 0.25])
    normalised = (picture.network_input.pixels / 255.0 - mean) / std
    images = torch.tensor(normalised, dtype=torch.float32).permute(2, 0, 1)[None]
    logits, recording = classifier.model(images, Record.FULL)
    expected = torch.softmax(logits[0], -1).sort(descending=True)
    assert [each.index for each in report.predictions] == expected.indices[:3].tolist()
    for each, probability in zip(report.predictions, expected.values, strict=False):
        assert each.probability == pytest.approx(float(probability), rel=1e-4)
        assert each.logit == pytest.approx(float(logits[0, each.index]), rel=1e-4)
    updates = torch.stack([update[0].norm(dim=-1) for update in recording.token_updates])
    np.testing.assert_allclose(report.update, updates, rtol=1e-4)
    np.testing.assert_allclose(report.relative_update[0], updates[0] / recording.stem[0].norm(dim=-1), rtol=1e-4)


def test_forward_normalises_to_mean_and_std(classifier: Classifier) -> None:
    """Seen at the stem, whose answer for a picture of one colour can be had by hand."""
    pixels = np.full((1, 32, 32, 3), (10, 200, 77), dtype=np.uint8)
    _, recording = classifier.forward(pixels, Record.FULL)
    colour = (np.array([10, 200, 77]) / 255.0 - [0.4, 0.5, 0.6]) / [0.2, 0.3, 0.25]
    weight = classifier.model.stem.proj.weight.double().numpy().sum((2, 3))
    expected = weight @ colour + classifier.model.stem.proj.bias.double().numpy()
    np.testing.assert_allclose(recording.stem[0, 5], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_probability_is_softmax_of_logit_over_temperature(tiny_checkpoint: WriteCheckpoint, temperature: float) -> None:
    classifier = classifier_of(tiny_checkpoint(temperature=temperature))
    report, _ = classifier.classify(request(Path("tiny"), top_k=CLASSES), decoded(), Record.MAPS)
    logits = np.array([each.logit for each in report.predictions], dtype=np.float64)
    powers = np.exp((logits - logits.max()) / temperature)
    assert [each.probability for each in report.predictions] == pytest.approx(list(powers / powers.sum()), rel=1e-4)


def test_temperature_leaves_logits_raw(tiny_checkpoint: WriteCheckpoint) -> None:
    reports = [
        classifier_of(tiny_checkpoint(name=str(t), temperature=t)).classify(request(Path("tiny")), decoded(), 1)[0]
        for t in (1.0, 4.0)
    ]
    assert [each.logit for each in reports[0].predictions] == [each.logit for each in reports[1].predictions]
    assert reports[0].predictions[0].probability > reports[1].predictions[0].probability


@pytest.mark.parametrize(("top_k", "expected"), [(1, 1), (4, 4), (20, CLASSES)])
def test_top_k_is_sorted_and_never_more_than_the_classes(classifier: Classifier, top_k: int, expected: int) -> None:
    report, _ = classifier.classify(request(Path("tiny"), top_k=top_k), decoded(), Record.MAPS)
    probabilities = [each.probability for each in report.predictions]
    assert len(probabilities) == len(report.evidence) == expected
    assert probabilities == sorted(probabilities, reverse=True)
    assert len({each.index for each in report.predictions}) == expected


def test_classes_are_named_where_the_checkpoint_names_them(tiny_checkpoint: WriteCheckpoint) -> None:
    wnids = [f"n0000000{number}" for number in range(CLASSES)]
    named = classifier_of(
        tiny_checkpoint(label_names=wnids, label_descriptions={wnid: f"thing {wnid[-1]}" for wnid in wnids})
    )
    unnamed = classifier_of(tiny_checkpoint(name="unnamed"))
    for each in named.classify(request(Path("tiny")), decoded(), Record.MAPS)[0].predictions:
        assert (each.wnid, each.label) == (f"n0000000{each.index}", f"thing {each.index}")
    for each in unnamed.classify(request(Path("tiny")), decoded(), Record.MAPS)[0].predictions:
        assert (each.wnid, each.label) == (None, f"class {each.index}")


def test_evidence_in_the_report_averages_to_the_logits(classifier: Classifier) -> None:
    report, _ = classifier.classify(request(Path("tiny")), decoded(), Record.MAPS)
    for each, evidence in zip(report.predictions, report.evidence, strict=True):
        assert evidence.mean() + float(classifier.model.head.bias[each.index]) == pytest.approx(each.logit, abs=1e-4)
    spread = report.evidence - report.centred_evidence
    assert spread == pytest.approx(np.broadcast_to(spread[:1], spread.shape), abs=1e-4)  # one zero for all classes


def test_lens_of_the_last_layer_agrees_with_the_predictions(classifier: Classifier) -> None:
    report, _ = classifier.classify(request(Path("tiny")), decoded(), Record.MAPS)
    assert [len(layer) for layer in report.lens] == [CLASSES] * LAYERS
    for said, lens in zip(report.predictions, report.lens[-1], strict=False):
        assert said.index == lens.index
        assert said.logit == pytest.approx(lens.logit, rel=1e-4)


def test_report_carries_over_what_the_request_and_the_decoder_knew(classifier: Classifier) -> None:
    asked = request(Path("tiny"), 7, view="left")
    picture = decoded(remarks=("Shows the first of 3 frames.",))
    report, _ = classifier.classify(asked, picture, Record.MAPS)
    assert picture.network_input is not None
    assert (report.id, report.view, report.source, report.framing) == (7, "left", asked.source, asked.framing)
    assert (report.seen, report.picture_width, report.picture_height) == (picture.network_input.seen, 32, 32)
    assert report.notices == ("Shows the first of 3 frames.",)
    assert report.model == classifier.info
    assert report.device == classifier.device_info


def test_timings_are_those_of_the_decoder_and_positive(classifier: Classifier) -> None:
    report, _ = classifier.classify(request(Path("tiny")), decoded(), Record.MAPS)
    assert (report.timings_ms.decode, report.timings_ms.preprocess) == (4.0, 2.0)
    assert report.timings_ms.forward > 0
    assert report.timings_ms.explain > 0


def test_results_that_are_not_numbers_are_told_and_not_shown(classifier: Classifier) -> None:
    with torch.no_grad():
        classifier.model.head.bias[2] = float("nan")
    with pytest.raises(MixerGuiError, match=r"not numbers for 1\.png.*damaged"):
        classifier.classify(request(Path("tiny")), decoded(), Record.MAPS)


def test_picture_without_preprocessing_is_refused(classifier: Classifier) -> None:
    with pytest.raises(ValueError, match="without preprocessing"):
        classifier.classify(request(Path("tiny")), replace(decoded(), network_input=None), Record.MAPS)


def test_patch_answer_equals_the_mixing_matrix(classifier: Classifier) -> None:
    _, detail = classifier.classify(request(Path("tiny")), decoded(), Record.FULL)
    block = classifier.model.blocks[2]
    assert isinstance(block, MixerBlock)
    assert detail.recording.gelu_slope is not None
    matrix = mixing_matrix(block.mlp_tokens, detail.recording.gelu_slope[0, 2]).numpy()
    answer = answer_patch(PatchRequest(1, 2, 9), detail)
    np.testing.assert_allclose(answer.reads, matrix[9], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(answer.writes, matrix[:, 9], rtol=1e-4, atol=1e-5)
    assert (answer.energy >= abs(answer.reads) - 1e-5).all()
    assert answer.elapsed_ms > 0
    for array in (answer.reads, answer.writes, answer.energy):
        assert (array.dtype, array.flags.writeable) == (np.float32, False)


def test_class_answer_adds_up_to_the_logit(classifier: Classifier) -> None:
    report, detail = classifier.classify(request(Path("tiny"), top_k=CLASSES), decoded(), Record.FULL)
    for row, said in enumerate(report.predictions):
        answer = answer_class(ClassRequest(1, said.index), detail)
        assert answer.prediction == said
        total = answer.stem.mean() + answer.token_mixing.mean(-1).sum() + answer.channel_mixing.mean(-1).sum()
        assert total + answer.constant == pytest.approx(said.logit, abs=1e-4)
        np.testing.assert_allclose(answer.evidence, report.evidence[row], atol=1e-5)
        np.testing.assert_allclose(answer.centred_evidence, report.centred_evidence[row], atol=1e-4)
        assert answer.token_mixing.shape == answer.channel_mixing.shape == (LAYERS, PATCHES)


def test_questions_without_a_full_recording_are_refused(classifier: Classifier) -> None:
    _, detail = classifier.classify(request(Path("tiny")), decoded(), Record.MAPS)
    with pytest.raises(ValueError, match="FULL"):
        answer_patch(PatchRequest(1, 0, 0), detail)
    with pytest.raises(ValueError, match="FULL"):
        answer_class(ClassRequest(1, 0), detail)


def test_size_of_a_detail_counts_every_tensor_it_holds(classifier: Classifier) -> None:
    _, maps = classifier.classify(request(Path("tiny")), decoded(), Record.MAPS)
    _, full = classifier.classify(request(Path("tiny")), decoded(), Record.FULL)
    hidden = 10
    more = LAYERS * (hidden + 2 * PATCHES) * 12 + 2 * PATCHES * 12  # hidden, two updates a layer; stem and output
    more += LAYERS * hidden  # slopes
    assert full.size_bytes - maps.size_bytes == 4 * more


def test_falling_back_says_why_and_changes_nothing_else(classifier: Classifier) -> None:
    before, _ = classifier.classify(request(Path("tiny")), decoded(), Record.MAPS)
    classifier.fall_back()
    after, _ = classifier.classify(request(Path("tiny")), decoded(), Record.MAPS)
    assert after.predictions == before.predictions
    assert "too little memory" in after.device.reason
