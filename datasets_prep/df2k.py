"""Prepare DF2K for training, in datasets/DF2K, from the official DIV2K and Flickr2K (archives or folders)."""

from pathlib import Path

from ssiu_arch.data.script import add_preparation_options, add_recipe_options, parser, run


def main() -> None:
    """Parse the command line and prepare."""
    arguments = parser(__doc__, "python datasets_prep/df2k.py --source ~/Downloads")
    arguments.add_argument(
        "--source", type=Path, default=Path("datasets/downloads"), help="folder of DIV2K and Flickr2K"
    )
    arguments.add_argument("--root", type=Path, default=Path("datasets"), help="folder of the data sets")
    arguments.add_argument("--download", action="store_true", help="download missing archives to --source (24 GB)")
    add_recipe_options(arguments)
    add_preparation_options(arguments)
    given = arguments.parse_args()

    from ssiu_arch.data.df2k import prepare_df2k
    from ssiu_arch.data.sub_images import Recipe

    prepare_df2k(
        given.source,
        given.root,
        Recipe.from_options(given.scales, given.size, given.step, given.smallest),
        jobs=given.jobs,
        force=given.force,
        skip_bad=given.skip_bad,
        download=given.download,
    )


if __name__ == "__main__":
    run(main)
