"""SSIU: Structural Similarity-Inspired Unfolding for lightweight image super-resolution.

Ni et al., IEEE Transactions on Image Processing 34, 2025. This file is the whole network. It needs torch, einops and
BasicSR's registry, and can be copied alone into the ``archs`` folder of BasicSR or of a fork.

The network unfolds the half-quadratic splitting of ``min ||y - H Phi alpha||^2 + lambda ||alpha||_1 +
gamma ||alpha - beta||_1`` (Eqs. (3)-(5)):

    =========  =================================================================================
    y, x       LR image; HR image
    alpha      sparse code of x in the dictionary Phi (x = Phi alpha), here a feature map
    beta       estimate of alpha from structurally similar regions
    z          auxiliary copy of alpha, made sparse
    u, v       input and result of the inverse-solving step
    f_y, f_x   features of y (shallow) and of x (deep)
    =========  =================================================================================

Shape letters: ``B`` batch, ``C`` features, ``H W`` height and width of the padded LR image, ``s`` upscaling factor; in
the attention ``P`` query pixels of a window, ``Q`` its neighbours, ``h`` heads, ``d`` channels a head.
"""

from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

try:  # a copy in a fork's archs/ folder finds that fork's registry
    from ..utils.registry import ARCH_REGISTRY
except ImportError:
    from basicsr.utils.registry import ARCH_REGISTRY  # type: ignore[no-redef]


class LayerNorm(nn.Module):
    """Layer normalisation of every pixel over its channels: biased variance, eps 1e-6, scale and shift.

    Shape: ``(B, C, H, W)`` in and out.
    """

    def __init__(self, num_feat: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(num_feat))
        self.bias = nn.Parameter(torch.zeros(num_feat))

    def forward(self, x: Tensor) -> Tensor:
        pixels = x.permute(0, 2, 3, 1)  # (B, H, W, C)
        return F.layer_norm(pixels, self.weight.shape, self.weight, self.bias, eps=1e-6).permute(0, 3, 1, 2)


def conv1x1(in_ch: int, out_ch: int, bias: bool = True) -> nn.Conv2d:
    """A 1x1 convolution."""
    return nn.Conv2d(in_ch, out_ch, 1, bias=bias)


def conv3x3(in_ch: int, out_ch: int, groups: int = 1) -> nn.Conv2d:
    """A 3x3 convolution with reflect padding; ``groups=in_ch`` makes it depth-wise."""
    return nn.Conv2d(in_ch, out_ch, 3, padding=1, padding_mode="reflect", groups=groups)


class MSGM(nn.Module):
    """Mixed-Scale Gating Module: a learned soft threshold.

    Ni et al., Sec. III-D::

        MSGM(x) = W_o( GELU(W_1 x) * W_4( DW( W_3 x ) ) )

    ``W_i`` are 1x1 convolutions, ``DW`` is a depth-wise 3x3 one. Shape: ``(B, C, H, W)`` in and out.
    """

    def __init__(self, num_feat: int) -> None:
        super().__init__()
        self.w1 = conv1x1(num_feat, num_feat)
        self.w3 = conv1x1(num_feat, num_feat)
        self.dw = conv3x3(num_feat, num_feat, groups=num_feat)
        self.w4 = conv1x1(num_feat, num_feat)
        self.wo = conv1x1(num_feat, num_feat)

    def forward(self, x: Tensor) -> Tensor:
        return self.wo(F.gelu(self.w1(x)) * self.w4(self.dw(self.w3(x))))


