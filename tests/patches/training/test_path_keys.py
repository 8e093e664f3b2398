import basicsr.utils


def test_unknown_and_empty_keys_make_no_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = {
        "experiments_root": "e/x",
        "models": "e/x/models",
        "my_note": "surprise",
        "resume_state": None,
        "empty": None,
    }
    basicsr.utils.make_exp_dirs({"is_train": True, "path": path})
    assert sorted(str(folder.relative_to(tmp_path)) for folder in tmp_path.rglob("*")) == ["e", "e/x", "e/x/models"]
    assert "my_note" in path
