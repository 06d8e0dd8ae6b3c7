"""Training on a person's own machine: low-rank adapters (extra `train`, torch and peft)."""

from augcon.train.lora import Example, LoraSettings, Loss, train_lora

__all__ = ["Example", "LoraSettings", "Loss", "train_lora"]
