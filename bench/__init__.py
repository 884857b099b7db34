"""What the main job costs: `python -m bench.main_job`. bench/README.md says what each number means."""
