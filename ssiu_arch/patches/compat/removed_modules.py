"""Modules that BasicSR imports and that current packages have removed."""

from ssiu_arch.patches.patch import RemovedModule

FUNCTIONAL_TENSOR = RemovedModule(
    name="functional_tensor",
    defect="`import basicsr` ends in No module named 'torchvision.transforms.functional_tensor'.",
    upstream="basicsr/data/degradations.py:8",
    module="torchvision.transforms.functional_tensor",
    replacement="torchvision.transforms.functional",
)
SCIPY_FILTERS = RemovedModule(
    name="scipy_filters",
    defect="With SciPy 2 `import basicsr` ends in No module named 'scipy.ndimage.filters'.",
    upstream="basicsr/metrics/niqe.py:5, data/data_util.py:275",
    module="scipy.ndimage.filters",
    replacement="scipy.ndimage",
)
