"""The main job, played on real input by the real programs: `make demo`."""
