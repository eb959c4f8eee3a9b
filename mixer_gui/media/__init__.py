"""Moving pictures: their sources, conversion and recording. Qt without widgets; no torch."""
