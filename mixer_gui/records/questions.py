"""Questions about a report that the engine remembers, and their answers.

Every question has `report_id`; every answer has `request`, arrays of float32 that nobody can write to, and
`elapsed_ms`. L layers, N patches, C channels, T token-mixing units, K classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mixer_gui.records.results import Prediction


@dataclass(frozen=True, slots=True)
class PatchRequest:
    """What patch `patch` of layer `layer` (both from 0) reads from and writes to."""

    report_id: int
    layer: int
    patch: int


@dataclass(frozen=True, slots=True)
class PatchReport:
    """One patch of one layer; all arrays float32 (N,), read-only.

    `reads` is row `patch` of the mixing matrix, `writes` its column; both signed, exact as the mean
    of the Jacobian over channels. `energy` is the root mean square over channels of the reading.
    """

    request: PatchRequest
    reads: NDArray[np.float32]
    writes: NDArray[np.float32]
    energy: NDArray[np.float32]
    elapsed_ms: float


@dataclass(frozen=True, slots=True)
class ClassRequest:
    """Evidence and contributions for class `index`."""

    report_id: int
    index: int


@dataclass(frozen=True, slots=True)
class ClassReport:
    """One class of one report; arrays float32 and read-only.

    `evidence`, `centred_evidence` (N,): as in Report. `token_mixing`, `channel_mixing` (L, N) and
    `stem` (N,): direct contributions per patch. The mean over patches of their sum, plus `constant`,
    is the logit.
    """

    request: ClassRequest
    prediction: Prediction
    evidence: NDArray[np.float32]
    centred_evidence: NDArray[np.float32]
    token_mixing: NDArray[np.float32]
    channel_mixing: NDArray[np.float32]
    stem: NDArray[np.float32]
    constant: float
    elapsed_ms: float


@dataclass(frozen=True, slots=True)
class DifferenceRequest:
    """Class `index`, or what speaks for it and not for class `against`, through the whole network."""

    report_id: int
    index: int
    against: int | None = None


@dataclass(frozen=True, slots=True)
class DifferenceReport:
    """One class, or the difference of two; exact.

    `evidence` (N,): of `index`, less that of `against` where there is one; its mean plus `head_bias` is `logit`, which
    is the difference of the two logits. `centred_evidence`: less the expected evidence; of a difference, the same as
    `evidence`. `token_mixing`, `channel_mixing` (L, N), `stem` (N,) and `constant`: direct contributions, as in
    ClassReport, which add up to `logit`. `lens` are the classes that are among the first five of any layer, in the
    order of their probability at the last one; `lens_probabilities` (L, K) are theirs at each layer.
    """

    request: DifferenceRequest
    prediction: Prediction
    rival: Prediction | None
    logit: float
    head_bias: float
    evidence: NDArray[np.float32]
    centred_evidence: NDArray[np.float32]
    token_mixing: NDArray[np.float32]
    channel_mixing: NDArray[np.float32]
    stem: NDArray[np.float32]
    constant: float
    lens: tuple[Prediction, ...]
    lens_probabilities: NDArray[np.float32]
    elapsed_ms: float


@dataclass(frozen=True, slots=True)
class MixingRequest:
    """Layer `layer`'s mixing matrix, and how all layers mix."""

    report_id: int
    layer: int


@dataclass(frozen=True, slots=True)
class MixingReport:
    """How layers mix tokens in this picture, read off the mixing matrices M of all layers; exact.

    `matrix` (N, N): M of the layer asked for; row p reads, column q writes. `spread` (L,): how far information
    travels on average, in patches: Σ|M[p, q]|·distance(p, q) / Σ|M|. `small_share` (L,): the share of entries of M
    below 5 % of its largest magnitude (the sparsity measure of the ResMLP paper); `weight_small_share` (L,): the same
    of W1 and W2, each against its own largest, entries of both counted; no picture changes it.
    """

    request: MixingRequest
    matrix: NDArray[np.float32]
    spread: NDArray[np.float32]
    small_share: NDArray[np.float32]
    weight_small_share: NDArray[np.float32]
    elapsed_ms: float


@dataclass(frozen=True, slots=True)
class RolloutRequest:
    """Through all layers up to `layer`, as the product of (I + M): approximate."""

    report_id: int
    layer: int
    patch: int


@dataclass(frozen=True, slots=True)
class RolloutReport:
    """Row and column `patch` of R = (I + M_layer)···(I + M_0), each (N,), signed.

    Approximate: it leaves out LayerNorm and channel mixing.
    """

    request: RolloutRequest
    reads: NDArray[np.float32]
    writes: NDArray[np.float32]
    elapsed_ms: float


@dataclass(frozen=True, slots=True)
class ReachRequest:
    """How far a small change of one patch of the picture is felt at the end of the network: exact."""

    report_id: int
    patch: int


@dataclass(frozen=True, slots=True)
class ReachReport:
    """`reach` (N,): the norm, at each patch of the final tokens, of the Jacobian times a fading of patch `patch`.

    The direction is that of the patch's own pixels from the mean colour, so that the number says how fast the final
    token changes as the patch begins to fade. Exact as that derivative, through every layer.
    """

    request: ReachRequest
    reach: NDArray[np.float32]
    elapsed_ms: float


@dataclass(frozen=True, slots=True)
class GradientRequest:
    """How the logit of class `index` answers to a small change, everywhere."""

    report_id: int
    index: int


