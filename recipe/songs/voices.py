"""Voices: what a speech synthesiser says, sung, rapped, shouted or growled over a song."""

import io
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import soundfile
import soxr

from songs import data
from songs.effects import echo, reverb
from songs.samples import RATE_HZ, SECONDS, Samples, band, pick, with_rms
from songs.singing import Speech, recite, sing

if TYPE_CHECKING:
    from songs.song import Song

SUNG = ("male", "female", "choir")
FLITE_SHARE = 0.25
CONCERT_A = 69  # MIDI, 440 Hz
CHOIR_INTERVALS = (0, 0, 3, 4, 7, -12, 12)


def sung(song: "Song", kind: str) -> Samples | None:
    """A voice of one kind (male, female, choir, rap, shout, growl), as long as a song; None if it is mute."""
    rng, track = song.rng, np.zeros(int(SECONDS * RATE_HZ) + RATE_HZ)
    singer = Singer.drawn(rng, kind)
    phrase_seconds = song.bar * (1 if song.tempo < 130 else 2)
    lines = _spoken_lines(rng, singer, phrase_seconds)
    if not lines:
        return None
    rest_share = rng.uniform(0.05, 0.35)
    degrees = [int(degree) for degree in np.cumsum(rng.integers(-2, 3, 24)) % 9]
    for number in range(int(SECONDS / phrase_seconds)):
        if rng.random() < rest_share:
            continue
        start = int((number * phrase_seconds + rng.uniform(0, 0.1) * song.bar) * RATE_HZ)
        seconds, speech = phrase_seconds * rng.uniform(0.7, 0.97), lines[number % len(lines)]
        if kind in SUNG:
            turned = degrees[3 * (number % 2) :] + degrees[: 3 * (number % 2)]
            phrase = _sung_phrase(song, singer, speech, seconds, turned)
        else:
            phrase = _recited_phrase(rng, singer, speech, seconds, is_last=number % 4 == 3)
        phrase = phrase[: len(track) - start]
        track[start : start + len(phrase)] += with_rms(phrase)
    track = band(track[: int(SECONDS * RATE_HZ)], 90, rng.uniform(7000, 11000))
    return _in_the_mix(rng, track, song.beat) if track.any() else None


@dataclass(frozen=True)
class Singer:
    """A synthesiser's voice, its formants moved by a factor; `centre`: middle of its range, MIDI."""

    kind: str
    voice: str
    formant: float
    centre: int

    @classmethod
    def drawn(cls, rng: np.random.Generator, kind: str) -> "Singer":
        """Of one kind; a few rappers, shouters and choirs are women."""
        names = data.read("words")
        is_female = kind == "female" or (kind in ("rap", "shout", "choir") and rng.random() < 0.3)
        sex = "female" if is_female else "male"
        voice = pick(rng, names["languages"])
        if rng.random() < FLITE_SHARE:
            voice = f"flite:{pick(rng, names['flite voices'][sex])}"
        else:
            voice += pick(rng, names["espeak variants"][sex])
        formant = rng.uniform(1.0, 1.2) if is_female else rng.uniform(0.84, 1.05)
        return cls(kind, voice, formant, (62 if is_female else 50) + int(rng.integers(-3, 8)))

    def hertz(self, semitones_above: float) -> float:
        """So far above its centre."""
        return 440 * 2 ** ((self.centre + semitones_above - CONCERT_A) / 12)


def _spoken_lines(rng: np.random.Generator, singer: Singer, phrase_seconds: float) -> list[Speech]:
    """Two to four lines, said and taken apart; those too short to be sung are left out."""
    lines = []
    for _ in range(int(rng.integers(2, 5))):
        words_a_second = rng.uniform(3.2, 5.2) if singer.kind == "rap" else rng.uniform(1.2, 2.4)
        text = _words(rng, max(2, int(phrase_seconds * words_a_second)))
        samples = _speak(text, singer.voice, int(rng.integers(150, 260)))
        if len(samples) > RATE_HZ // 3:
            lines.append(Speech.from_samples(samples))
    return lines


def _words(rng: np.random.Generator, count: int) -> str:
    """English ones, or of no language."""
    words = data.read("words")
    if rng.random() < 0.7:
        return " ".join(pick(rng, words["english"]) for _ in range(count))
    syllables = [
        [pick(rng, words["onsets"]) + pick(rng, words["vowels"]) for _ in range(int(rng.integers(1, 4)))]
        for _ in range(count)
    ]
    return " ".join("".join(word) for word in syllables)


