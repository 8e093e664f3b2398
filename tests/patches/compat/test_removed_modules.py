"""Modules that torchvision and SciPy removed, in processes of their own."""

import subprocess
import sys

import torch


def python(code, path=None):
    start = f"import sys; sys.path.insert(0, {str(path)!r}); " if path else ""
    return subprocess.run([sys.executable, "-c", start + code], capture_output=True, text=True, timeout=120)


def test_basicsr_is_importable_only_after_the_plugin():
    assert "functional_tensor" in python("import basicsr").stderr, "BasicSR imports by itself: the patch can go"


def test_the_plugin_alone_is_light():
    heavy = python(
        "import ssiu_arch, sys; print([m for m in ('torch', 'torchvision', 'basicsr', 'cv2') if m in sys.modules])"
    )
    assert heavy.stdout.strip() == "[]"


def test_the_function_is_torchvisions():
    from torchvision.transforms import functional
    from torchvision.transforms.functional_tensor import rgb_to_grayscale

    x = torch.rand(1, 3, 4, 4)
    torch.testing.assert_close(rgb_to_grayscale(x), functional.rgb_to_grayscale(x))


def fake(folder, name, **files):
    """A package of two levels that stands before the installed one of that name."""
    package = folder.joinpath(*name.split("."))
    package.mkdir(parents=True)
    (package.parent / "__init__.py").touch()
    (package / "__init__.py").write_text(files.pop("init", ""))
    for file, text in files.items():
        (package / f"{file}.py").write_text(text)
    return folder


APPLY = "from ssiu_arch.patches.compat.removed import {} as it; it.apply(); print(it.state()); "


def test_a_torchvision_that_has_the_module_keeps_it(tmp_path):
    fake(tmp_path, "torchvision.transforms", functional_tensor="rgb_to_grayscale = 'its own'")
    code = "from torchvision.transforms.functional_tensor import rgb_to_grayscale; print(rgb_to_grayscale)"
    done = python(APPLY.format("FUNCTIONAL_TENSOR") + code, tmp_path)
    assert done.stdout.splitlines() == ["not needed here", "its own"]


def test_a_scipy_without_the_module(tmp_path):
    fake(tmp_path, "scipy.ndimage", init="convolve = 'the function'; _secret = 1")
    both = "from scipy.ndimage.filters import convolve; from scipy.ndimage import filters; print(filters.convolve)"
    assert "No module named 'scipy.ndimage.filters'" in python(both, tmp_path).stderr
    assert python(APPLY.format("SCIPY_FILTERS") + both, tmp_path).stdout.splitlines() == ["in force", "the function"]


def test_a_scipy_that_has_the_module_keeps_it(tmp_path):
    fake(tmp_path, "scipy.ndimage", filters="convolve = 'its own'")
    code = "from scipy.ndimage.filters import convolve; print(convolve)"
    assert python(APPLY.format("SCIPY_FILTERS") + code, tmp_path).stdout.splitlines() == ["not needed here", "its own"]
