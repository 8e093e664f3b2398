"""Prepare a training set, datasets/NAME, from a folder of photos (PNG, JPEG, WebP, TIFF, BMP)."""

from pathlib import Path

from ssiu_arch.data.script import add_preparation_options, parser, preparation, run


def main() -> None:
    """Parse the command line and prepare."""
    arguments = parser(__doc__, "python datasets_prep/photos.py ~/Pictures --name photos --scales 4")
    arguments.add_argument("photos", type=Path, help="folder of HR images, with its subfolders")
    arguments.add_argument("--name", default="photos", help="name of the set")
    add_preparation_options(arguments)
    given = arguments.parse_args()

    from ssiu_arch.data.training_sets import prepare_photos

    prepare_photos(given.photos, given.root, given.name, **preparation(given))


if __name__ == "__main__":
    run(main)
