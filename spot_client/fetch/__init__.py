"""What crosses the network: pinned connections, the catalogue, blocks, and the cache that spares the next time."""
