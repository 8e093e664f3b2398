"""The precisions that ``precision`` and ``--precision`` name; without torch, so that ``--help`` is quick."""

PRECISIONS = ("fp32", "tf32", "bf16", "fp16")
TRAINING_PRECISIONS = ("fp32", "tf32", "bf16")  # fp16 would need its losses scaled
