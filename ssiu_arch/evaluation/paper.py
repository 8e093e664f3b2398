"""Table I of the paper: cost, PSNR in dB and SSIM on Y of lightweight networks, five benchmarks, three scales.

Ni et al., "Structural Similarity-Inspired Unfolding for Lightweight Image Super-Resolution", IEEE TIP 34, 2025. The
numbers are as printed. SSIU's own SSIM follows another protocol than the other rows (``ssiu_arch.metrics.published``)
and is about 0.003 too high to compare with them; its PSNR compares. Multiply-adds belong to a result of 1280x720 pixels
and are not all counted alike: those of Omni-SR and CRAFT leave out the products of attention (docs/profile.md).
"""

from typing import Any, NamedTuple

from ssiu_arch.data import known_sets

SETS = tuple(known_sets.SETS)
SSIU = "SSIU"
PSNR = ("calculate_psnr", "calculate_psnr_published")
SSIM = ("calculate_ssim", "calculate_ssim_published")
PUBLISHED = ("calculate_psnr_published", "calculate_ssim_published")

INFLATED = (
    "* SSIU's printed SSIM follows the authors' own protocol and is about 0.003 too high to compare with the other "
    "rows; its PSNR compares. calculate_ssim_published measures SSIM their way"
)
AUTHORS_ONLY = "the printed SSIM of the other networks follows the standard protocol and does not compare with this one"


class Row(NamedTuple):
    """A network at one scale: its training set, its cost, and its scores by benchmark, where the paper has them.

    ``kilo_parameters`` are in thousands, ``giga_macs`` in 10^9 multiply-adds.
    """

    method: str
    training_set: str
    kilo_parameters: int
    giga_macs: int
    psnr: dict[str, float]
    ssim: dict[str, float]


def rows(scale: int) -> list[Row]:
    """The rows of a scale, in the paper's order; empty if it has none."""
    return [
        Row(method, training_set, parameters, macs, _by_set(scores[0::2]), _by_set(scores[1::2]))
        for method, training_set, parameters, macs, *scores in _PRINTED.get(scale, [])
    ]


def _by_set(scores: list) -> dict[str, float]:
    return {name: score for name, score in zip(SETS, scores, strict=True) if score is not None}


def beside(options: dict[str, Any], scale: int, sets: list[str]) -> tuple[dict[str, dict[str, float]], str | None]:
    """Printed scores that compare with a metric, by method and benchmark, and a remark on them or why there are none.

    ``options`` are the metric's in the option file, ``sets`` the names of its data sets.
    """
    kind = options["type"]
    if kind not in PSNR + SSIM or not any(known_sets.set_name(name) for name in sets) or not rows(scale):
        return {}, None
    on_y = kind in PUBLISHED or options.get("test_y_channel")
    if not on_y or options.get("crop_border") != scale:
        return {}, f"Table I of the paper is on Y with border {scale}, so none of its rows compares"
    if kind in PSNR:
        return {row.method: row.psnr for row in rows(scale)}, None
    if kind in PUBLISHED:
        return {row.method: row.ssim for row in rows(scale) if row.method == SSIU}, AUTHORS_ONLY
    return {f"{row.method} *" if row.method == SSIU else row.method: row.ssim for row in rows(scale)}, INFLATED


