import subprocess
import sys


def python(code, path):
    start = f"import sys; sys.path.insert(0, {str(path)!r}); "
    return subprocess.run([sys.executable, "-c", start + code], capture_output=True, text=True, timeout=120)


def test_a_scipy_without_the_module(tmp_path):
    ndimage = tmp_path / "scipy/ndimage"
    ndimage.mkdir(parents=True)
    (ndimage.parent / "__init__.py").touch()
    (ndimage / "__init__.py").write_text("convolve = 'the function'; _secret = 1")
    both = "from scipy.ndimage.filters import convolve; from scipy.ndimage import filters; print(filters.convolve)"
    assert "No module named 'scipy.ndimage.filters'" in python(both, tmp_path).stderr
    assert python("import ssiu_arch; " + both, tmp_path).stdout.strip() == "the function"


def test_a_scipy_that_has_it_keeps_its_own(tmp_path):
    ndimage = tmp_path / "scipy/ndimage"
    ndimage.mkdir(parents=True)
    (ndimage.parent / "__init__.py").touch()
    (ndimage / "__init__.py").touch()
    (ndimage / "filters.py").write_text("convolve = 'its own'")
    code = "import ssiu_arch; from scipy.ndimage.filters import convolve; print(convolve)"
    assert python(code, tmp_path).stdout.strip() == "its own"
