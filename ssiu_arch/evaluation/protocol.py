"""How a metric of an option file measures, and which published scores compare with it."""

from typing import Any, NamedTuple

from ssiu_arch.data.bicubic import BICUBIC
from ssiu_arch.data.known_sets import set_name
from ssiu_arch.evaluation import paper
from ssiu_arch.evaluation.record import SetScores

PSNR = ("calculate_psnr", "calculate_psnr_published")
SSIM = ("calculate_ssim", "calculate_ssim_published")
PUBLISHED = ("calculate_psnr_published", "calculate_ssim_published")

INFLATED = (
    "* SSIU's printed SSIM follows the authors' own protocol and is about 0.003 too high to compare with the other "
    "rows; its PSNR compares. calculate_ssim_published measures SSIM their way"
)
AUTHORS_ONLY = "the printed SSIM of the other networks follows the standard protocol and does not compare with this one"


class Beside(NamedTuple):
    """Rows of Table I that compare with a metric.

    Attributes:
        rows: the printed scores by benchmark, by method.
        note: a remark on them, or why there are none.
    """

    rows: dict[str, dict[str, float]]
    note: str | None = None


def describe(options: dict[str, Any]) -> str:
    """The protocol of a metric: type, Y or RGB, 8 bit or float, crop border."""
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
    """The rows of the paper's Table I that compare with a metric.

    Args:
        options: options of the metric in the option file.
        scale: scale of the run.
        sets: names of its data sets.
    """
    kind = options["type"]
    if kind not in PSNR + SSIM or not any(set_name(name) for name in sets) or not paper.rows(scale):
        return Beside({})
    on_y = kind in PUBLISHED or options.get("test_y_channel")
    if not on_y or options.get("crop_border") != scale:
        return Beside({}, f"Table I of the paper is on Y with border {scale}, so none of its rows compares")
    if kind in PSNR:
        return Beside({row.method: row.psnr for row in paper.rows(scale)})
    if kind in PUBLISHED:
        return Beside({row.method: row.ssim for row in paper.rows(scale) if row.method == paper.SSIU}, AUTHORS_ONLY)
    named = {f"{row.method} *" if row.method == paper.SSIU else row.method: row.ssim for row in paper.rows(scale)}
    return Beside(named, INFLATED)


def unusual_bicubic(opt: dict[str, Any], sets: list[SetScores]) -> list[str]:
    """One line per benchmark on which bicubic interpolation does not score what it scores on the published files."""
    lines, scale = [], opt.get("scale", 0)
    for record in sets:
        known, means, changes = BICUBIC.get((set_name(record.name) or "", scale)), record.bicubic_means(), []
        for metric, options in opt["val"]["metrics"].items():
            is_ssim = options["type"] == SSIM[0]
            is_standard = options["type"] in (PSNR[0], SSIM[0]) and options.get("test_y_channel")
            if not known or metric not in means or not is_standard:
                continue
            if options.get("crop_border") == scale and not options.get("float_output"):
                tolerance, digits = (0.0005, 4) if is_ssim else (0.005, 3)
                if abs(means[metric] - known[is_ssim]) > tolerance:
                    changes.append(f"{metric} {means[metric]:.{digits}f} instead of {known[is_ssim]:.{digits}f}")
        if changes:
            lines.append(
                f"{record.name}: bicubic interpolation scores {', '.join(changes)}, so these are not the published "
                "files; python datasets_prep/verify.py FOLDER names the reason"
            )
    return lines
