"""A corpus of made-up music: real, tagged audio files by invented artists, with the truth about them apart.

A genre is what happens in time (`genres.py`), an artist is how it sounds (`invented_artists.py`), an album
and its year are how it was produced (`production.py`), and users play what they like (`invented_users.py`).
`synthesise.py` wires them.
"""

from soundkin.extras import require

require("train", "synthesising a corpus")
