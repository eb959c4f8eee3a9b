"""Training a Mixer from folders of pictures: read, augment, learn, measure, publish. torch, no Qt, no window."""
