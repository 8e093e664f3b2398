import sys
import types

import pytest
from basicsr import train

OPTIONS = {"name": "x", "logger": {"wandb": {"project": "p"}}}


@pytest.fixture
def wandb(monkeypatch):
    """A wandb that notes how it is called."""
    wandb = types.ModuleType("wandb")
    wandb.util = types.ModuleType("wandb.util")
    wandb.calls = []
    wandb.init = lambda **arguments: wandb.calls.append(arguments)
    monkeypatch.setitem(sys.modules, "wandb", wandb)
    return wandb


def test_a_wandb_without_generate_id(wandb):
    train.init_wandb_logger(OPTIONS)
    train.init_wandb_logger(OPTIONS)
    first, second = (call["id"] for call in wandb.calls)
    assert first != second
    assert len(first) == 8
    assert first.isalnum()
    assert wandb.calls[0]["project"] == "p"


def test_a_wandb_that_has_it_keeps_its_own(wandb):
    wandb.util.generate_id = lambda: "its own"
    train.init_wandb_logger(OPTIONS)
    assert wandb.calls[0]["id"] == "its own"
