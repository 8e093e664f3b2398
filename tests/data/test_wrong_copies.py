"""Wrong copies of a benchmark, each named for what it is."""

import shutil

import cv2
import numpy as np
import pytest
from PIL import Image as Pictures

from ssiu_arch.data.bicubic import enlarge
from ssiu_arch.data.images import read_image, write_image
from ssiu_arch.data.known_sets import SETS, pixel_digest, set_digest
from ssiu_arch.data.sub_images import make_lr
from ssiu_arch.data.verify import find_pairs, verify

SCALES = (2, 3, 4)
SIZES = {"baby": (105, 130), "bird": (101, 89), "head": (75, 91)}
NUMBERS = np.random.default_rng(0)


@pytest.fixture
def pictures(photo):
    return {name: photo(*size, seed) for seed, (name, size) in enumerate(SIZES.items())}


def lay_out(folder, pictures):
    for name, hr in pictures.items():
        write_image(folder / "HR" / f"{name}.png", hr)
        for scale in SCALES:
            write_image(lr_file(folder, name, scale), make_lr(hr, scale))


def lr_file(folder, name, scale):
    return folder / f"LR_bicubic/X{scale}/{name}x{scale}.png"


def hr_files(folder):
    return sorted((folder / "HR").iterdir())


@pytest.fixture
def copy(pictures, published, tmp_path):
    """A right copy of a published set, whose images are known one by one."""
    published("Set5", pictures)
    lay_out(tmp_path / "Set5", pictures)
    return tmp_path / "Set5"


def hr(change, *names, remake=True):
    """Change HR images, all of them or those with these names, and make LR from them."""

    def spoil(folder):
        for path in hr_files(folder):
            if not names or path.stem in names:
                image = np.ascontiguousarray(change(read_image(path)), np.uint8)
                write_image(path, image)
                for scale in SCALES if remake else ():
                    write_image(lr_file(folder, path.stem, scale), make_lr(image, scale))

    return spoil


def lr(make, *names):
    """Make LR images by ``make(hr, scale)``."""

    def spoil(folder):
        for path in hr_files(folder):
            for scale in SCALES if not names or path.stem in names else ():
                write_image(lr_file(folder, path.stem, scale), np.ascontiguousarray(make(read_image(path), scale)))

    return spoil


def grey(image):
    return np.dstack([cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)] * 3)


def jpeg(image):
    return cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 85])[1], cv2.IMREAD_COLOR)


def jpeg_again(image):
    return cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 60])[1], cv2.IMREAD_COLOR)


