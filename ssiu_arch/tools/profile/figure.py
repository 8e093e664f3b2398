"""Cost against PSNR, as in the paper's Fig. 1: networks of its Table I beside those measured."""

from pathlib import Path
from typing import Any

from ssiu_arch.evaluation.published import points
from ssiu_arch.tools.profile.run import Plan, Row

Point = tuple[float, float, str]  # cost, PSNR in dB, name


def draw(path: Path, plan: Plan, rows: list[Row], cost: str) -> list[str]:
    """Draw the candidates of one size.

    Multiply-adds of Table I are for a result of 1280x720 pixels. Latencies of other machines do not compare, so the
    measured networks stand alone there.

    Args:
        path: picture to write; its suffix decides the format.
        plan: what was measured.
        rows: of one size.
        cost: ``macs`` or ``latency``.

    Returns:
        Names of the candidates left out, without a PSNR or a latency.
    """
    from matplotlib.figure import Figure

    measured, left_out = _measured(plan, rows, cost)
    known = {candidate.row for candidate in plan.candidates}
    table = points(plan.upscale, plan.psnr_set) if cost == "macs" else []
    others = [point for point in table if point.method not in known]
    printed: list[Point] = [(point.cost.giga_macs, point.psnr, point.method) for point in others]
    size = f"{rows[0].height}x{rows[0].width}"

    figure = Figure(figsize=(7, 5), layout="constrained")
    axes = figure.add_subplot()
    _scatter(axes, printed, "the paper's Table I, as printed for 1280x720", color="tab:gray", marker="o")
    _scatter(axes, measured, f"measured, LR {size}", color="tab:red", marker="D", zorder=3)
    axes.set_xlabel("multiply-adds (10⁹)" if cost == "macs" else f"latency (ms), batch {rows[0].batch}, {plan.device}")
    axes.set_ylabel(f"PSNR on Y (dB), {plan.psnr_set} x{plan.upscale}")
    figure.legend(loc="outside upper center", ncols=2, fontsize=8)
    axes.grid(alpha=0.3)
    axes.margins(0.12)
    figure.savefig(path, dpi=150)
    return left_out


def _measured(plan: Plan, rows: list[Row], cost: str) -> tuple[list[Point], list[str]]:
    """The points of the candidates, one for all modes of SSIU if they cost the same, and the names left out."""
    found: dict[str, Point] = {}
    left_out = []
    for candidate, row in zip(plan.candidates, rows, strict=True):
        name = candidate.name
        value = row.macs / row.batch / 1e9 if cost == "macs" else row.latency_s and 1000 * row.latency_s
        if value is None or row.psnr is None:
            left_out.append(name)
            continue
        if candidate.row == "SSIU":
            name = "SSIU (ours)" if cost == "macs" else f"SSIU (ours), {name}"
        found.setdefault(name, (value, row.psnr, name))
    return list(found.values()), left_out


def _scatter(axes: Any, found: list[Point], label: str, **style: Any) -> None:
    """One series, each point with its name below, or beside it where another point is close."""
    if found:
        axes.scatter([x for x, _, _ in found], [y for _, y, _ in found], s=30, label=label, **style)
    for x, y, name in found:
        near = [other - x for other, height, _ in found if abs(height - y) < 0.06 and 0 < abs(other - x) < 15]
        side = "center" if not near else "right" if min(near, key=abs) > 0 else "left"
        offset = {"center": (0, -12), "left": (6, -3), "right": (-6, -3)}[side]
        axes.annotate(
            name, (x, y), textcoords="offset points", xytext=offset, ha=side, fontsize=8, color=style["color"]
        )
