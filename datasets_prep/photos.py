"""Prepare a training set, datasets/NAME, from a folder of photos (PNG, JPEG, WebP, TIFF, BMP)."""

from pathlib import Path

from ssiu_arch.data.script import add_preparation_options, add_recipe_options, parser, run


def main() -> None:
    """Parse the command line and prepare."""
    arguments = parser(__doc__, "python datasets_prep/photos.py ~/Pictures --name photos --scales 4")
    arguments.add_argument("photos", type=Path, help="folder of HR images, with its subfolders")
    arguments.add_argument("--name", default="photos", help="name of the set")
    arguments.add_argument("--root", type=Path, default=Path("datasets"), help="folder of the data sets")
    add_recipe_options(arguments)
    add_preparation_options(arguments)
    given = arguments.parse_args()

    from ssiu_arch.data.photos import prepare_photos
    from ssiu_arch.data.sub_images import Recipe

    prepare_photos(
        given.photos,
        given.root,
        given.name,
        Recipe.from_options(given.scales, given.size, given.step, given.smallest),
        jobs=given.jobs,
        force=given.force,
        skip_bad=given.skip_bad,
    )


if __name__ == "__main__":
    run(main)