class SAM(nn.Module):
    """Sparse Attention Module: each 8x8 window attends to the 10x10 block around it.

    Ni et al., Sec. III-E; the "SAM" row of Table III. Queries, keys and values come from one 1x1 convolution without
    bias. Blocks that reach over the border are filled with zero keys and values *after* the projection, and these take
    part in the softmax with their position. A learned position is added to the keys: ``rel_h`` by row to the first half
    of every head's channels, ``rel_w`` by column to the second half, the same for all heads.

    Shape: ``(B, C, H, W)`` in and out; ``H`` and ``W`` are multiples of 8 (``SSIU`` pads its input to that end).
    """

    window, halo = 8, 1

    def __init__(self, num_feat: int, num_head: int) -> None:
        super().__init__()
        self.num_head = num_head
        self.block = self.window + 2 * self.halo
        half_head = num_feat // num_head // 2
        self.qkv = conv1x1(num_feat, 3 * num_feat, bias=False)
        self.rel_h = nn.Parameter(torch.empty(1, self.block, 1, half_head))
        self.rel_w = nn.Parameter(torch.empty(1, 1, self.block, half_head))
        if not self.rel_h.is_meta:  # on the meta device normal_ imports sympy: half a second of every load()
            nn.init.normal_(self.rel_h)
            nn.init.normal_(self.rel_w)

    def forward(self, u: Tensor) -> Tensor:
        q, k, v = self.qkv(u).chunk(3, dim=1)
        rows, columns = u.shape[2] // self.window, u.shape[3] // self.window

        # to (BN, h, P, d) and (BN, h, Q, d): N windows, y by x; r and c count rows and columns within one
        q = rearrange(q, "b (h d) (y r) (x c) -> (b y x) h (r c) d", h=self.num_head, y=rows, x=columns)
        k, v = self._blocks(k), self._blocks(v)
        out = F.scaled_dot_product_attention(q, k + self._position(), v)  # softmax(q k^T / sqrt(d)) v
        return rearrange(out, "(b y x) h (r c) d -> b (h d) (y r) (x c)", y=rows, x=columns, r=self.window)

    def _blocks(self, x: Tensor) -> Tensor:
        """The overlapping blocks of ``x``, zero outside the image: ``(B, C, H, W)`` to ``(BN, h, Q, d)``."""
        x = F.pad(x, [self.halo] * 4)
        x = x.unfold(2, self.block, self.window).unfold(3, self.block, self.window)  # (B, C, y, x, block, block)
        return rearrange(x, "b (h d) y x r c -> (b y x) h (r c) d", h=self.num_head)

    def _position(self) -> Tensor:
        """The learned position of every neighbour: ``(Q, d)``."""
        across = (1, self.block, self.block, -1)
        return torch.cat([self.rel_h.expand(across), self.rel_w.expand(across)], dim=-1).flatten(0, 2)


class ESAM(SAM):
    """Efficient Sparse Attention Module: SAM over the maxima of 2x2 pixels.

    Ni et al., Eq. (12)::

        ESAM(u) = up2( DW( SAM( maxpool2(u) ) ) )

    ``up2`` is bilinear with ``align_corners=True``, so it depends on the size of the whole map: an image cut into tiles
    is sampled elsewhere. Shape: ``(B, C, H, W)`` in and out; ``H`` and ``W`` are multiples of 16.
    """

    def __init__(self, num_feat: int, num_head: int) -> None:
        super().__init__(num_feat, num_head)
        self.dw = conv3x3(num_feat, num_feat, groups=num_feat)

    def forward(self, u: Tensor) -> Tensor:
        active = F.max_pool2d(u, 2)  # (B, C, H/2, W/2)
        spread = self.dw(super().forward(active))
        return F.interpolate(spread, size=u.shape[2:], mode="bilinear", align_corners=True)


class SSReM(nn.Module):
    """Structural Similarity-Inspired Recurrent Module: one stage of the unfolded solver.

    Ni et al., Eqs. (10)-(14)::

        a      = LN(alpha)
        z      = MSGM1(a)                 S1: sparsity
        beta   = MSGM2(a)                 S2: structural similarity
        u      = a + z + f_y
        v      = u + ESAM(u)              S3.a: inverse solving
        alpha~ = MSGM3(v - beta) + beta   S3.b: centralisation
        alpha' = MSGM4(alpha~) + alpha~   feed-forward refinement

    Where the print differs, the derivation and the published weights decide: Eq. (12) starts from ``a``, not ``alpha``,
    and Eq. (13) has ``v - beta``, not ``v + beta``. Shape: ``alpha``, ``f_y`` and the result are ``(B, C, H, W)``.
    """

    def __init__(self, num_feat: int, num_head: int, sparse_attention: bool) -> None:
        super().__init__()
        self.norm = LayerNorm(num_feat)
        self.sparsity = MSGM(num_feat)
        self.similarity = MSGM(num_feat)
        self.attention = (ESAM if sparse_attention else SAM)(num_feat, num_head)
        self.centralise = MSGM(num_feat)
        self.ffn = MSGM(num_feat)

    def forward(self, alpha: Tensor, f_y: Tensor) -> Tensor:
        a = self.norm(alpha)
        z = self.sparsity(a)
        beta = self.similarity(a)

        u = a + z + f_y
        v = u + self.attention(u)
        refined = self.centralise(v - beta) + beta
        return self.ffn(refined) + refined


