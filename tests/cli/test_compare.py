"""``ssiu compare``: from files to a figure, and bad input."""

import re
import shutil

import cv2
import numpy as np
import pytest

from ssiu_arch.data.images import read_image, write_image
from ssiu_arch.tools.compare.figure import enlarged


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """``HR`` of three photographs, and results of two networks as ``basicsr test`` writes them."""
    folder = tmp_path_factory.mktemp("files")
    data = pytest.importorskip("skimage.data", reason="scikit-image, which brings the photographs, is not installed")
    photos = {"face": data.astronaut()[60:135, 180:273], "cup": data.coffee()[100:170, 200:270]}
    photos["grey"] = np.repeat(data.coffee()[:60, :60, :1], 3, axis=2)
    for name, photo in photos.items():
        hr = photo[..., ::-1]
        write_image(folder / f"HR/{name}.png", hr)
        fine = hr[: len(hr) // 4 * 4, : hr.shape[1] // 4 * 4]
        for network, offset in (("good", 1), ("poor", 9)):
            if (name, network) != ("grey", "poor"):
                image = (fine.astype(int) + offset).clip(0, 255).astype(np.uint8)
                write_image(folder / f"results/{network}/visualization/Set/{name}x4_{network}.png", image)
    return folder


@pytest.fixture
def folder(files, tmp_path, monkeypatch):
    """A copy of them to run in."""
    monkeypatch.chdir(tmp_path)
    return shutil.copytree(files, tmp_path, dirs_exist_ok=True)


def holds(page, image):
    """Whether ``image`` stands somewhere in ``page``, pixel by pixel."""
    *_, (x, y), _ = cv2.minMaxLoc(cv2.matchTemplate(page, image, cv2.TM_SQDIFF))
    return np.array_equal(page[y : y + image.shape[0], x : x + image.shape[1]], image)


GOOD = "Good=results/good/visualization/Set/facex4_good.png"
ONE = ["HR/face.png", GOOD, "-o", "a.png"]


def test_a_file_and_folders_become_a_figure_and_a_table(ssiu, folder):
    code, out, err = ssiu(
        "compare", "HR/face.png", "--crop", 8, 8, 40, 30, GOOD, "-o", "a.png", "Poor=results/poor",
    )  # fmt: skip
    assert code == 0, err
    page = read_image(folder / "a.png")
    assert out.splitlines()[-1].endswith(f" a.png ({page.shape[1]}x{page.shape[0]})")
    for file in ("HR/face.png", *(f"results/{x}/visualization/Set/facex4_{x}.png" for x in ("good", "poor"))):
        crop = enlarged(read_image(folder / file)[8:38, 8:48], 5)[..., ::-1]
        assert holds(page, crop), file
    assert re.match(r"face, whole image .*8 8 40 30.*\sborder\s4\n", out)
    assert [line.split()[0] for line in out.splitlines() if re.search(r"\d\.\d{4}$", line)] == [
        "Bicubic", "Good", "Poor",
    ]  # fmt: skip


def test_scores_are_basicsrs_and_bytes_are_the_same_each_time(ssiu, folder):
    from basicsr.metrics import calculate_psnr, calculate_ssim

    code, out, _ = ssiu("compare", *ONE[:2], "--side", 24, "-o", "a.png")
    assert code == 0
    assert ssiu("compare", *ONE[:2], "--side", 24, "-o", "b.png")[0] == 0
    assert (folder / "a.png").read_bytes() == (folder / "b.png").read_bytes()
    assert re.match(r"face, whole image \(crops shown: \d+ \d+ 24 24\), on Y", out)
    result, hr = read_image(folder / GOOD.partition("=")[2]), read_image(folder / "HR/face.png")[:72, :92]
    psnr, ssim = (metric(result, hr, 4, test_y_channel=True) for metric in (calculate_psnr, calculate_ssim))
    assert re.search(rf"^Good +{psnr:.4f} +{ssim:.4f}$", out, re.MULTILINE)
    assert not list(folder.glob(".*"))


def test_a_grey_image_counts_as_three_equal_channels(ssiu, folder):
    from basicsr.metrics import calculate_psnr

    grey = cv2.imread("HR/grey.png", cv2.IMREAD_GRAYSCALE)
    write_image(folder / "one.png", grey)
    write_image(folder / "other.png", grey // 2)
    code, out, _ = ssiu("compare", "one.png", "Half=other.png", "-o", "a.png")
    assert code == 0
    half, whole = (np.repeat(image[..., None], 3, axis=2) for image in (grey // 2, grey))
    psnr = calculate_psnr(half, whole, crop_border=4, test_y_channel=True)
    assert re.search(rf"^Half +{psnr:.4f} ", out, re.MULTILINE)


def test_an_output_is_replaced_only_when_told(ssiu, folder):
    (folder / "a.png").write_text("mine")
    code, out, err = ssiu("compare", *ONE)
    assert (code, out) == (2, "")
    assert re.fullmatch(r"ssiu compare: -o a\.png: .*--overwrite\n", err)
    assert (folder / "a.png").read_text() == "mine"
    assert ssiu("compare", *ONE, "--overwrite")[0] == 0
    assert read_image(folder / "a.png").shape[2] == 3


FACE, TINY = "HR/face.png", ["0", "0", "14", "14"]
BAD = {
    "no HR": (["none.png"], r"HR none\.png: no such file"),
    "HR that is no image": (["notes.txt"], r"notes\.txt: "),
    "HR that is too small": (["tiny.png"], r"HR tiny\.png: is 18x40; SSIM at x4 needs at least 19x19"),
    "HR that is a folder": (["HR"], r"HR HR: no such file; give one image file"),
    "a folder without such a file": ([FACE, "SSIU=other"], r"SSIU=other: 0 files .*--scale"),
    "an ambiguous folder": ([FACE, "SSIU=results"], r"SSIU=results: 2 files .* \(good/visual"),
    "no result": ([FACE, "SSIU=none.png"], r"SSIU=none\.png: no such file"),
    "a result that is no image": ([FACE, "SSIU=notes.txt"], r"notes\.txt: "),
    "a result of another size": (
        [FACE, "SSIU=HR/cup.png"],
        r"SSIU=HR/cup\.png: is 70x70, .*\(93x75\).* 92x72; .*--scale",
    ),
    "a result of another scale": ([FACE, GOOD, "--scale", "2"], r"is 92x72, but .* at x2 requires 92x74"),
    "a result without a name": ([FACE, "x4.png"], r"'x4\.png' is not NAME=PATH; .* SSIU=x4\.png"),
    "an empty name": ([FACE, "=x4.png"], r"'=x4\.png' is not NAME=PATH; .* SSIU=x4\.png"),
    "a name without a file": ([FACE, "SSIU="], r"'SSIU=' is not NAME=PATH"),
    "a name of two results": ([FACE, GOOD, GOOD], r"label Good is given twice"),
    "a name that is taken": (
        [FACE, "Bicubic=x.png"],
        r"label Bicubic is given twice: .*are taken",
    ),
    "a name beyond ASCII": ([FACE, "SSIU\N{GREEK SMALL LETTER ALPHA}=x.png"], r"must be printable ASCII"),
    "a name of two lines": ([FACE, "SS\nIU=x.png"], r"'SS\\nIU' must be printable ASCII"),
    "a crop outside": (
        [FACE, "--crop", "60", "0", "40", "40"],
        r"--crop 60 0 40 40: .*face, .*92x72.* X Y WIDTH",
    ),
    "three numbers": ([FACE, "--crop", "1", "1", "40"], r"argument --crop: expected 4 arguments"),
    "words for numbers": ([FACE, "--crop", "a", "1", "9", "9"], r"argument --crop: 'a' "),
    "a negative place": ([FACE, "--crop", "-4", "1", "9", "9"], r"argument --crop: '-4' "),
    "a side of nothing": ([FACE, "--side", "0"], r"argument --side: '0' .*8 to 1024"),
    "no scale": ([FACE, "--scale", "1"], r"argument --scale: '1' .*2 to 8"),
    "an unknown option": ([FACE, "--colour"], r"unrecognized arguments: --colour; see ssiu compare --help"),
    "a name too long": (["n" * 300], r"HR n+: no such file"),
    "a result's name too long": ([FACE, f"a={'n' * 300}"], r"a=n+: no such file"),
    "an output's name too long": ([FACE, "-o", f"{'n' * 300}.png"], r"n+\.png: "),
    "no image at all": ([], r"the following arguments are required: HR"),
    "no output": ([FACE, "-o"], r"argument -o/--output: expected one argument"),
    "another kind of file": ([FACE, "-o", "a.jpg"], r"-o a\.jpg: .*\.png"),
    "a folder for a file": ([FACE, "-o", "folder.png"], r"-o folder\.png: "),
    "no folder": ([FACE, "-o", "nowhere/a.png"], r"-o nowhere/a\.png: .*nowhere"),
    "an input for an output": (
        [FACE, GOOD, "--overwrite", "-o", GOOD.partition("=")[2]],
        r"facex4_good\.png: .*choose another name",
    ),
}


@pytest.mark.parametrize(("arguments", "line"), BAD.values(), ids=BAD)
def test_bad_input_is_one_line_and_nothing_is_written(ssiu, folder, arguments, line):
    for name in ("empty", "folder.png"):
        (folder / name).mkdir()
    (folder / "notes.txt").write_text("no image")
    write_image(folder / "tiny.png", np.zeros((40, 18, 3), np.uint8))
    write_image(folder / "other/dog.png", np.zeros((40, 40, 3), np.uint8))
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    code, out, err = ssiu("compare", *arguments, *([] if "-o" in arguments else ["-o", "a.png"]))
    assert (code, out) == (2, ""), err
    assert re.fullmatch(rf"ssiu compare: .*{line}.*\n", err), err
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_help_needs_no_heavy_imports(python):
    program = (
        "import sys\nfrom ssiu_arch.cli import compare\n"
        "try:\n    compare.run(['--help'])\nexcept SystemExit:\n    pass\n"
        "print(sorted({'torch', 'cv2', 'PIL', 'numpy', 'basicsr'} & set(sys.modules)))"
    )
    said = python("-c", program)
    assert said.stdout.splitlines()[-1] == "[]", said.stderr
    assert "example: ssiu compare " in said.stdout
