"""What others see of settlement."""
