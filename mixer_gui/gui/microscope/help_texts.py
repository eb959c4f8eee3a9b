"""What each view shows, in plain words and with its formula: the texts of the help panel. No widget.

The texts are HTML of the small kind that Qt's text browser and any web browser show alike.
"""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QCoreApplication

MIXER = ("MLP-Mixer (Tolstikhin et al. 2021)", "https://arxiv.org/abs/2105.01601")
RESMLP = ("ResMLP (Touvron et al. 2021)", "https://arxiv.org/abs/2105.03404")
CAM = ("Class Activation Mapping (Zhou et al. 2016)", "https://arxiv.org/abs/1512.04150")
GRAD_CAM = ("Grad-CAM (Selvaraju et al. 2017)", "https://arxiv.org/abs/1610.02391")
RISE = ("RISE (Petsiuk et al. 2018)", "https://arxiv.org/abs/1806.07421")
INTEGRATED_GRADIENTS = ("Integrated Gradients (Sundararajan et al. 2017)", "https://arxiv.org/abs/1703.01365")
LOGIT_LENS = (
    "The logit lens (nostalgebraist 2020)",
    "https://www.lesswrong.com/posts/AcKRB8wDpdaN6v6ru/interpreting-gpt-the-logit-lens",
)


@dataclass(frozen=True, slots=True)
class HelpTopic:
    """One view's help. All but `key`, `title` and `links` is HTML; a link is its words and its address."""

    key: str
    title: str
    words: str
    formula: str
    exactness: str
    caution: str
    links: tuple[tuple[str, str], ...]


def help_topics() -> tuple[HelpTopic, ...]:
    """All topics in the order of the views, in the language in use."""
    return (
        _overview(),
        _live(),
        _mixing(),
        _class(),
        _what_if(),
        _units(),
        _convolution(),
        _faithfulness(),
        _compare(),
    )


def _overview() -> HelpTopic:
    return HelpTopic(
        "overview",
        _tr("Overview"),
        _tr(
            "<p>The network cuts the picture into square <b>patches</b>. Each layer mixes twice: <b>token mixing</b> "
            "lets patches exchange what they hold, <b>channel mixing</b> works on each patch by itself. The small maps "
            "show how much each layer's token mixing rewrote each patch; click one to lay it over the picture. "
            "Click a class to see which patches speak for it (red) and against it (blue). Point at a patch to see what "
            "it reads and where it writes.</p>"
        ),
        _tr(
            "<p>u = x + TokenMixing(LN(x))<br>y = u + ChannelMixing(LN(u))</p>"
            "<p>update of patch <i>p</i>: ‖TokenMixing(LN(x))[p]‖, absolute, or relative to ‖x[p]‖</p>"
        ),
        _tr("Exact, to the rounding of the pass. The lens beside each map is exact, too, but only a lens."),
        _tr(
            "A large update is not an important one: later layers may ignore it. The lens asks the last layer's head "
            "about earlier layers, for which it was never trained."
        ),
        (MIXER, LOGIT_LENS),
    )


def _live() -> HelpTopic:
    return HelpTopic(
        "live",
        _tr("Live"),
        _tr(
            "<p>A camera, a video or a part of the screen is classified while it moves. The next frame is taken as "
            "soon as the answer to the last one is on the screen; frames in between are shown, not classified. "
            "The ranking is an average over the last moments, so that it can be read; the maps always belong to one "
            "frame. Press <b>Space</b> to freeze: the frame becomes a picture, and every view of the microscope opens "
            "on it.</p>"
        ),
        _tr(
            "<p>a<sub>t</sub> = a<sub>t−1</sub> + (1 − e<sup>−Δt/τ</sup>) · (p<sub>t</sub> − a<sub>t−1</sub>)</p>"
            "<p><i>p</i><sub>t</sub>: a frame's probabilities; Δt: time since the frame before; τ: the chosen time of "
            "Live → Steady Predictions</p>"
        ),
        _tr("Each frame's maps are exact. The steadied ranking is an average; <i>off</i> shows each frame alone."),
        _tr("After a sudden change the average lags behind by about τ, and a map may be older than the picture."),
        (MIXER,),
    )


