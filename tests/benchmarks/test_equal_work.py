"""Networks trained alike: what they share, what is resumed, what the table says."""

import re
from pathlib import Path

import pytest

from benchmarks import equal_work
from ssiu_arch.data.images import write_image
from ssiu_arch.data.sub_images import make_lr
from ssiu_arch.utils.errors import UserError

LINE = "iter: {:>7,}, lr:(1.0e-04,)] [eta: 0:01:41, time (data): 9.0 (0.002)] l_pix: 1.0e-01 cpu: {}\n"
PSNR = "\t # psnr: {0}\tBest: {0} @ 1 iter\n"
NETWORK, END = "Network: Net, with parameters: 1,234\n", "End of training. Time consumed: 0:00:01\n"
OTHER = NETWORK + LINE.format(40, 0.25) + PSNR.format(29.25) + END
DATA = [word for name in ("--hr", "--lr", "--val-hr", "--val-lr") for word in (name, name[2:])]


@pytest.fixture
def pairs(tmp_path):
    """A folder with photos to train on and one to validate on."""
    import skimage.data

    photo = skimage.data.astronaut()[..., ::-1]
    for name, hr in [*((f"hr/{n}", photo[n : n + 128, :128]) for n in range(4)), ("val-hr/a", photo[:64, :96])]:
        write_image(tmp_path / f"{name}.png", hr)
        write_image(tmp_path / f"{name.replace('hr', 'lr')}.png", make_lr(hr, 4))
    return tmp_path


def write_log(name, text, number=0):
    folder = Path("experiments") / f"equal_{name}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"train_equal_{number}.log").write_text(text)


def test_what_has_ended_is_left_alone_and_the_rest_trained(pairs, python, monkeypatch):
    monkeypatch.chdir(pairs)
    write_log("SAFMN", OTHER)
    done = python("-m", "benchmarks.equal_work", "train", *DATA, "--iterations", 2, "--runs", "SAFMN", "SSIU-0")
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stderr.count(END[:15]) == 1
    ssiu, safmn = equal_work.ended()
    assert safmn == ("SAFMN", (40,), (10,), (29.25,), "1,234")
    assert (ssiu.name, ssiu.iterations, ssiu.parameters) == ("SSIU-0", (1, 2), "794,467")
    assert 0 < ssiu.seconds[0] < ssiu.seconds[1]
    assert all(20 < psnr < 40 for psnr in ssiu.psnr)


def test_only_the_network_differs_and_the_loss_of_one_ablation():
    given = equal_work.parser().parse_args(["train", *DATA])
    options = {name: equal_work.options(name, given) for name in equal_work.RUNS}
    networks = [opt.pop("network_g") for opt in options.values()]
    assert len({str(network) for network in networks}) == len(networks) - 3  # three seeds, and L1
    assert options["SSIU-L1"]["train"].pop("fft_opt", None) is None
    first = options["SSIU-0"]
    assert first["train"]["fft_opt"]["loss_weight"] == 0.02  # 0.01 for patches twice as wide
    for name, opt in options.items():
        assert (opt.pop("name"), opt.pop("manual_seed")) == (f"equal_{name}", equal_work.RUNS[name][1])
        opt["train"].pop("fft_opt", None)
        assert opt == first


class TestTable:
    def test_cpu_seconds_are_those_of_each_iteration_once(self, tmp_path, monkeypatch, capsys):
        """The second seed was killed after iteration 30, and resumed from the state of iteration 20."""
        monkeypatch.chdir(tmp_path)
        half = NETWORK + LINE.format(20, 0.5)
        write_log("SSIU-0", half + PSNR.format(28) + LINE.format(40, 1) + PSNR.format(29) + END)
        write_log("SSIU-1", half + PSNR.format(27) + LINE.format(30, 9))
        write_log("SSIU-1", NETWORK + LINE.format(30, 1) + LINE.format(40, 2) + PSNR.format(30) + END, 1)
        write_log("SAFMN", OTHER)
        write_log("EDSR-M", NETWORK + LINE.format(20, 0.25) + PSNR.format(31))
        assert [each.seconds for each in equal_work.ended()] == [(10, 30), (10,), (10, 40)]  # of SSIU-0, SAFMN, SSIU-1
        monkeypatch.setattr("sys.argv", ["equal_work", "table", "--figure", "equal.png"])
        assert equal_work.main() == 0
        rows = re.findall(r"^\| (\S.*) \|$", capsys.readouterr().out, re.MULTILINE)
        assert [row.split(" | ") for row in rows if row[0] != "-"] == [
            ["SSIU, seeds: 2", "29.500 (29.000 to 30.000)", "0", "35", "1,234"],
            ["SAFMN", "29.250", "-0.250", "10", "1,234"],
        ]
        assert Path("equal.png").read_bytes().startswith(b"\x89PNG")

    def test_nothing_to_compare_with(self, tmp_path, monkeypatch, capsys):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr("sys.argv", ["equal_work", "table"])
        assert equal_work.main() == 2
        assert str(tmp_path / "experiments") in capsys.readouterr().err
        with pytest.raises(UserError, match="SSIU"):
            equal_work.table([])
