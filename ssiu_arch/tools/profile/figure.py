"""Cost against PSNR, as in the paper's Fig. 1: the networks of its Table I beside those measured."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ssiu_arch.evaluation.published import points
from ssiu_arch.tools.profile.run import Profile, Row, text_of
from ssiu_arch.utils.extras import require

COSTS = ("macs", "latency")
FORMATS = (".png", ".pdf", ".svg")
MEASURED, PRINTED = "tab:red", "tab:gray"


def check() -> None:
    """Raise ``UserError`` where what draws is not installed."""
    require("matplotlib", "plot", "--plot")


def scores(profile: Profile, data_set: str, given: dict[str, float]) -> dict[str, float]:
    """The PSNR, in dB, of each candidate that has one: given, or printed in Table I for that very network."""
    printed = {point.method: point.psnr for point in points(profile.plan.upscale, data_set)}
    known = {
        candidate.name: printed[candidate.row]
        for candidate in profile.plan.candidates
        if candidate.row is not None and candidate.row in printed
    }
    return known | given


def draw(path: Path, profile: Profile, cost: str, data_set: str, given: dict[str, float]) -> list[str]:
    """Draw the first size and batch of a profile.

    Multiply-adds of Table I belong to a result of 1280x720 pixels and stand beside the measured ones; latencies of
    other machines do not compare, so that there the measured networks stand alone.

    Args:
        path: picture to write; its suffix decides the format.
        profile: what was measured.
        cost: one of ``COSTS``.
        data_set: whose PSNR on Y, in dB.
        given: PSNR of candidates that Table I does not have.

    Returns:
        The candidates left out, for want of a PSNR or a latency.
    """
    from matplotlib.figure import Figure

    plan = profile.plan
    size, batch = plan.cases[0]
    known, groups, left_out = scores(profile, data_set, given), dict[tuple[float, float], list[str]](), []
    for row in profile.case(size, batch):
        value, name = _cost(row, cost), row.candidate.name
        if value is None or name not in known:
            left_out.append(name)
        else:  # forms of one network share a point
            groups.setdefault((round(value, 1), known[name]), []).append(name)

    figure = Figure(figsize=(7, 5), layout="constrained")
    axes = figure.add_subplot()
    if cost == "macs":
        printed = [(point.cost.giga_macs, point.psnr, point.method) for point in points(plan.upscale, data_set)]
        for x, y, method in printed:
            axes.scatter(x, y, color=PRINTED, s=30)
            _label(axes, x, y, method, PRINTED, _free_side(x, y, printed))
    for (value, psnr), names in groups.items():
        axes.scatter(value, psnr, color=MEASURED, marker="D", s=40, zorder=3)
        _label(axes, value, psnr, ", ".join(names), MEASURED, "above")
    if cost == "macs":
        axes.set_xlabel(f"multiply-adds (10⁹; ◆ measured at LR {text_of(size)}, ● as printed, for 1280x720)")
    else:
        axes.set_xlabel(f"latency (ms), LR {text_of(size)}, batch {batch}, {plan.device}")
    axes.set_ylabel(f"PSNR on Y (dB), {data_set} x{plan.upscale}")
    axes.grid(alpha=0.3)
    axes.margins(0.12)
    figure.savefig(path, dpi=150)
    return left_out


def _cost(row: Row, cost: str) -> float | None:
    if cost == "macs":
        return row.macs / row.batch / 1e9
    return 1000 * row.latency.median if row.latency else None


def _free_side(x: float, y: float, others: Sequence[tuple[float, float, str]]) -> str:
    """Where a label is not in another's way: below, but for points that are nearly at one height side by side."""
    wide = 0.17 * max(other for other, _, _ in others)  # two labels side by side
    near = [other - x for other, height, _ in others if abs(height - y) < 0.06 and 0 < abs(other - x) < wide]
    if not near:
        return "below"
    return "left of" if min(near, key=abs) > 0 else "right of"


SIDES: dict[str, dict[str, Any]] = {
    "above": {"xytext": (0, 5), "ha": "center", "va": "bottom"},
    "below": {"xytext": (0, -5), "ha": "center", "va": "top"},
    "left of": {"xytext": (-6, 0), "ha": "right", "va": "center"},
    "right of": {"xytext": (6, 0), "ha": "left", "va": "center"},
}


def _label(axes: Any, x: float, y: float, text: str, color: str, side: str) -> None:
    axes.annotate(text, (x, y), textcoords="offset points", fontsize=8, color=color, **SIDES[side])