@dataclass(frozen=True, slots=True)
class GradientReport:
    """Gradients of one logit; the gradient itself is exact, what is read into it is first-order.

    `saliency` (N,): the norm of the gradient over each patch's pixels. `input_gradient` (N,): the gradient times
    (pixels - mean colour), summed over each patch: first order of fading the patch. `token_mixing`, `channel_mixing`
    (L, N), `stem` (N,): update times gradient of the logit, by all ways through the rest of the network.
    `grad_cam` (N,): Grad-CAM (Selvaraju et al. 2017) on the last block's output, not below 0.
    """

    request: GradientRequest
    saliency: NDArray[np.float32]
    input_gradient: NDArray[np.float32]
    token_mixing: NDArray[np.float32]
    channel_mixing: NDArray[np.float32]
    stem: NDArray[np.float32]
    grad_cam: NDArray[np.float32]
    elapsed_ms: float


@dataclass(frozen=True, slots=True)
class UnitsRequest:
    """The learned units of layer `layer`: rows of token mixing's first weights. No picture changes them."""

    report_id: int
    layer: int


@dataclass(frozen=True, slots=True)
class UnitsReport:
    """Units in the order of the paper's Figure 5: by spatial frequency, opposite phases side by side.

    `weights` (T, N): W1, row t is unit t. `order` (T,): units as they are shown. `frequency` (T,): by unit, the mean
    radial frequency of its power spectrum, in cycles per patch. `partner` (T,): by unit, the one of most opposite
    phase that it is paired with; itself where there is none. `likeness` (T,): by unit, the cosine with its partner.
    """

    request: UnitsRequest
    weights: NDArray[np.float32]
    order: NDArray[np.int64]
    frequency: NDArray[np.float32]
    partner: NDArray[np.int64]
    likeness: NDArray[np.float32]
    elapsed_ms: float


@dataclass(frozen=True, slots=True)
class UnitRequest:
    """What unit `unit` of layer `layer` does in this picture, and for `channel`, by default its strongest."""

    report_id: int
    layer: int
    unit: int
    channel: int | None = None


@dataclass(frozen=True, slots=True)
class UnitReport:
    """One unit; exact.

    `hidden` (C,): h[t, :], before GELU. `channels` (at most 8,): those of largest |GELU(h)|, strongest first.
    `reads` (N,): W1[t, :] * LN(x)[:, channel], whose sum plus b1[t] is h[t, channel]; `writes` (N,):
    W2[:, t] · GELU(h[t, channel]).
    """

    request: UnitRequest
    hidden: NDArray[np.float32]
    channels: NDArray[np.int64]
    channel: int
    reads: NDArray[np.float32]
    writes: NDArray[np.float32]
    bias: float
    elapsed_ms: float


@dataclass(frozen=True, slots=True)
class ConvolutionRequest:
    """The same network by convolutions, on this picture, and the kernels of all layers."""

    report_id: int


class Operation(StrEnum):
    """What of the network is compared with its convolution form."""

    PATCH_EMBEDDING = "patch_embedding"
    TOKEN_MIXING = "token_mixing"
    CHANNEL_MIXING = "channel_mixing"
    NETWORK = "network"


@dataclass(frozen=True, slots=True)
class Equivalence:
    """One operation in both forms: the first few numbers of each, and how far the two are apart in all of them.

    The numbers are those of the middle patch and the first channels, one row for each layer; of the patch embedding
    there is one row, and of the network one with the logits of the first classes of the ranking. `largest` is the
    largest difference over all layers, patches and channels; `relative` is, of all layers, the largest of a layer's
    largest difference over its largest value.
    """

    operation: Operation
    mixer_numbers: tuple[tuple[float, ...], ...]
    convolution_numbers: tuple[tuple[float, ...], ...]
    largest: float
    relative: float


@dataclass(frozen=True, slots=True)
class ConvolutionReport:
    """The three equivalences and the whole network by convolutions; exact to rounding.

    `tokens_mlp_dim`, `channels_mlp_dim`: hidden widths of both mixings.
    `stem_kernels` (C', 3, P, P): the first kernels of the patch embedding, at most 64, strongest first.
    `token_kernels` (L, T', rows, columns): the first of each layer's depth-wise kernels, at most 64, strongest first.
    """

    request: ConvolutionRequest
    equivalences: tuple[Equivalence, ...]
    tokens_mlp_dim: int
    channels_mlp_dim: int
    stem_kernels: NDArray[np.float32]
    token_kernels: NDArray[np.float32]
    elapsed_ms: float


@dataclass(frozen=True, slots=True)
class PermutationRequest:
    """The paper's demonstration: all patches permuted by a fixed permutation, drawn from `seed`."""

    report_id: int
    seed: int = 0


@dataclass(frozen=True, slots=True)
class PermutationReport:
    """The first five classes of the picture as it is, with its patches permuted, and with the weights permuted, too.

    `pixels`: uint8 (H, W, 3), the permuted picture. `largest` is the largest difference between the logits of the
    first and the third, `shift` that between the first and the second.
    """

    request: PermutationRequest
    pixels: NDArray[np.uint8]
    original: tuple[Prediction, ...]
    permuted: tuple[Prediction, ...]
    restored: tuple[Prediction, ...]
    largest: float
    shift: float
    elapsed_ms: float


Question = (
    PatchRequest
    | ClassRequest
    | DifferenceRequest
    | MixingRequest
    | RolloutRequest
    | ReachRequest
    | GradientRequest
    | UnitsRequest
    | UnitRequest
    | ConvolutionRequest
    | PermutationRequest
)
Answer = (
    PatchReport
    | ClassReport
    | DifferenceReport
    | MixingReport
    | RolloutReport
    | ReachReport
    | GradientReport
    | UnitsReport
    | UnitReport
    | ConvolutionReport
    | PermutationReport
)


@dataclass(frozen=True, slots=True)
class QuestionFailed:
    """A question that has no answer; `sentence` says why, and what to do."""

    question: Question
    sentence: str