def _speak(text: str, voice: str, words_a_minute: int) -> Samples:
    """Said by a voice, without the silence around it; empty if the synthesiser fails."""
    command = ["espeak-ng", "-v", voice, "-s", str(words_a_minute), "--stdout", text]
    if voice.startswith("flite:"):
        command = ["flite", "-voice", voice.removeprefix("flite:"), "-t", text, "-o", "/dev/stdout"]
    said = subprocess.run(command, capture_output=True, check=False).stdout
    try:
        samples, rate_hz = soundfile.read(io.BytesIO(_with_lengths(said)))
    except soundfile.LibsndfileError:
        return np.zeros(0)
    mono = samples if samples.ndim == 1 else samples.mean(axis=1)
    mono = soxr.resample(mono, rate_hz, RATE_HZ)
    loud = np.flatnonzero(np.abs(mono) > 0.01)
    return mono[loud[0] : loud[-1]] if len(loud) else np.zeros(0)


def _with_lengths(wav: bytes) -> bytes:
    """A WAV whose header states its lengths: a synthesiser that writes to a pipe does not know them."""
    filled = bytearray(wav)
    if filled[:4] == b"RIFF":
        filled[4:8] = (len(filled) - 8).to_bytes(4, "little")
        place = filled.find(b"data")
        if place > 0:
            filled[place + 4 : place + 8] = (len(filled) - place - 8).to_bytes(4, "little")
    return bytes(filled)


def _sung_phrase(song: "Song", singer: Singer, speech: Speech, seconds: float, degrees: list[int]) -> Samples:
    """On a few notes of the scale, by one voice, a doubled one, or a choir of five to eight."""
    rng, eighths = song.rng, int(seconds / song.step / 2) + 1
    drawn = rng.choice(eighths, min(eighths, int(rng.integers(3, 8))), replace=False)
    melody = []
    for degree, eighth in zip(degrees * 2, sorted({0, *map(int, drawn)}), strict=False):
        key = song.key_of(degree, singer.centre + 7)
        melody.append((2 * eighth * song.step, 440 * 2 ** ((key - CONCERT_A) / 12)))
    is_choir = singer.kind == "choir"
    count = int(rng.integers(5, 9)) if is_choir else 2 if rng.random() < 0.35 else 1
    together = np.zeros(0)
    for _ in range(count):
        interval = 2 ** (float(rng.choice(CHOIR_INTERVALS)) / 12) if is_choir else 1.0
        detuned = [
            (start, hertz * interval * 2 ** rng.normal(0, 0.012 * (count > 1))) for start, hertz in melody
        ]
        formant = singer.formant * (rng.uniform(0.88, 1.12) if count > 2 else 1)
        voice = sing(rng, speech, seconds, detuned, formant, breath=rng.uniform(0, 0.25))
        voice = np.roll(np.pad(voice, (0, 600)), int(rng.integers(0, 500 * (count > 1) + 1)))
        together = voice + together if len(together) else voice
    return together


def _recited_phrase(
    rng: np.random.Generator, singer: Singer, speech: Speech, seconds: float, is_last: bool
) -> Samples:
    """Rapped, now and then doubled at the last of four lines, shouted or growled."""
    if singer.kind == "rap":
        pitch = singer.hertz(2) * rng.uniform(0.95, 1.05)
        breath, liveliness = rng.uniform(0, 0.15), rng.uniform(0.2, 0.7)
        phrase = recite(speech, seconds, pitch, liveliness, singer.formant, breath)
        return phrase + 0.6 * np.roll(phrase, 300) if is_last and rng.random() < 0.4 else phrase
    if singer.kind == "shout":
        phrase = recite(speech, seconds, singer.hertz(9), 0.6, singer.formant, rng.uniform(0.2, 0.5))
        strain = rng.uniform(3, 8)
    else:
        breath = rng.uniform(0.5, 0.9)
        phrase = recite(speech, seconds, rng.uniform(55, 95), 0.2, singer.formant * 0.85, breath)
        strain = rng.uniform(6, 20)
    return np.tanh(strain * phrase / (np.abs(phrase).max() + 1e-9))


def _in_the_mix(rng: np.random.Generator, track: Samples, beat: float) -> Samples:
    """In a room, echoed, through a telephone, or dry."""
    if rng.random() < 0.6:
        track = reverb(rng, track, rng.uniform(0.5, 2.2), rng.uniform(0.1, 0.6))
    if rng.random() < 0.25:
        track = echo(track, beat * pick(rng, [0.5, 0.75, 1]), 0.35, 0.3)
    if rng.random() < 0.08:
        track = band(np.tanh(5 * with_rms(track)), 350, 3200)
    return track
