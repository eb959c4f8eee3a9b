"""What the heatmaps show: reads a recorded forward pass, never changes the model."""
