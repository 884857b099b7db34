"""What support reads: thin snapshots, compared and counted."""
