"""Publishing: a tree of files becomes a release on offer, whole or not at all. The room of the signing keys."""
