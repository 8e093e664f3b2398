"""``basicsr test``."""

from ssiu_arch.cli import pipeline


def run(arguments: list[str]) -> None:
    """Test a network from an option file; see ``pipeline.run``."""
    pipeline.run("test", arguments)
