"""What others see of account."""
