import torch

from ssiu_arch.patches.training import missing_options


def test_training(parse, options_text):
    opt = parse(text=options_text.replace("logger: {print_freq: 10}", "").replace("num_gpu: 1", ""))
    assert opt["logger"] == {"print_freq": 100, "save_checkpoint_freq": 5000, "use_tb_logger": False}
    assert "models" in opt["path"]
    assert opt["num_gpu"] == torch.cuda.device_count()


def test_what_is_there_stays(parse, options_text):
    opt = parse(text=options_text + "val: {save_img: true}\n")
    assert opt["logger"]["print_freq"] == 10
    assert opt["val"] == {"save_img": True, "suffix": None}


def test_a_training_without_val_stays_without(parse):
    assert "val" not in parse()


def test_a_test_without_val_saves_nothing(parse, options_text):
    assert parse(is_train=False, text=options_text.replace("train: {ema", "other: {ema"))["val"]["save_img"] is False


def test_a_data_set_that_is_null_is_left_out(parse, options_text):
    text = options_text.replace("network_g:", "  val_1: {name: c, type: d}\n  val_2: {name: e, type: f}\nnetwork_g:")
    opt = parse("--force_yml", "datasets:val_1=none", text=text)
    assert list(opt["datasets"]) == ["train", "val_2"]


def test_inert_the_second_time():
    assert not missing_options.REPAIR.is_needed()
