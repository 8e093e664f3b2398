"""Check data sets: counts, sizes, alignment of HR and LR, LMDB files, and known benchmark files."""

from pathlib import Path

from ssiu_arch.data.script import SetIncomplete, parser, positive, run
from ssiu_arch.utils.errors import UserError


def main() -> None:
    """Parse the command line and check."""
    arguments = parser(__doc__, "python datasets_prep/verify.py options/train_SSIU_x4.yml datasets/benchmark")
    arguments.add_argument("what", type=Path, nargs="*", help="option files, or folders of prepared sets")
    arguments.add_argument("--gt", type=Path, help="HR folder or LMDB of another set")
    arguments.add_argument("--lq", type=Path, help="its LR folder or LMDB")
    arguments.add_argument("--scale", type=positive, help="its scale")
    arguments.add_argument(
        "--filename-tmpl", default="{}", help="name of an LR file, {} stands for the HR name, such as {}x4"
    )
    given = arguments.parse_args()

    from ssiu_arch.data.verify import PairedSet, find_pairs, verify

    pairs = [pair for path in given.what for pair in find_pairs(path)]
    if given.gt or given.lq or given.scale:
        if not (given.gt and given.lq and given.scale):
            raise UserError("--gt, --lq and --scale: give all three")
        pairs.append(PairedSet(given.gt, given.lq, given.scale, given.filename_tmpl))
    if not pairs:
        raise UserError("nothing to check: give option files or folders, or --gt, --lq and --scale")
    wrong = 0
    for pair in pairs:
        try:
            report = verify(pair)
        except UserError as error:
            print(f"WRONG {error}")
            wrong += 1
            continue
        print(f"{'WRONG' if report.problems else 'ok   '} {pair.dataroot_lq}: {report.summary}")
        for line in report.problems:
            print(f"        problem: {line}")
        for line in report.notes:
            print(f"        note: {line}")
        wrong += bool(report.problems)
    if wrong:
        raise SetIncomplete(f"{wrong} of {len(pairs)} sets have problems, see above")


if __name__ == "__main__":
    run(main)
