"""Mixer GUI: see how an MLP-Mixer looks at a picture. Holds the version and imports nothing."""

__version__ = "0.1.0"
