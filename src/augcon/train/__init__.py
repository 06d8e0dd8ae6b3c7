"""Training on a person's own machine: low-rank adapters (extra `train`, torch and peft)."""

from augcon.train.lora import Chat, LoraSettings, Loss, train_lora

__all__ = ["Chat", "LoraSettings", "Loss", "train_lora"]
