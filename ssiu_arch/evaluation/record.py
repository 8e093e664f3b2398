"""The scores of one data set."""

from dataclasses import dataclass, field
from math import log10

GREY = 20 * log10(255 / 219)  # dB by which PSNR on Y exceeds PSNR of the grey value: Y spans 219 of 255 levels


@dataclass
class SetScores:
    """The scores of one data set.

    Attributes:
        name: name in the option file.
        images: names, in order.
        means: of the network by metric, as BasicSR reports them; without metrics that need a missing GT.
        scores: of the network by metric, one per image; without metrics that were not called once per image.
        bicubic: of bicubic interpolation, likewise; empty if not measured.
        grey: the images that are stored with one channel.
        fingerprint: hash of the image files, or None.
    """

    name: str
    images: list[str] = field(default_factory=list)
    means: dict[str, float] = field(default_factory=dict)
    scores: dict[str, list[float]] = field(default_factory=dict)
    bicubic: dict[str, list[float]] = field(default_factory=dict)
    grey: list[str] = field(default_factory=list)
    fingerprint: str | None = None

    def bicubic_means(self) -> dict[str, float]:
        """The mean scores of bicubic interpolation by metric."""
        return {metric: mean(scores) for metric, scores in self.bicubic.items()}


def mean(values: list[float]) -> float:
    """The mean as BasicSR's validator computes it: a sum from left to right over the number of values."""
    total = 0.0
    for value in values:  # not sum(): from Python 3.12 on it compensates rounding
        total += value
    return float(total / len(values))


def grey_effect(record: SetScores) -> str | None:
    """What scoring the grey value of greyscale images, as older papers do, would change; None if there are none.

    A grey picture that is stored as colour, such as Set14's ``man``, is scored on Y in those papers, too.
    """
    if not record.grey:
        return None
    shown = ", ".join(record.grey[:3]) + (", ..." if len(record.grey) > 3 else "")
    lower = GREY * len(record.grey) / len(record.images)
    return (
        f"{record.name}: {len(record.grey)} of {len(record.images)} images ({shown}) stored with one channel, scored "
        f"on Y of YCbCr like the others; by their grey value the mean PSNR on Y would be {lower:.4f} dB lower"
    )
