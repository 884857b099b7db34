"""SPOT: the product's side. Fetches, verifies and switches releases; reports thin snapshots and nothing else."""

__version__ = "0.1.0"
