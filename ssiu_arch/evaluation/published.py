"""Cost against PSNR of the networks in the paper's Table I; its numbers are in ``ssiu_arch.evaluation.paper``."""

from typing import NamedTuple

from ssiu_arch.evaluation import paper

COSTS = {scale: {row.method: row.cost for row in paper.rows(scale)} for scale in (2, 3, 4)}


class Point(NamedTuple):
    """A network of Table I: its cost and its PSNR in dB on Y of one data set."""

    method: str
    cost: paper.Cost
    psnr: float


def points(scale: int, data_set: str) -> list[Point]:
    """The networks of Table I with a score on this data set, in the paper's order."""
    found = paper.rows(scale)
    return [Point(row.method, row.cost, row.psnr[data_set]) for row in found if data_set in row.psnr]
