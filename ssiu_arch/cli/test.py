"""``basicsr test``."""

from ssiu_arch.cli import pipeline


def run(arguments: list[str]) -> None:
    """Test a network from an option file with BasicSR's ``test_pipeline``; see ``pipeline.run``."""
    pipeline.run("test", "Test a network from an option file, with BasicSR's own test_pipeline.", arguments)
