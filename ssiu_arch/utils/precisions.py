"""The precisions that ``precision`` and ``--precision`` name. Without torch, so that ``--help`` and checks are quick."""

PRECISIONS = ("fp32", "tf32", "bf16", "fp16")
TRAINING_PRECISIONS = ("fp32", "tf32", "bf16")  # fp16 would need its losses scaled