def _mixing() -> HelpTopic:
    return HelpTopic(
        "mixing",
        _tr("Mixing"),
        _tr(
            "<p>Point at a patch: which patches does this layer let it <b>read from</b>, and which does it <b>write "
            "to</b>? Red raises, blue lowers. All pairs together are the <b>mixing matrix</b>: row <i>p</i> reads, "
            "column <i>q</i> writes, the diagonal is what a patch does to itself. <b>Spread</b> is how many patches "
            "far information travels on average. <b>Rollout</b> multiplies the layers; <b>reach</b> fades one patch "
            "a little and follows that through the whole network.</p>"
        ),
        _tr(
            "<p>M = W<sub>2</sub> · diag(mean<sub>c</sub> GELU′(h[:, c])) · W<sub>1</sub>, "
            "h = W<sub>1</sub>·LN(x) + b<sub>1</sub></p>"
            "<p>spread = Σ |M[p, q]| · distance(p, q) / Σ |M[p, q]|</p>"
            "<p>rollout R = (I + M<sub>l</sub>) ··· (I + M<sub>1</sub>); reach = ‖∂(last tokens)/∂(patch) · fading‖</p>"
        ),
        _tr(
            "M is exact as the Jacobian of token mixing averaged over channels; reach is exact as a derivative. "
            "Rollout is <b>approximate</b>: it leaves out LayerNorm and channel mixing."
        ),
        _tr(
            "In the average over channels opposite signs cancel; reading energy does not cancel. A derivative speaks "
            "of small changes only."
        ),
        (MIXER, RESMLP),
    )


def _class() -> HelpTopic:
    return HelpTopic(
        "class",
        _tr("Class"),
        _tr(
            "<p>Why this class, and not another? <b>Evidence</b> says for each patch how much it speaks for the class; "
            "choose a second class to see only what tells the two apart. The chart splits the class's score among the "
            "layers, token mixing and channel mixing apart, and the parts add up to the logit. The ribbon shows "
            "the classes that the head would name, if the network stopped at each layer.</p>"
        ),
        _tr(
            "<p>e<sub>k</sub>[p] = w<sub>k</sub> · LN(x<sub>L</sub>)[p], &nbsp; "
            "logit<sub>k</sub> = mean<sub>p</sub> e<sub>k</sub>[p] + b<sub>k</sub></p>"
            "<p>shown: e<sub>k</sub> − Σ<sub>j</sub> p<sub>j</sub> e<sub>j</sub>, or e<sub>k</sub> − e<sub>j</sub></p>"
            "<p>a layer's update d gives c[p] = Σ<sub>c</sub> w<sub>k</sub>[c] γ[c] "
            "(d[p, c] − mean<sub>c</sub> d[p]) / σ[p]</p>"
        ),
        _tr(
            "Exact: evidence is Class Activation Mapping, which here is no estimate, since a mean and a linear head "
            "follow. The lens is exact, but a lens."
        ),
        _tr(
            "By the last layer a patch holds what it gathered from all others: evidence says where the information "
            "lies, not where in the picture it came from. A contribution is direct: what later layers made of an "
            "update counts as theirs."
        ),
        (CAM, GRAD_CAM, LOGIT_LENS),
    )


def _what_if() -> HelpTopic:
    return HelpTopic(
        "what_if",
        _tr("What if"),
        _tr(
            "<p>The surest way to ask why: change the picture and look. Erase patches to the mean colour, blur them, "
            "put another picture's in; swap, shuffle, turn or shift. Predictions and maps follow, and before stands "
            "beside after. <b>Permute all patches</b> is the paper's demonstration: the network has learned "
            "positions, so it is lost. Permute the weights of the layers along with the patches, and it "
            "answers exactly as before.</p>"
        ),
        _tr(
            "<p>f(x with patches S changed) − f(x)</p>"
            "<p>W<sub>1</sub>Π<sup>T</sup> and ΠW<sub>2</sub> in place of W<sub>1</sub> and W<sub>2</sub> (and "
            "Πb<sub>2</sub> of b<sub>2</sub>): logits(Πx) = logits(x) for every permutation Π</p>"
        ),
        _tr("Exact: each step is a whole forward pass on the changed picture."),
        _tr(
            "A picture with holes is unlike anything in training: some of the change is surprise at the hole, not "
            "loss of what it covers. Compare the fills."
        ),
        (MIXER, RISE),
    )


