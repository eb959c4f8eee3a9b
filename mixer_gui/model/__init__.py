"""The MLP-Mixer and its checkpoints. Knows no window, no thread and no network."""
