"""The scores of one set."""

from dataclasses import dataclass, field
from typing import NamedTuple


class Score(NamedTuple):
    """A metric of one image; ``grey`` is that of its grey value where the rule of ``grey.py`` concerns it."""

    value: float
    grey: float | None = None


@dataclass
class SetScores:
    """What was measured on one set.

    Attributes:
        name: of the data set in the option file.
        images: their names, in order.
        means: of the network by metric, as BasicSR reports them; a metric that needs GT is missing where there is none.
        scores: of the network by metric, an entry for each image, or empty where they could not be told apart.
        bicubic: of bicubic interpolation, likewise.
        fingerprint: of the images' files, or None.
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

    def grey_images(self) -> list[str]:
        """The images that the rule of ``grey.py`` concerns."""
        concerned = {i for scores in self.scores.values() for i, score in enumerate(scores) if score.grey is not None}
        return [self.images[i] for i in sorted(concerned)]


def mean(values: list[float]) -> float:
    """The mean as BasicSR's validator computes it: a plain sum from left to right, divided by the number."""
    total = 0.0
    for value in values:
        total += value
    return float(total / len(values))


def grey_effect(record: SetScores) -> str | None:
    """What scoring the grey value of greyscale images would make of a set's means, in one line; None without any."""
    images = record.grey_images()
    if not images:
        return None
    changes = []
    for who, scored in (("", record.scores), ("bicubic ", record.bicubic)):
        for metric, scores in scored.items():
            if any(score.grey is not None for score in scores):
                ours = mean([score.value for score in scores])
                theirs = mean([score.value if score.grey is None else score.grey for score in scores])
                changes.append(f"{who}{metric} {theirs:.4f} instead of {ours:.4f}")
    shown = ", ".join(images[:3]) + (", ..." if len(images) > 3 else "")
    return (
        f"{record.name}: {len(images)} of {len(record.images)} images ({shown}) scored on Y of YCbCr like the others; "
        f"scoring the grey value itself would make the mean {', '.join(changes)}"
    )
