"""Decisions, each a pure function of what is known: which release to go to, and how to get its bytes most cheaply."""
