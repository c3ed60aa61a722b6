"""From audio files to log-mel frames, patches and the cache that training reads."""
