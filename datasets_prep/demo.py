"""Prepare the demo set, datasets/demo, from the photographs that scikit-image carries; no download."""

from pathlib import Path

from ssiu_arch.data.script import cores, parser, positive, run


def main() -> None:
    """Parse the command line and prepare."""
    arguments = parser(__doc__, "python datasets_prep/demo.py")
    arguments.add_argument("--root", type=Path, default=Path("datasets"), help="folder that holds the data sets")
    arguments.add_argument("--jobs", type=positive, default=cores(), help="images worked on at once")
    arguments.add_argument("--force", action="store_true", help="make it again")
    given = arguments.parse_args()

    from ssiu_arch.data.demo import prepare_demo

    prepare_demo(given.root, jobs=given.jobs, force=given.force)


if __name__ == "__main__":
    run(main)
