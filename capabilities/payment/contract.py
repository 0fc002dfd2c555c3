"""What others see of payment."""
