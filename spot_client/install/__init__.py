"""From verified bytes to a version in use: staged tree, journal, and the one atomic step."""
