"""The vendor's side: publishing, serving and reading thin snapshots."""
