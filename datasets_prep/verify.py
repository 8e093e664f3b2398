"""Check data sets: counts, sizes, alignment of HR and LR, LMDB files, and known benchmark files."""

from pathlib import Path

from ssiu_arch.data.script import SetIncomplete, parser, run
from ssiu_arch.utils.errors import UserError


def main() -> None:
    """Parse the command line and check."""
    arguments = parser(__doc__, "python datasets_prep/verify.py options/train_SSIU_x4.yml datasets/benchmark")
    arguments.add_argument("what", type=Path, nargs="+", help="option files, or folders of prepared sets")
    given = arguments.parse_args()

    from ssiu_arch.data.verify import find_pairs, verify

    pairs = [pair for path in given.what for pair in find_pairs(path)]
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
