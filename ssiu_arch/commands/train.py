"""``basicsr train``."""

from ssiu_arch.commands import pipeline


def run(arguments: list[str]) -> None:
    """Train a network from an option file with BasicSR's ``train_pipeline``; see ``pipeline.run``."""
    pipeline.run("train", "Train a network from an option file, with BasicSR's own train_pipeline.", arguments)
