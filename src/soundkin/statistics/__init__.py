"""Statistics on scores and vectors: arrays in, arrays out."""
