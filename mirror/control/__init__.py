"""The process that alone writes: what it gathers from the workers, and how it keeps them."""
