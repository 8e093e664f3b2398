"""The benchmark data sets: names and numbers of images."""

COUNTS = {"Set5": 5, "Set14": 14, "B100": 100, "Urban100": 100, "Manga109": 109}
OTHER_NAMES = {"bsd100": "B100", "bsds100": "B100", "cbsd100": "B100", "urban": "Urban100", "manga": "Manga109"}


def set_name(name: str) -> str | None:
    """The benchmark that a folder or a data set of an option file is named after; None: no benchmark."""
    return {**{known.lower(): known for known in COUNTS}, **OTHER_NAMES}.get(name.lower())
