"""Prepare DF2K for training, in datasets/DF2K, from the official DIV2K and Flickr2K (archives or folders)."""

from pathlib import Path

from ssiu_arch.data.script import add_preparation_options, parser, preparation, run


def main() -> None:
    """Parse the command line and prepare."""
    arguments = parser(__doc__, "python datasets_prep/df2k.py --source ~/Downloads")
    arguments.add_argument(
        "--source", type=Path, default=Path("datasets/downloads"), help="folder of DIV2K and Flickr2K"
    )
    arguments.add_argument("--download", action="store_true", help="download missing archives to --source (24 GB)")
    add_preparation_options(arguments)
    given = arguments.parse_args()

    from ssiu_arch.data.training_sets import prepare_df2k

    prepare_df2k(given.source, given.root, download=given.download, **preparation(given))


if __name__ == "__main__":
    run(main)
