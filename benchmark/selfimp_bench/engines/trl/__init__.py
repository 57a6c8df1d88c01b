"""The trainer on TRL."""
