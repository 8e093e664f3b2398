"""The wrapper that the repairs of options share; each of them has a test file of its own."""

import basicsr.test
import basicsr.train
from basicsr.utils.options import parse_options

from ssiu_arch.patches.patch import is_ours


def test_training_and_testing_use_the_repaired_function():
    assert basicsr.train.parse_options is parse_options
    assert basicsr.test.parse_options is parse_options
    assert is_ours(parse_options)
