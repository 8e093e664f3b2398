import pytest
import yaml
from basicsr.utils import options


def load(text):
    return yaml.load(text, Loader=options.ordered_yaml()[0])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("2e-4", 2e-4), ("1.0e-3", 1e-3), ("25e-1", 2.5), ("2.0", 2.0)),
        *(("5e3", 5000), ("-1E+2", -100), ("1.e3", 1000), (".5e1", 5), ("1_0e1", 100), ("!!float 5e3", 5000)),
    ],
)
def test_exponents_are_numbers_whole_ones_to_count_with(text, value):
    found = load(f"lr: {text}")["lr"]
    assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize("text", ["e3", "1e", "x1e3", "1e3x", "0001_s001", "12"])
def test_other_scalars_stay_what_they_were(text):
    assert load(text) == yaml.safe_load(text)
    assert type(load(text)) is type(yaml.safe_load(text))


def test_basicsrs_own_reading_runs_no_code(tmp_path):
    with pytest.raises(yaml.YAMLError, match="the tag !!python"):
        load(f"a: !!python/object/apply:os.mkdir ['{tmp_path}/made']")
    assert not (tmp_path / "made").exists()


def test_key_order_is_kept():
    assert list(load("{b: 1, a: 2, c: 3}")) == ["b", "a", "c"]


def test_other_users_of_pyyaml_keep_their_loader():
    options.ordered_yaml()
    assert yaml.load("1e-3", Loader=yaml.CLoader if yaml.__with_libyaml__ else yaml.Loader) == "1e-3"
