"""Prepare the demo set, datasets/demo, from the photographs in scikit-image, without a download."""

from pathlib import Path

from ssiu_arch.data.script import cores, parser, positive, run


def main() -> None:
    """Parse the command line and prepare."""
    arguments = parser(__doc__, "python datasets_prep/demo.py")
    arguments.add_argument("--root", type=Path, default=Path("datasets"), help="folder of the data sets")
    arguments.add_argument("--jobs", type=positive, default=cores(), help="images processed in parallel")
    arguments.add_argument("--force", action="store_true", help="replace existing files")
    given = arguments.parse_args()

    from ssiu_arch.data.training_sets import prepare_demo

    prepare_demo(given.root, jobs=given.jobs, force=given.force)


if __name__ == "__main__":
    run(main)
