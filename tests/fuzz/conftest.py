"""How long an example takes says nothing here: it is the machine that is busy."""

from hypothesis import settings

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
