import subprocess
import sys

import torch


def python(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)


def test_basicsr_is_importable_after_the_plugin_and_only_then():
    bare = python("import basicsr")
    assert "functional_tensor" in bare.stderr, "BasicSR imports by itself: the repair can go"
    assert python("import ssiu_arch, basicsr").returncode == 0


def test_plugin_alone_is_light():
    heavy = python(
        "import ssiu_arch, sys; print([m for m in ('torch', 'torchvision', 'basicsr', 'cv2') if m in sys.modules])"
    )
    assert heavy.stdout.strip() == "[]"


def test_the_function_is_torchvisions():
    from torchvision.transforms import functional
    from torchvision.transforms.functional_tensor import rgb_to_grayscale

    x = torch.rand(1, 3, 4, 4)
    torch.testing.assert_close(rgb_to_grayscale(x), functional.rgb_to_grayscale(x))


def test_an_existing_module_is_left_alone(tmp_path):
    """A torchvision that has the module: the finder stands last and is never asked."""
    package = tmp_path / "torchvision" / "transforms"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").touch()
    (package / "__init__.py").touch()
    (package / "functional_tensor.py").write_text("rgb_to_grayscale = 'its own'")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import ssiu_arch;"
        "from torchvision.transforms.functional_tensor import rgb_to_grayscale; print(rgb_to_grayscale)"
    )
    assert python(code).stdout.strip() == "its own"
