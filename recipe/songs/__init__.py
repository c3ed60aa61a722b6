"""Made-up songs: bass, drums, chords, a lead and a voice, in some fifty styles, from rock band to choir.

    song.py         what is drawn for a song (style, tempo, key, chords), and the whole of it
    patterns.py     what an instrument plays          playing.py      played by sound fonts
    voices.py       who sings, raps or shouts what    singing.py      speech turned into song
    effects.py      of one instrument                 mastering.py    of the whole recording
    *.yaml          styles, drum patterns, harmony, instruments, words

Samples are mono, at `RATE_HZ`. All randomness comes from the generator that is passed in.
"""

import warnings

warnings.filterwarnings("ignore", message="pkg_resources is deprecated")  # of pyworld, which imports it