class MoEFS(nn.Module):
    """Mixture-of-Experts-based Feature Selector over the outputs of three stages, the experts.

    Ni et al., Sec. III-F, for every channel and pixel::

        w   = softmax_i( W_i alpha_i )
        s   = sum_i w_i alpha_i
        f_x = s + W_f s

    Shape: three experts ``(B, C, H, W)`` in, ``(B, C, H, W)`` out.
    """

    num_expert = 3

    def __init__(self, num_feat: int) -> None:
        super().__init__()
        self.gates = nn.ModuleList(conv1x1(num_feat, num_feat) for _ in range(self.num_expert))
        self.fuse = conv1x1(num_feat, num_feat)

    def forward(self, experts: list[Tensor]) -> Tensor:
        gates = torch.stack([gate(alpha) for gate, alpha in zip(self.gates, experts, strict=True)])
        s = (gates.softmax(dim=0) * torch.stack(experts)).sum(dim=0)
        return s + self.fuse(s)


def reconstruction(upscale: int, num_feat: int, out_ch: int) -> nn.Sequential:
    """The tail of the network, ``(B, C, H, W)`` to ``(B, out_ch, s*H, s*W)``: pixel shuffles (x4: two of x2), a 3x3."""
    layers: list[nn.Module] = []
    for factor in {2: [2], 3: [3], 4: [2, 2]}[upscale]:
        layers += [conv1x1(num_feat, factor**2 * num_feat), nn.PixelShuffle(factor), nn.GELU()]
    return nn.Sequential(*layers, conv3x3(num_feat, out_ch))


