import pytest
import torch
from basicsr.models.base_model import BaseModel

from ssiu_arch.patches.compat.models import OPTIMIZERS


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_names_of_the_git_repository(name):
    model = BaseModel({"num_gpu": 0, "is_train": True})
    optimizer = model.get_optimizer(name, [torch.nn.Parameter(torch.ones(2))], 0.1, maximize=True)
    assert type(optimizer) is getattr(torch.optim, name)
    assert optimizer.defaults["maximize"] is True


def test_unknown_names_are_left_to_basicsr():
    with pytest.raises(NotImplementedError, match="Muon2"):
        BaseModel({"num_gpu": 0, "is_train": True}).get_optimizer("Muon2", [], 0.1)