def mod_12(image):
    return image[: image.shape[0] // 12 * 12, : image.shape[1] // 12 * 12]


def off_by_one(image):
    return np.clip(image.astype(int) + NUMBERS.integers(-1, 2, image.shape), 0, 255).astype(np.uint8)


def moved(image):
    return np.concatenate([image[:, :1], image[:, :-1]], axis=1)


def sharpened(image):
    return cv2.addWeighted(image, 1.5, cv2.GaussianBlur(image, (0, 0), 1.5), -0.5, 0)


def clamped(image, scale):
    """LR with a border of its own, as ports that clamp there have it."""
    made = make_lr(image, scale).copy()
    made[0] ^= 4
    return made


def blurred(image, scale):
    width, height = lr_size(image, scale)
    return cv2.GaussianBlur(image, (7, 7), 1.6)[: height * scale : scale, : width * scale : scale]


def by_opencv(flag):
    return lambda image, scale: cv2.resize(image, lr_size(image, scale), interpolation=flag)


def by_pillow(kernel):
    return lambda image, scale: np.asarray(Pictures.fromarray(image).resize(lr_size(image, scale), kernel))


def lr_size(image, scale):
    return image.shape[1] // scale, image.shape[0] // scale


def by_floats(image, scale):
    """MATLAB's kernel without rounding between the two passes, as ports of imresize have it."""
    from ssiu_arch.data.resize import imresize, mod_crop

    return imresize(mod_crop(image, scale).astype(np.float64), 1 / scale).clip(0, 255).round().astype(np.uint8)


def copied(source, target):
    def spoil(folder):
        for name in SIZES:
            shutil.copy(lr_file(folder, name, source), lr_file(folder, name, target))

    return spoil


def renamed(template):
    return lambda folder: [path.rename(path.with_stem(template.format(path.stem))) for path in hr_files(folder)]


def with_alpha(folder):
    for path in hr_files(folder):
        image = read_image(path)
        cv2.imwrite(str(path), np.dstack([image, np.full(image.shape[:2], 128, np.uint8)]))


def exchanged(folder):
    first, second = (lr_file(folder, name, 4) for name in ("baby", "bird"))
    first.rename(folder / "kept")
    second.rename(first)
    (folder / "kept").rename(second)


ALL = "all 3 images: "
WRONG = {  # what was done, and what is said of scale 4
    "grey, LR remade": (hr(grey), f"HR of {ALL}grey"),
    "one grey, LR remade": (hr(grey, "bird"), "HR of bird: grey"),
    "grey, LR as published": (hr(grey, remake=False), f"HR of {ALL}grey"),
    "JPEG, LR remade": (hr(jpeg), f"HR of {ALL}traces of JPEG"),
    "one JPEG, LR as published": (hr(jpeg, "head", remake=False), "HR of head: traces of JPEG"),
    "mod 12, LR remade": (hr(mod_12), f"HR of {ALL}cropped to multiples of 12"),
    "mod 12, LR as published": (hr(mod_12, remake=False), f"HR of {ALL}cropped to multiples of 12"),
    "LR from mod 12": (lr(lambda image, scale: make_lr(mod_12(image), scale)), f"LR of {ALL}made from HR cropped"),
    "another decoder": (hr(off_by_one), f"HR of {ALL}pixels off by one or so: another decoder"),
    "HR red for blue": (hr(lambda image: image[..., ::-1]), f"HR of {ALL}red and blue are swapped"),
    "LR red for blue": (lr(lambda image, scale: make_lr(image, scale)[..., ::-1]), f"LR of {ALL}red and blue"),
    "HR mirrored": (hr(lambda image: image[:, ::-1]), f"HR of {ALL}mirrored left to right"),
    "HR turned": (hr(np.rot90, remake=False), f"HR of {ALL}turned by 90 degrees to the left"),
    "HR moved": (hr(moved), f"HR of {ALL}shifted by 1 pixels to the right and 0 down"),
    "LR moved": (lr(lambda image, scale: moved(make_lr(image, scale))), f"LR of {ALL}shifted by 1 pixels to the right"),
    "HR blurred": (hr(lambda image: cv2.GaussianBlur(image, (0, 0), 1.5)), f"HR of {ALL}less detail"),
    "HR sharpened": (hr(sharpened), f"HR of {ALL}more detail"),
    "HR brighter": (hr(lambda image: (image * 0.9 + 25).astype(np.uint8)), f"HR of {ALL}brighter, darker"),
    "another picture": (hr(lambda image: image // (1, 5, 5), "bird"), "HR of bird: another picture"),
    "LR with another border": (lr(clamped), f"LR of {ALL}other pixels near the border only"),
    "OpenCV": (lr(by_opencv(cv2.INTER_CUBIC)), f"LR of {ALL}made by OpenCV's bicubic, not by MATLAB's"),
    "one by OpenCV": (lr(by_opencv(cv2.INTER_AREA), "bird"), "LR of bird: made by OpenCV's area average"),
    "nearest": (lr(by_opencv(cv2.INTER_NEAREST)), f"LR of {ALL}made by OpenCV's nearest neighbour, not by MATLAB's"),
    "Pillow": (lr(by_pillow(Pictures.Resampling.BICUBIC)), f"LR of {ALL}made by Pillow's bicubic, not by MATLAB's"),
    "Pillow, nearest": (lr(by_pillow(Pictures.Resampling.NEAREST)), f"LR of {ALL}made by Pillow's nearest, not"),
    "Pillow, box": (lr(by_pillow(Pictures.Resampling.BOX)), f"LR of {ALL}made by Pillow's box, not"),
    "Pillow, Lanczos": (lr(by_pillow(Pictures.Resampling.LANCZOS)), f"LR of {ALL}made by Pillow's lanczos, not"),
    "BD": (lr(blurred), f"LR of {ALL}made by a Gaussian blur and subsampling (BD), not by MATLAB's"),
    "LR turned": (lr(lambda image, scale: np.rot90(make_lr(image, scale))), f"LR of {ALL}turned by 90 degrees"),
    "other rounding": (lr(by_floats), f"LR of {ALL}off by one from MATLAB's bicubic"),
    "LR grey": (lr(lambda image, scale: grey(make_lr(image, scale))), f"LR of {ALL}grey, HR is in colour"),
    "X2 in X4": (copied(2, 4), f"LR of {ALL}x2 files in place of x4"),
    "HR as LR": (lr(lambda image, scale: image), f"LR of {ALL}HR in place of LR"),
    "LR enlarged": (lr(lambda image, scale: enlarge(make_lr(image, scale), scale)), f"LR of {ALL}enlarged to the size"),
    "LR as HR": (hr(lambda image: make_lr(image, 4), remake=False), f"HR of {ALL}has the size of LR x4"),
    "LR of another image": (exchanged, "LR of baby: the picture is bird"),
    "HR missing": (lambda folder: hr_files(folder)[0].unlink(), "HR is missing: baby"),
    "LR missing": (lambda folder: lr_file(folder, "bird", 4).unlink(), "LR is missing for bird: no birdx4.png"),
    "one too many": (
        lambda folder: shutil.copy(hr_files(folder)[0], folder / "HR/more.png"),
        "LR is missing for more",
    ),
    "_HR": (renamed("{}_HR"), f"LR of {ALL}renamed, babyx4.png instead of baby_HRx4.png"),
    "SRF": (renamed("{}_SRF_4_HR"), f"LR of {ALL}renamed, babyx4.png instead of baby_SRF_4_HRx4.png"),
    "transparent": (with_alpha, f"HR of {ALL}alpha channel, not opaque"),
    "damaged": (lambda folder: hr_files(folder)[1].write_bytes(b"x"), "bird.png: is damaged"),
}


def problems(folder, scale=4):
    (pair,) = [pair for pair in find_pairs(folder) if pair.scale == scale]
    return verify(pair).problems


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_copy_is_named_for_what_it_is(copy, kind):
    spoil, reason = WRONG[kind]
    assert problems(copy) == []
    spoil(copy)
    said = problems(copy)
    assert any(reason in line for line in said), said
    assert len([line for line in said if line.startswith(reason[:2])]) < len(SIZES)  # one line for the set


def test_of_an_image_that_was_jpeg_before_another_decoder_and_jpeg_again_are_told_apart(pictures, published, tmp_path):
    def other_decoder(image):
        return cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2YCrCb), cv2.COLOR_YCrCb2BGR)

    pictures = {name: jpeg(image) for name, image in pictures.items()}
    published("Set5", pictures)
    for change, reason in ((other_decoder, "another decoder"), (jpeg_again, "JPEG")):
        lay_out(tmp_path / "Set5", pictures)
        hr(change)(tmp_path / "Set5")
        (line,) = problems(tmp_path / "Set5")
        assert reason in line


WHOLE = ["grey, LR remade", "mod 12, LR remade", "OpenCV", "one by OpenCV", "X2 in X4", "HR mirrored", "LR moved"]


@pytest.mark.parametrize("kind", WHOLE)
def test_a_wrong_copy_of_a_set_that_is_known_as_a_whole_is_named(copy, pictures, published, kind):
    published("Set5", pictures, one_by_one=False)
    spoil, reason = WRONG[kind]
    assert problems(copy) == []
    spoil(copy)
    assert any(reason in line for line in problems(copy)), problems(copy)


@pytest.mark.parametrize("crop", [np.s_[:72, :80], np.s_[:70, :84], np.s_[:72, :84]], ids=["rows", "columns", "both"])
def test_cropped_to_multiples_of_12_is_said_of_both_sides(copy, pictures, published, crop):
    published("Set5", pictures, one_by_one=False)
    hr(lambda image: image[crop])(copy)
    is_said = any("cropped to multiples of 12" in line for line in problems(copy))
    assert is_said == (crop == np.s_[:72, :84])


def test_a_change_that_leaves_no_trace_is_still_found(copy, pictures, published):
    published("Set5", pictures, one_by_one=False)
    hr(off_by_one, "bird")(copy)
    (line,) = problems(copy)
    assert "HR is not the published Set5: pixel digest" in line


@pytest.mark.parametrize("one_by_one", [True, False])
def test_published_pixels_under_other_names_are_right_with_a_note(copy, pictures, published, one_by_one):
    published("Set5", pictures, one_by_one)
    for path in hr_files(copy):
        lr_file(copy, path.stem, 4).rename(lr_file(copy, f"{path.stem}_HR", 4))
    renamed("{}_HR")(copy)
    (pair,) = [pair for pair in find_pairs(copy) if pair.scale == 4]
    report = verify(pair)
    assert report.problems == []
    assert "renamed" in report.notes[0]


def test_the_table_holds_the_published_images(shared_benchmark):
    for name in ("Set5", "Set14"):
        images = {path.stem: read_image(path) for path in hr_files(shared_benchmark / name)}
        listed = [(stem, image.shape[1::-1], pixel_digest(image)) for stem, image in images.items()]
        assert set_digest(listed) == SETS[name].digest
        for pair in find_pairs(shared_benchmark / name):
            report = verify(pair)
            assert (report.problems, report.notes) == ([], [])
            assert report.summary.endswith(f"the published {name}")
        for stem, image in images.items():
            known = SETS[name].images[stem]
            assert (known.width, known.height) == image.shape[1::-1]
            assert pixel_digest(make_lr(image, 3)).startswith(known.lr[3])
            assert known.colour == pytest.approx(image.mean((0, 1))[::-1], abs=0.051)
