"""Asking people: which question next, sessions, and how well each of them answers."""

from soundkin.extras import require

require("serve", "asking people")
