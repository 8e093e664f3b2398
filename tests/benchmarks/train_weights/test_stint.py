"""The script of a stint: rehearsed from end to end at toy size, and refused."""

import json
import re
import runpy

import pytest
import torch

from ssiu_arch.archs.ssiu_arch import SSIU
from ssiu_arch.data.images import list_images, write_image
from ssiu_arch.weights import load

TOY = (
    "network_g:num_feat=8",
    "network_g:num_block=3",
    "datasets:train:batch_size_per_gpu=2",
    "datasets:train:gt_size=32",
    "datasets:train:num_worker_per_gpu=0",
    "datasets:train:persistent_workers=false",
    "train:compile=false",
    "train:precision=fp32",
)


@pytest.fixture
def stint(root, tmp_path, monkeypatch, capfd):
    """Run the script in this process, in a folder with photos: exit code, stdout, last line of stderr."""
    import skimage.data

    for folder, photo in {"photos": skimage.data.astronaut(), "val": skimage.data.coffee()[100:164, 200:264]}.items():
        write_image(tmp_path / folder / "photo.png", photo[..., ::-1])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(root))

    def run(*arguments, scale=4, **changes):
        given = {"photos": "photos", "validation": "val", "ship": "ship", "minutes": 9, "jobs": 1, **changes}
        words = [str(word) for name, value in given.items() for word in (f"--{name}", value)]
        recipe = str(root / f"options/shipped/train_SSIU_x{scale}.yml")
        monkeypatch.setattr("sys.argv", ["benchmarks/train_weights", "-opt", recipe, *words, *arguments])
        code = 0
        try:
            runpy.run_path(str(root / "benchmarks/train_weights"), run_name="__main__")
        except SystemExit as ended:
            code = ended.code
        said = capfd.readouterr()
        return code, said.out, (said.err.splitlines() or [""])[-1]

    return run


def test_a_stint_in_two_segments_ends_in_better_weights(stint, tmp_path, sine_weights, monkeypatch):
    """The first is stopped before its end, the second goes on; the start is the shipped weights, here poor ones."""
    from benchmarks.train_weights import plan, run, training

    (tmp_path / "ship").mkdir()
    poor = sine_weights(SSIU(upscale=4, num_feat=8, num_block=3)).state_dict()
    torch.save({"params": poor, "params_ema": poor}, tmp_path / "ship/SSIU_x4.pth")
    before = (tmp_path / "ship/SSIU_x4.pth").read_bytes()
    monkeypatch.setattr(plan, "schedule", lambda pace, minutes, segments, spent: plan.rounded(100))
    given = ("--segments", "2", "--its", "1", "--force_yml", *TOY)

    alarms, train, later = [], training.train, training._later
    with monkeypatch.context() as early:  # the time of the first segment is over after some iterations

        def set_alarm(seconds, action, *arguments):
            alarms.append(lambda: action(*arguments))
            return later(seconds, action, *arguments)

        early.setattr(training, "_later", set_alarm)
        early.setattr(
            run, "train", lambda *a, **k: train(*a, **k, heard=lambda line: "iter:      20" in line and alarms[0]())
        )
        code, out, err = stint(*given)
    assert code == 0, out[-3000:] + err
    assert re.search(
        r"predicted: 1 iterations/s \(as given\).* 100 iterations in 2 segments, SSIU_x4.pth, sha256 ", out
    )
    assert "segment 1 of 2 is over; go on with the same command" in out
    assert (tmp_path / "ship/SSIU_x4.pth").read_bytes() == before

    code, out, err = stint(*given)
    assert code == 0, out[-3000:] + err
    assert "Resuming training from epoch" in out
    shown = re.search(r"shipped: (\S+) dB, the weights shipped before (\S+) dB; written to ship/SSIU_x4.pth", out)
    assert float(shown[1]) > float(shown[2])

    record = json.loads((tmp_path / "ship/SSIU_x4.json").read_text())
    assert record["scores"].keys() == {"SunHays80"}
    (facts,) = record["stints"]
    assert (facts["iterations"], facts["rate"], facts["data"]["images"]) == (100, 5e-4, 1)
    trained = torch.load(tmp_path / "experiments/stint_SSIU_x4/models/net_g_100.pth")["params_ema"]
    shipped = load("ship/SSIU_x4.pth").state_dict()
    assert all(torch.equal(shipped[name], value.half().float()) for name, value in trained.items())

    code, _, err = stint(*given)
    assert code == 2
    assert "this stint has ended; move it and experiments/stint_SSIU_x4 away to begin the next" in err


