"""A corpus of made-up music: real, tagged audio files by invented artists, with the truth about them kept
apart.

A genre is what happens in time (`genres.py`), an artist is how it sounds (`artists.py`), an album and its
year are how it was produced (`production.py`), and listeners play what they like (`listeners.py`).
`synthesise.py` wires them.
"""
