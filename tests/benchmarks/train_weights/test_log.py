from benchmarks.train_weights.log import Row, read_logs

BEGUN = """\
2026-11-23 20:08:07,849 INFO: Validation coffee
\t # psnr: 28.4664
2026-11-23 20:08:09,249 INFO: [demo_..][epoch:  0, iter:     990, lr:(7.973e-04,)] [eta: 1 day, 0:01:41, time \
(data): 0.373 (0.002)] l_pix: 1.7966e-02 l_fft: 1.7393e-02
2026-11-23 20:08:36,516 INFO: Validation coffee
\t # psnr: 27.6552\tBest: 27.6552 @ 990 iter
\t # ssim: 0.7763\tBest: 0.7763 @ 990 iter

2026-11-23 20:08:43,246 INFO: [demo_..][epoch:  0, iter:   1,000, lr:(7.9e-04,)] [eta: 0:01:41, time \
(data): 0.500 (0.002)] l_pix: 3.0e-02 l_fft: 2.0e-02
"""
RESUMED = """\
2026-11-23 21:08:43,246 INFO: [demo_..][epoch:  0, iter:   1,000, lr:(7.9e-04,)] [eta: 0:01:41, time \
(data): 0.250 (0.002)] l_pix: 4.0e-02
2026-11-23 21:10:50,840 INFO: Validation coffee
\t # psnr: 27.5000\tBest: 27.6552 @ 990 iter
"""


def test_losses_and_scores_by_iteration_what_was_trained_again_once(tmp_path):
    (tmp_path / "train_demo_20261123_200000.log").write_text(BEGUN)
    (tmp_path / "train_demo_20261123_210000.log").write_text(RESUMED)
    assert read_logs(tmp_path) == [
        Row(990, 0.373, {"l_pix": 0.017966, "l_fft": 0.017393}, 27.6552),
        Row(1000, 0.25, {"l_pix": 0.04}, 27.5),
    ]


def test_bicubics_score_is_no_iterations(tmp_path):
    """It is logged between an iteration and its validation, before which this run was killed."""
    bicubic, iteration, _ = BEGUN.split("2026-11-23 20:08:")[1:4]
    (tmp_path / "train_demo.log").write_text(f"{iteration}\n{bicubic}")
    assert read_logs(tmp_path) == [Row(990, 0.373, {"l_pix": 0.017966, "l_fft": 0.017393})]