def test_x2_starts_from_x4_but_for_its_tail_and_its_pace_is_measured(stint, tmp_path, sine_weights, monkeypatch):
    from benchmarks.train_weights import plan

    monkeypatch.setattr(plan, "schedule", lambda pace, minutes, segments, spent: plan.rounded(1))
    (tmp_path / "ship").mkdir()
    x4 = sine_weights(SSIU(upscale=4, num_feat=8, num_block=3)).state_dict()
    torch.save({"params": x4, "params_ema": x4}, tmp_path / "ship/SSIU_x4.pth")
    code, out, err = stint("--trial", "4", "--force_yml", *TOY, "train:optim_g:betas=[0.9,0.99]", scale=2)
    assert code == 0, out[-3000:] + err
    assert "(measured in a trial)" in out
    assert not list(tmp_path.glob("experiments/*_trial*"))
    trained = torch.load(tmp_path / "experiments/stint_SSIU_x2/models/net_g_1.pth")["params_ema"]
    own = {name for name in trained if trained[name].shape != x4.get(name, torch.empty(0)).shape}
    assert own
    assert all(name.startswith("tail.") for name in own)
    moved = [name for name in trained.keys() - own if (trained[name] - x4[name]).abs().max() > 1e-3]
    assert not [name for name in moved if not name.startswith("tail.")]
    assert "not shipped: " in out
    assert not (tmp_path / "ship/SSIU_x2.pth").exists()


@pytest.mark.parametrize(
    ("arguments", "changes", "words"),
    [
        ((), {"photos": "nowhere"}, "--photos nowhere: there is no such folder"),
        ((), {"validation": "nowhere"}, "--validation nowhere: there is no such folder"),
        ((), {"benchmarks": "val"}, "--benchmarks val: holds no benchmark set"),
        ((), {"trial": 3}, "--trial 3: must be at least 4"),
        ((), {"minutes": 0}, "argument --minutes: '0' must be a number above 0"),
        (("-opt", "none.yml"), {}, "-opt none.yml: cannot be read"),
        (("-opt", "list.yml"), {}, "-opt list.yml: is no option file to train with: it needs "),
        (("--force_yml", "network_g:type=EDSR"), {}, "network_g.type is EDSR; only SSIU is shipped"),
        (("--force_yml", "name"), {}, "--force_yml 'name' has no '='"),
        (("--force_yml", "name=begun"), {}, "experiments/begun: is there already, of no stint; move it"),
        (("--force_yml", "network_g:num_feat=16"), {}, "was made for num_feat 8, network_g has 16; --scratch starts"),
        (("--its", "9"), {"minutes": 1}, "which leaves no time for 10 iterations; give it more"),
        (
            ("--its", "9", "--force_yml", "datasets:train:dataroot_gt=a/b.lmdb"),
            {},
            "is not of the form FOLDER/NAME/NAME_HR",
        ),
    ],
)
def test_refused_before_anything_is_trained(stint, tmp_path, sine_weights, arguments, changes, words):
    (tmp_path / "list.yml").write_text("- 1\n")
    (tmp_path / "experiments/begun").mkdir(parents=True)
    (tmp_path / "ship").mkdir()
    x4 = sine_weights(SSIU(upscale=4, num_feat=8, num_block=3)).state_dict()
    torch.save({"params": x4}, tmp_path / "ship/SSIU_x4.pth")
    if "num_feat=16" not in " ".join(arguments):
        arguments = ("--scratch", *arguments)
    code, out, err = stint(*arguments, **changes)
    assert code == 2
    assert words in err
    assert "INFO" not in out
    assert [path.name for path in (tmp_path / "experiments").iterdir()] == ["begun"]
    assert len(list_images(tmp_path / "photos")) == 1
