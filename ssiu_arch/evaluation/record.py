"""The scores of one data set."""

from dataclasses import dataclass, field
from typing import NamedTuple


class Score(NamedTuple):
    """A metric of one image; ``grey`` is the score of its grey value where ``grey.py`` defines one."""

    value: float
    grey: float | None = None


@dataclass
class SetScores:
    """The scores of one data set.

    Attributes:
        name: name in the option file.
        images: names, in order.
        means: of the network by metric, as BasicSR reports them; without metrics that need a missing GT.
        scores: of the network by metric, one per image; without metrics that were not called once per image.
        bicubic: of bicubic interpolation, likewise; empty if not measured.
        fingerprint: hash of the image files, or None.
    """

    name: str
    images: list[str] = field(default_factory=list)
    means: dict[str, float] = field(default_factory=dict)
    scores: dict[str, list[Score]] = field(default_factory=dict)
    bicubic: dict[str, list[Score]] = field(default_factory=dict)
    fingerprint: str | None = None

    def bicubic_means(self) -> dict[str, float]:
        """The mean scores of bicubic interpolation by metric."""
        return {metric: mean([score.value for score in scores]) for metric, scores in self.bicubic.items()}


def mean(values: list[float]) -> float:
    """The mean as BasicSR's validator computes it: a sum from left to right over the number of values."""
    total = 0.0
    for value in values:  # not sum(): from Python 3.12 on it compensates rounding
        total += value
    return float(total / len(values))


def grey_effect(record: SetScores) -> str | None:
    """The means if grey values were scored, as one line; None without greyscale images (see ``grey.py``)."""
    images: set[str] = set()
    changes = []
    for who, scored in (("", record.scores), ("bicubic ", record.bicubic)):
        for metric, scores in scored.items():
            grey = [name for name, score in zip(record.images, scores, strict=False) if score.grey is not None]
            if grey:
                images |= set(grey)
                ours = mean([score.value for score in scores])
                theirs = mean([score.value if score.grey is None else score.grey for score in scores])
                changes.append(f"{who}{metric} {theirs:.4f} instead of {ours:.4f}")
    if not images:
        return None
    shown = ", ".join(sorted(images)[:3]) + (", ..." if len(images) > 3 else "")
    return (
        f"{record.name}: {len(images)} of {len(record.images)} images ({shown}) scored on Y of YCbCr like the others; "
        f"scoring their grey value would give the means {', '.join(changes)}"
    )
