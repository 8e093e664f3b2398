"""The cost columns of the paper's Table I, as printed; its scores are in ``ssiu_arch.evaluation.paper``.

Ni et al., "Structural Similarity-Inspired Unfolding for Lightweight Image Super-Resolution", IEEE TIP 34, 2025. The
multiply-adds belong to a result of 1280x720 pixels. They are not all counted alike: one counter over the published
codes agrees with most of the x4 rows, and has CRAFT at 52.4, Omni-SR at 50.9 and ATD-light at 100.1.
"""

from typing import NamedTuple

from ssiu_arch.evaluation import paper


class Cost(NamedTuple):
    """Parameters in thousands, multiply-adds in 10^9."""

    kilo_parameters: int
    giga_macs: int


class Point(NamedTuple):
    """A network of Table I: its cost and its PSNR in dB on Y of one data set."""

    method: str
    cost: Cost
    psnr: float


def points(scale: int, data_set: str) -> list[Point]:
    """The networks of Table I with a score on this data set, in the paper's order."""
    found = paper.rows(scale)
    return [
        Point(row.method, COSTS[scale][row.method], row.psnr[data_set]) for row in found if data_set in row.psnr
    ]  # fmt: skip


# fmt: off
COSTS: dict[int, dict[str, Cost]] = {
    2: {
        "CARN": Cost(1592, 223), "EDSR-B": Cost(1370, 316), "IMDN": Cost(694, 159), "ECBSR-M": Cost(596, 137),
        "SMSR": Cost(985, 132), "LBNet": Cost(731, 153), "SRFormer": Cost(853, 236), "CRAFT": Cost(737, 176),
        "HiT-SRF": Cost(847, 227), "ATD-light": Cost(753, 146), "LAPAR-A": Cost(548, 171),
        "ShuffleMixer": Cost(394, 91), "SAFMN": Cost(228, 52), "Omni-SR": Cost(772, 172), "SSIU": Cost(778, 164),
    },
    3: {
        "CARN": Cost(1592, 119), "EDSR-B": Cost(1555, 160), "IMDN": Cost(703, 72), "SMSR": Cost(993, 68),
        "LBNet": Cost(736, 68), "SRFormer": Cost(861, 105), "CRAFT": Cost(744, 78), "HiT-SRF": Cost(855, 102),
        "ATD-light": Cost(760, 65), "LAPAR-A": Cost(594, 114), "ShuffleMixer": Cost(415, 43), "SAFMN": Cost(233, 23),
        "Omni-SR": Cost(780, 78), "SSIU": Cost(799, 75),
    },
    4: {
        "CARN": Cost(1592, 91), "EDSR-B": Cost(1518, 114), "IMDN": Cost(715, 41), "ECBSR-M": Cost(603, 35),
        "SMSR": Cost(1006, 42), "LBNet": Cost(742, 39), "SRFormer": Cost(873, 63), "CRAFT": Cost(753, 47),
        "HiT-SRF": Cost(866, 58), "ATD-light": Cost(769, 39), "LAPAR-A": Cost(659, 94), "ShuffleMixer": Cost(411, 28),
        "SAFMN": Cost(240, 14), "Omni-SR": Cost(792, 45), "SSIU": Cost(794, 49),
    },
}
# fmt: on
