"""How thoroughly properties are tried."""

from __future__ import annotations

import os

import hypothesis

# How many examples a property is tried with: `./dev test` names the thorough profile.
hypothesis.settings.register_profile("quick", max_examples=25, deadline=None)
hypothesis.settings.register_profile("thorough", max_examples=100, deadline=None)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))