# fmt: off
_PRINTED: dict[int, list[tuple]] = {  # method, training set, cost, PSNR and SSIM of each of SETS
    2: [
        ("CARN", "DIV2K", 1592, 223, 37.76, 0.9590, 33.52, 0.9166, 32.09, 0.8978, 31.92, 0.9256, 38.36, 0.9765),
        ("EDSR-B", "DIV2K", 1370, 316, 37.99, 0.9604, 33.57, 0.9175, 32.16, 0.8994, 31.98, 0.9272, 38.54, 0.9769),
        ("IMDN", "DIV2K", 694, 159, 38.00, 0.9605, 33.63, 0.9177, 32.19, 0.8996, 32.17, 0.9283, 38.88, 0.9774),
        ("ECBSR-M", "DIV2K", 596, 137, 37.90, 0.9615, 33.34, 0.9178, 32.10, 0.9018, 31.71, 0.9250, None, None),
        ("SMSR", "DIV2K", 985, 132, 38.00, 0.9601, 33.64, 0.9179, 32.17, 0.8990, 32.19, 0.9284, 38.76, 0.9771),
        ("LBNet", "DIV2K", 731, 153, 38.05, 0.9607, 33.65, 0.9177, 32.16, 0.8994, 32.30, 0.9291, 38.88, 0.9775),
        ("SRFormer", "DIV2K", 853, 236, 38.23, 0.9613, 33.94, 0.9209, 32.36, 0.9019, 32.91, 0.9353, 39.28, 0.9785),
        ("CRAFT", "DIV2K", 737, 176, 38.23, 0.9615, 33.92, 0.9211, 32.33, 0.9016, 32.86, 0.9343, 39.39, 0.9786),
        ("HiT-SRF", "DIV2K", 847, 227, 38.26, 0.9615, 34.01, 0.9214, 32.37, 0.9023, 33.13, 0.9372, 39.47, 0.9787),
        ("ATD-light", "DIV2K", 753, 146, 38.29, 0.9616, 34.10, 0.9217, 32.39, 0.9023, 33.27, 0.9375, 39.52, 0.9789),
        ("LAPAR-A", "DF2K", 548, 171, 38.01, 0.9605, 33.62, 0.9183, 32.19, 0.8999, 32.10, 0.9283, 38.67, 0.9772),
        ("ShuffleMixer", "DF2K", 394, 91, 38.01, 0.9606, 33.63, 0.9180, 32.17, 0.8995, 31.89, 0.9257, 38.83, 0.9774),
        ("SAFMN", "DF2K", 228, 52, 38.00, 0.9605, 33.54, 0.9177, 32.16, 0.8995, 31.84, 0.9256, 38.71, 0.9771),
        ("Omni-SR", "DF2K", 772, 172, 38.29, 0.9617, 34.27, 0.9238, 32.41, 0.9026, 33.30, 0.9386, 39.53, 0.9792),
        ("SSIU", "DF2K", 778, 164, 38.31, 0.9632, 34.20, 0.9255, 32.43, 0.9043, 33.25, 0.9393, 39.64, 0.9822),
    ],
    3: [
        ("CARN", "DIV2K", 1592, 119, 34.29, 0.9255, 30.29, 0.8407, 29.06, 0.8034, 28.06, 0.8493, 33.50, 0.9440),
        ("EDSR-B", "DIV2K", 1555, 160, 34.37, 0.9270, 30.28, 0.8417, 29.09, 0.8052, 28.15, 0.8527, 33.45, 0.9439),
        ("IMDN", "DIV2K", 703, 72, 34.36, 0.9270, 30.32, 0.8417, 29.09, 0.8046, 28.17, 0.8519, 33.61, 0.9445),
        ("SMSR", "DIV2K", 993, 68, 34.40, 0.9270, 30.33, 0.8412, 29.10, 0.8050, 28.25, 0.8536, 33.68, 0.9445),
        ("LBNet", "DIV2K", 736, 68, 34.47, 0.9277, 30.38, 0.8417, 29.13, 0.8061, 28.42, 0.8559, 33.82, 0.9460),
        ("SRFormer", "DIV2K", 861, 105, 34.67, 0.9296, 30.57, 0.8469, 29.26, 0.8099, 28.81, 0.8655, 34.19, 0.9489),
        ("CRAFT", "DIV2K", 744, 78, 34.71, 0.9295, 30.61, 0.8469, 29.24, 0.8093, 28.77, 0.8635, 34.29, 0.9491),
        ("HiT-SRF", "DIV2K", 855, 102, 34.75, 0.9300, 30.61, 0.8475, 29.29, 0.8106, 28.99, 0.8687, 34.53, 0.9502),
        ("ATD-light", "DIV2K", 760, 65, 34.74, 0.9300, 30.68, 0.8485, 29.32, 0.8109, 29.17, 0.8709, 34.60, 0.9506),
        ("LAPAR-A", "DF2K", 594, 114, 34.36, 0.9267, 30.34, 0.8421, 29.11, 0.8054, 28.15, 0.8523, 33.51, 0.9441),
        ("ShuffleMixer", "DF2K", 415, 43, 34.40, 0.9272, 30.37, 0.8423, 29.12, 0.8051, 28.08, 0.8498, 33.69, 0.9448),
        ("SAFMN", "DF2K", 233, 23, 34.34, 0.9267, 30.33, 0.8418, 29.08, 0.8048, 27.95, 0.8474, 33.52, 0.9437),
        ("Omni-SR", "DF2K", 780, 78, 34.77, 0.9304, 30.70, 0.8489, 29.33, 0.8111, 29.12, 0.8712, 34.64, 0.9507),
        ("SSIU", "DF2K", 799, 75, 34.79, 0.9323, 30.71, 0.8523, 29.35, 0.8138, 29.08, 0.8718, 34.73, 0.9547),
    ],
    4: [
        ("CARN", "DIV2K", 1592, 91, 32.13, 0.8937, 28.60, 0.7806, 27.58, 0.7349, 26.07, 0.7837, 30.47, 0.9084),
        ("EDSR-B", "DIV2K", 1518, 114, 32.09, 0.8938, 28.58, 0.7813, 27.57, 0.7357, 26.04, 0.7849, 30.35, 0.9067),
        ("IMDN", "DIV2K", 715, 41, 32.21, 0.8948, 28.58, 0.7811, 27.56, 0.7353, 26.04, 0.7838, 30.45, 0.9075),
        ("ECBSR-M", "DIV2K", 603, 35, 31.92, 0.8946, 28.34, 0.7817, 27.48, 0.7393, 25.81, 0.7773, None, None),
        ("SMSR", "DIV2K", 1006, 42, 32.12, 0.8932, 28.55, 0.7808, 27.55, 0.7351, 26.11, 0.7868, 30.54, 0.9085),
        ("LBNet", "DIV2K", 742, 39, 32.29, 0.8960, 28.68, 0.7832, 27.62, 0.7382, 26.27, 0.7906, 30.76, 0.9111),
        ("SRFormer", "DIV2K", 873, 63, 32.51, 0.8988, 28.82, 0.7872, 27.73, 0.7422, 26.67, 0.8032, 31.17, 0.9165),
        ("CRAFT", "DIV2K", 753, 47, 32.52, 0.8989, 28.85, 0.7872, 27.72, 0.7418, 26.56, 0.7995, 31.18, 0.9168),
        ("HiT-SRF", "DIV2K", 866, 58, 32.55, 0.8999, 28.87, 0.7880, 27.75, 0.7432, 26.80, 0.8069, 31.26, 0.9171),
        ("ATD-light", "DIV2K", 769, 39, 32.63, 0.8998, 28.89, 0.7886, 27.79, 0.7440, 26.97, 0.8107, 31.48, 0.9198),
        ("LAPAR-A", "DF2K", 659, 94, 32.15, 0.8944, 28.61, 0.7818, 27.61, 0.7366, 26.14, 0.7871, 30.42, 0.9074),
        ("ShuffleMixer", "DF2K", 411, 28, 32.21, 0.8953, 28.66, 0.7827, 27.61, 0.7366, 26.08, 0.7835, 30.65, 0.9093),
        ("SAFMN", "DF2K", 240, 14, 32.18, 0.8948, 28.60, 0.7813, 27.58, 0.7359, 25.97, 0.7809, 30.43, 0.9063),
        ("Omni-SR", "DF2K", 792, 45, 32.57, 0.8993, 28.95, 0.7898, 27.81, 0.7439, 26.95, 0.8105, 31.50, 0.9192),
        ("SSIU", "DF2K", 794, 49, 32.64, 0.9032, 28.96, 0.7939, 27.82, 0.7472, 26.83, 0.8098, 31.60, 0.9242),
    ],
}
# fmt: on
