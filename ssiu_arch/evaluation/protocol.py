"""What a metric of an option file measures, and which published numbers it may stand beside."""

from typing import Any, NamedTuple

from ssiu_arch.data.names import set_name
from ssiu_arch.evaluation import paper

PSNR = ("calculate_psnr", "calculate_psnr_published")
SSIM = ("calculate_ssim", "calculate_ssim_published")
PUBLISHED = ("calculate_psnr_published", "calculate_ssim_published")

INFLATED = (
    "* SSIU's printed SSIM is by the authors' own protocol, about 0.003 too high beside this and its rivals'; "
    "its PSNR compares. calculate_ssim_published measures SSIM their way"
)
AUTHORS_ONLY = "the rivals' printed SSIM is by the standard protocol and does not compare with this one"


class Beside(NamedTuple):
    """The rows of Table I that a metric may stand beside.

    Attributes:
        rows: by what the table shows as the method, the printed scores by benchmark.
        note: what has to be said with them, or why there are none.
    """

    rows: dict[str, dict[str, float]]
    note: str | None = None


def describe(options: dict[str, Any]) -> str:
    """The protocol of a metric: its type, Y or RGB, 8 bit or float, the border."""
    kind = options["type"]
    parts = [kind]
    if kind in PUBLISHED:
        parts.append("as published, on Y")
    elif kind in PSNR + SSIM:
        parts.append("on Y of YCbCr" if options.get("test_y_channel") else "on RGB")
    parts.append("float output, neither clamped nor rounded" if options.get("float_output") else "8-bit images")
    if "crop_border" in options:
        parts.append(f"border {options['crop_border']}")
    known = {"type", "test_y_channel", "float_output", "crop_border", "better"}
    parts += [f"{name} {value}" for name, value in options.items() if name not in known]
    return ", ".join(parts) + (", in dB" if kind in PSNR else "")


def beside(options: dict[str, Any], scale: int, sets: list[str]) -> Beside:
    """The rows of the paper's Table I for a metric.

    Args:
        options: of the metric, as in the option file.
        scale: of the run.
        sets: the names of its data sets.
    """
    kind = options["type"]
    if kind not in PSNR + SSIM or not any(set_name(name) for name in sets) or not paper.rows(scale):
        return Beside({})
    on_y = kind in PUBLISHED or options.get("test_y_channel")
    if not on_y or options.get("crop_border") != scale:
        return Beside({}, f"Table I of the paper is on Y with border {scale}: none of its rows compares with this")
    if kind in PSNR:
        return Beside({row.method: row.psnr for row in paper.rows(scale)})
    if kind in PUBLISHED:
        return Beside({row.method: row.ssim for row in paper.rows(scale) if row.method == paper.SSIU}, AUTHORS_ONLY)
    named = {f"{row.method} *" if row.method == paper.SSIU else row.method: row.ssim for row in paper.rows(scale)}
    return Beside(named, INFLATED)