def _units() -> HelpTopic:
    return HelpTopic(
        "units",
        _tr("Units"),
        _tr(
            "<p>Token mixing has hidden <b>units</b>. Each looks at all patches through its own grid of "
            "weights, the same for every channel and every picture: some watch a corner, some compare left with right, "
            "some make stripes. As in the paper's Figure 5 they go from coarse to fine, and those of opposite sign "
            "stand side by side. Choose one to see how strongly each channel drives it here, and for one channel "
            "what it reads and what it writes.</p>"
        ),
        _tr(
            "<p>h[t, c] = Σ<sub>q</sub> W<sub>1</sub>[t, q] · LN(x)[q, c] + b<sub>1</sub>[t]</p>"
            "<p>reads: W<sub>1</sub>[t, q] · LN(x)[q, c]; &nbsp; "
            "writes: W<sub>2</sub>[p, t] · GELU(h[t, c])</p>"
        ),
        _tr("Exact. The order is by mean spatial frequency; which two are a pair is a choice of this program."),
        _tr(
            "A unit is no detector of a thing: it has one value for each channel and means something only together "
            "with what the channels hold."
        ),
        (MIXER, RESMLP),
    )


def _convolution() -> HelpTopic:
    return HelpTopic(
        "convolution",
        _tr("Is it a CNN?"),
        _tr(
            "<p>Each step of a Mixer can be written as a convolution, and here it is done with this model's numbers. "
            "Cutting and embedding patches is a convolution that strides from patch to patch. Channel mixing is a "
            "1×1 convolution. Token mixing is a convolution of each channel by itself whose kernel covers the whole "
            "picture, with the same kernels for all channels. Both forms give the same numbers.</p>"
        ),
        _tr(
            "<p>stem: kernel P×P, stride P<br>"
            "channel mixing: y[p] = W·x[p], a 1×1 kernel<br>"
            "token mixing: h[t, c] = Σ<sub>q</sub> W<sub>1</sub>[t, q] · x[q, c], a depth-wise kernel of "
            "rows×columns, shared by the channels</p>"
        ),
        _tr("Exact: the largest difference shown is rounding, since sums are taken in another order."),
        _tr(
            "That it can be written so does not make it a usual CNN: those have small kernels that slide, and so "
            "treat every place alike. A Mixer's do not slide, and know where each patch is."
        ),
        (MIXER,),
    )


def _faithfulness() -> HelpTopic:
    return HelpTopic(
        "faithfulness",
        _tr("Faithful?"),
        _tr(
            "<p>Does a map point at what matters? <b>Deletion</b> covers patches with the mean colour, those first "
            "that the map calls most important: the probability should fall fast, so a small area is good. "
            "<b>Insertion</b> puts them back into a blurred picture: it should rise fast, so a large area is good. "
            "A random map and a spot in the middle show what luck gives. <b>Integrated gradients</b> and "
            "<b>occlusion</b> are further maps to compare with.</p>"
        ),
        _tr(
            "<p>area = ∫<sub>0</sub><sup>1</sup> p<sub>k</sub>(share s of patches changed) ds</p>"
            "<p>integrated gradients: (x − x̄) · ∫<sub>0</sub><sup>1</sup> ∇f(x̄ + a(x − x̄)) da; &nbsp; "
            "occlusion: f(x) − f(x without patch)</p>"
        ),
        _tr(
            "The curves are exact for this protocol, the areas are trapezia. Occlusion is exact as an ablation; "
            "integrated gradients are <b>approximate</b>: a sum in place of the integral."
        ),
        _tr(
            "One picture proves little, and the curves see what covering does to this network, not what you would call "
            "important. Other fills give other areas."
        ),
        (RISE, INTEGRATED_GRADIENTS, GRAD_CAM),
    )


def _compare() -> HelpTopic:
    return HelpTopic(
        "compare",
        _tr("Compare"),
        _tr(
            "<p>Two pictures seen by one model, or one picture seen by two models, side by side. Maps share one colour "
            "scale, so that equal colours mean equal numbers, and predictions stand in one list. Where the two patch "
            "grids are the same, the third map is the difference. Layers are compared in order; where one model has "
            "more, those at about the same depth stand together.</p>"
        ),
        _tr(
            "<p>A and B: colours from 0, or from −s, to s, with one s for both</p>"
            "<p>difference[p] = A[p] − B[p], on a scale of its own</p>"
        ),
        _tr("Exact: each side is what the window shows of it alone; only the colour scale is shared."),
        _tr(
            "Numbers inside two models have no common unit: logits, updates and evidence of one may be larger all "
            "over without meaning more. Compare where they are large, and the probabilities. Classes go by name, and "
            "two models may draw their borders differently."
        ),
        (MIXER, CAM),
    )


def _tr(text: str) -> str:
    return QCoreApplication.translate("help", text)
