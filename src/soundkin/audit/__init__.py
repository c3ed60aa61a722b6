"""Whether labels, audio and judges can be trusted."""
