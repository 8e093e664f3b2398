import pytest
from basicsr import train

from ssiu_arch.utils.errors import UserError


class Images(list):
    pass


@pytest.fixture
def plan(monkeypatch):
    """Epochs and iterations that a run of so many images, this batch and this total has."""

    def make(images, batch, total, ratio=1):
        monkeypatch.setattr(train, "build_dataset", lambda options: Images(range(images)))
        data = {"phase": "train", "batch_size_per_gpu": batch, "num_worker_per_gpu": 0, "dataset_enlarge_ratio": ratio}
        opt = {"datasets": {"train": data}, "train": {"total_iter": total}, "manual_seed": 0}
        opt |= {"world_size": 1, "rank": 0, "num_gpu": 0, "dist": False}
        logger = type("Logger", (), {"info": lambda self, text: None})()
        loader, sampler, _, epochs, iterations = train.create_train_val_dataloader(opt, logger)
        done = 0
        for epoch in range(epochs + 1):  # as train_pipeline does
            sampler.set_epoch(epoch)
            done += sum(1 for _ in loader)
        return done, iterations

    return make


@pytest.mark.parametrize(("images", "batch", "total"), [(9, 4, 30), (8, 4, 30), (5, 5, 1), (7, 3, 4), (100, 3, 10)])
def test_the_iterations_asked_for_are_the_iterations_done(plan, images, batch, total):
    assert plan(images, batch, total) == (total, total)


def test_a_set_smaller_than_a_batch_is_an_error(plan):
    with pytest.raises(UserError, match=r"3 images are fewer than a batch of 4: raise dataset_enlarge_ratio"):
        plan(3, 4, 10)
    assert plan(3, 4, 10, ratio=2) == (10, 10)
