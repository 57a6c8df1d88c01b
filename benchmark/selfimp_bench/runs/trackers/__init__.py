"""Runs for trackers of experiments (TensorBoard, Weights & Biases, MLflow): measurements by iteration, and verdicts."""
