import warnings

import numpy as np
import pytest
from basicsr.data.degradations import circular_lowpass_kernel


def test_numpy_warns_again():
    with pytest.warns(RuntimeWarning, match="invalid value"):
        np.zeros(1) / np.zeros(1)


def test_the_kernel_that_divides_by_zero_on_purpose_does_so_silently():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        kernel = circular_lowpass_kernel(np.pi / 3, 7)
    assert kernel.sum() == pytest.approx(1)
