"""Two small networks, and exports of them that most tests share."""

import re

import pytest

from ssiu_arch import SSIU

SIZE = (20, 31)  # the only one of the static export


@pytest.fixture(scope="session")
def net(sine_weights):
    return sine_weights(SSIU(upscale=4, num_feat=8, num_block=3))


@pytest.fixture(scope="session")
def plain_net(sine_weights):
    """Quick to export: one stage, no ESAM, no selector."""
    options = {"num_feat": 8, "num_block": 1, "sparse_attention": False, "feature_selector": False}
    return sine_weights(SSIU(upscale=3, **options))


@pytest.fixture(scope="session")
def to_onnx():
    """The function; skips where the extra is missing."""
    for module in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(module, reason=f"{module}, of the extra export, is not installed")
    from ssiu_arch.tools.export.to_onnx import to_onnx

    return to_onnx


@pytest.fixture(scope="session")
def model(net, to_onnx):
    return to_onnx(net, opset=17)


@pytest.fixture(scope="session")
def static_model(plain_net, to_onnx):
    return to_onnx(plain_net, opset=17, static=SIZE, facts={"weights": "net.pth, sha256 0123"})


@pytest.fixture(scope="session")
def page(root):
    """The examples in Python of a section of the export's page."""

    def examples(section):
        text = (root / "docs" / "export.md").read_text().partition(f"\n## {section}\n")[2].partition("\n## ")[0]
        return re.findall(r"```python[^\n]*\n(.*?)```", text, re.DOTALL)

    return examples