def reflect_to_multiple(image: Tensor, multiple: int) -> Tensor:
    """Pad ``image``, ``(B, C, h, w)``, on the right and at the bottom by reflection, to multiples of ``multiple``.

    ``F.pad`` reflects only once, so it refuses padding as large as the image. This reflects as often as needed, so any
    size from 1x1 works.
    """
    for dim in (2, 3):
        size = image.shape[dim]
        there_and_back = 2 * size - 2 + 1 // size  # 1 for a single pixel
        index = torch.arange(-(-size // multiple) * multiple, device=image.device) % there_and_back
        image = image.index_select(dim, torch.minimum(index, there_and_back - index))
    return image


class SSIU(nn.Module):
    """Structural Similarity-Inspired Unfolding network (Ni et al., IEEE TIP 34, 2025).

    ::

        f_y     = conv3x3(y)
        alpha^0 = f_y
        alpha^t = SSReM_t(alpha^(t-1), f_y)                       t = 1 ... N
        f_x     = MoE-FS(alpha^(N/3), alpha^(2N/3), alpha^N)
        x       = reconstruction(f_x + f_y) + bilinear(y)

    Args:
        upscale: scaling factor s: 2, 3 or 4, those of the paper; 4 if neither it nor ``scale`` is given.
        num_in_ch: channels of the LR image and of the result.
        num_feat: features C; divisible by ``num_head`` into an even number of channels a head.
        num_block: stages N; divisible by 3 with the feature selector, whose experts are every third of the stages.
        num_head: heads of the attention.
        sparse_attention: ESAM (True) or, on the full-size map, SAM (False; Table III).
        feature_selector: False leaves MoE-FS out, f_x = alpha^N (Table III).
        scale: the same as ``upscale``; some forks pass it to every network. If both are given, they must agree.

    Shape: ``(B, num_in_ch, h, w)`` to ``(B, num_in_ch, s*h, s*w)``, any ``h, w >= 1``; RGB, range [0, 1], the result
    not clamped. Inside, the image is reflect-padded to multiples of 16.

    Raises:
        ValueError: an argument breaks one of the rules above.

    ``load_state_dict`` also accepts the parameter names of the weights that the authors released.
    """

    def __init__(
        self,
        upscale: int | None = None,
        num_in_ch: int = 3,
        num_feat: int = 64,
        num_block: int = 9,
        num_head: int = 4,
        sparse_attention: bool = True,
        feature_selector: bool = True,
        *,
        scale: int | None = None,
    ) -> None:
        super().__init__()
        if None not in (upscale, scale) and upscale != scale:
            raise ValueError(f"upscale ({upscale}) and scale ({scale}) mean the same: give one of them")
        upscale = next((s for s in (upscale, scale) if s is not None), 4)
        counts = {"num_in_ch": num_in_ch, "num_feat": num_feat, "num_block": num_block, "num_head": num_head}
        for name, value in counts.items():
            if type(value) is not int or not 1 <= value <= 4096:
                raise ValueError(f"{name} ({value!r}) must be a whole number, 1 to 4096")
        for name, value in {"sparse_attention": sparse_attention, "feature_selector": feature_selector}.items():
            if type(value) is not bool:
                raise ValueError(f"{name} ({value!r}) must be true or false")
        if type(upscale) is not int or upscale not in (2, 3, 4):
            raise ValueError(f"upscale ({upscale!r}) must be 2, 3 or 4")
        if num_feat % (2 * num_head):
            raise ValueError(f"num_feat ({num_feat}) must be divisible by twice num_head ({num_head})")
        if feature_selector and num_block % MoEFS.num_expert:
            raise ValueError(f"num_block ({num_block}) must be divisible by 3, or feature_selector must be false")

        self.upscale = upscale
        self.head = conv3x3(num_in_ch, num_feat)
        self.stages = nn.ModuleList(SSReM(num_feat, num_head, sparse_attention) for _ in range(num_block))
        self.selector = MoEFS(num_feat) if feature_selector else None
        self.tail = reconstruction(upscale, num_feat, num_in_ch)

    def forward(self, y: Tensor) -> Tensor:
        padded = reflect_to_multiple(y, 2 * SAM.window)

        f_y = self.head(padded)
        f_x = self.unfold(f_y)
        base = F.interpolate(padded, scale_factor=self.upscale, mode="bilinear", align_corners=False)
        x = self.tail(f_x + f_y) + base

        # Crop by negative padding. A slice would keep the strides of the padded result, and torch.export would make
        # constant whether it crops at all.
        surplus = [self.upscale * (now - before) for now, before in zip(padded.shape[2:], y.shape[2:], strict=True)]
        return F.pad(x, [0, -surplus[1], 0, -surplus[0]])

    def unfold(self, f_y: Tensor) -> Tensor:
        """Run the N stages from ``alpha^0 = f_y`` and select: ``f_x``, of the shape of ``f_y``, ``(B, C, H, W)``."""
        alpha, experts = f_y, []
        for t, stage in enumerate(self.stages, 1):
            alpha = stage(alpha, f_y)
            if t * MoEFS.num_expert % len(self.stages) == 0:
                experts.append(alpha)
        return alpha if self.selector is None else self.selector(experts)

    def map_state_dict(self, state_dict: dict) -> dict:
        """A copy of ``state_dict`` by our names; traiNNer-redux calls this before it compares names."""
        mapped = dict(state_dict)
        rename_released(mapped)
        return mapped

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *args: Any) -> None:
        rename_released(state_dict, prefix)
        super()._load_from_state_dict(state_dict, prefix, *args)


# The one table of parameter names: in the released checkpoints, here. ``rename_released`` goes through it from the top;
# from the bottom it leads back to the released names. The paper's MSGM1 to MSGM4 are s1, s2, s4 and ffn there.
RELEASED_NAMES = (
    (".norm.body.", ".norm."),
    ("body.", "stages."),
    (".s1.", ".sparsity."),
    (".s2.", ".similarity."),
    (".project_in1.", ".w1."),
    (".project_in2.0.", ".w3."),
    (".project_in2.1.", ".dw."),
    (".project_in2.2.", ".w4."),
    (".project_out.", ".wo."),
    (".s3.", ".attention."),
    (".attention.LocalProp.0.", ".attention.dw."),
    (".qkv_conv.", ".qkv."),
    (".s4.", ".centralise."),
    ("moe.fc_a.", "selector.gates.0."),
    ("moe.fc_b.", "selector.gates.1."),
    ("moe.fc_c.", "selector.gates.2."),
    ("moe.fuse.", "selector.fuse."),
)


def rename_released(state_dict: dict, prefix: str = "") -> None:
    """Give the parameters of a released checkpoint our names, in place; our own names stay as they are.

    Args:
        state_dict: ``model_state_dict`` of a released file, with or without its leading ``module.``.
        prefix: what precedes the network's names where it is part of a larger module.
    """
    for key in [key for key in state_dict if key.startswith(prefix)]:
        name = key[len(prefix) :].removeprefix("module.")
        for theirs, ours in RELEASED_NAMES:
            name = name.replace(theirs, ours)
        state_dict[prefix + name] = state_dict.pop(key)


if "SSIU" not in ARCH_REGISTRY:  # a copy in BasicSR and this package may meet in one process
    ARCH_REGISTRY.register(SSIU)
