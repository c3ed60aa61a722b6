"""The made-up artists, each with a sound of their own, their albums, and the plan of each track.

All artists choose from the same instruments, so any single timbre appears in several genres; their choice,
how they set it up and how they mix it makes their sound. Everything is drawn from the config's random seed;
each track also carries a random seed of its own, so that worker processes can make tracks in any order.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from soundkin.corpus.composing import PlayingStyle
from soundkin.corpus.corpus_config import CorpusConfig
from soundkin.corpus.drums import Kit, draw_kit
from soundkin.corpus.genres import GENRES, Genre
from soundkin.corpus.instruments import FAMILIES, Instrument, draw_instrument, set_up
from soundkin.corpus.invented_words import LANGUAGE_SHARES, LANGUAGES, new_name, word
from soundkin.corpus.production import FIRST_YEAR, LAST_YEAR, Production, age, draw_production, vary

FORMATS, FORMAT_SHARES = ("ogg", "flac", "mp3"), (0.4, 0.43, 0.17)
SAMPLE_RATES_HZ, SAMPLE_RATE_SHARES = (22050, 44100, 48000), (0.55, 0.35, 0.1)
STEREO_SHARE = 0.35
CROSSOVER_SHARE = 0.1  # of the tracks borrow another genre's harmony and are tagged with both
PREFERRED_SHARE = 0.5  # of the instruments come from the genre's own families, the rest from any
MODELS_PER_FAMILY, KITS = 4, 12
ALBUM_VARIATION, TRACK_VARIATION = 1.0, 0.7  # in the studio
LYRICS_SHARE = 0.6  # of the artists sing

Models = Mapping[str, tuple[Instrument, ...]]  # by family


@dataclass(frozen=True)
class Artist:
    """Who plays: the instruments they own, a style, and a sound in the studio."""

    name: str
    genre: Genre
    language: str
    sings: bool
    first_year: int
    kit: Kit
    instruments: Mapping[str, tuple[Instrument, ...]]  # by layer
    style: PlayingStyle
    production: Production


@dataclass(frozen=True)
class Album:
    """Tracks of one production, encoded alike."""

    artist: Artist
    title: str
    year: int
    production: Production
    audio_format: str
    sample_rate_hz: int
    channels: int
    lyrics_as_files: bool  # as .lrc files, not in the tags


@dataclass(frozen=True)
class TrackPlan:
    """All that is decided about a track before it is made."""

    album: Album
    number: int  # on the album, from 1
    title: str
    instruments: Mapping[str, Instrument]  # those of the artist's that play, by layer
    production: Production
    harmony: Genre  # the artist's genre, or the one it crosses over to
    seconds: float
    random_seed: tuple[int, int]

    @property
    def genres(self) -> tuple[str, ...]:
        """Genre names, the main one first."""
        return tuple(dict.fromkeys((self.album.artist.genre.name, self.harmony.name)))


def plan_tracks(config: CorpusConfig) -> list[TrackPlan]:
    """Every track of the corpus, artist by artist, album by album."""
    rng = np.random.default_rng(config.random_seed)
    models = {
        family: tuple(draw_instrument(family, rng) for _ in range(MODELS_PER_FAMILY)) for family in FAMILIES
    }
    kits = tuple(draw_kit(rng) for _ in range(KITS))
    names: set[str] = set()
    plans: list[TrackPlan] = []
    for genre_number, genre in enumerate(GENRES[: config.genres]):
        for artist_number in range(config.artists_per_genre):
            rng = np.random.default_rng([config.random_seed, genre_number, artist_number])
            artist = _draw_artist(genre, models, kits, names, rng)
            plans.extend(_discography(artist, config, len(plans), rng))
    return plans


def _draw_artist(
    genre: Genre, models: Models, kits: tuple[Kit, ...], taken_names: set[str], rng: np.random.Generator
) -> Artist:
    """An artist who plays `genre` in their own way; the new name is added to `taken_names`."""
    language = str(rng.choice(LANGUAGES, p=LANGUAGE_SHARES))
    return Artist(
        name=new_name(language, taken_names, rng),
        genre=genre,
        language=language,
        sings=bool(rng.random() < LYRICS_SHARE),
        first_year=int(rng.integers(FIRST_YEAR, LAST_YEAR - 8)),
        kit=kits[rng.integers(len(kits))],
        instruments={
            layer: tuple(_choose_instrument(genre, models, rng) for _ in range(count))
            for layer, count in (("bass", 1), ("chords", 2), ("melody", 2))
        },
        style=PlayingStyle(
            tempo_lean=rng.random(),
            key=int(rng.integers(12)),
            register=int(rng.integers(-5, 6)),
            busyness=rng.uniform(0.0, 0.08),
            looseness_seconds=rng.uniform(0.0, 0.008),
        ),
        production=draw_production(rng),
    )


def _choose_instrument(genre: Genre, models: Models, rng: np.random.Generator) -> Instrument:
    family = str(rng.choice(genre.families if rng.random() < PREFERRED_SHARE else tuple(FAMILIES)))
    return set_up(models[family][rng.integers(len(models[family]))], rng)


def _discography(
    artist: Artist, config: CorpusConfig, first_track: int, rng: np.random.Generator
) -> Iterator[TrackPlan]:
    """Two or three albums that share the artist's tracks out among them."""
    tracks = np.arange(first_track, first_track + config.tracks_per_artist)
    year = artist.first_year
    for part in np.array_split(tracks, min(len(tracks), int(rng.integers(2, 4)))):
        album = _draw_album(artist, year, rng)
        for number, track in enumerate(part.tolist(), start=1):
            yield _draw_track(album, number, track, config, rng)
        year = min(LAST_YEAR, year + int(rng.integers(1, 5)))


def _draw_album(artist: Artist, year: int, rng: np.random.Generator) -> Album:
    audio_format = str(rng.choice(FORMATS, p=FORMAT_SHARES))
    return Album(
        artist=artist,
        title=_draw_title(artist.language, rng),
        year=year,
        production=age(vary(artist.production, ALBUM_VARIATION, rng), year),
        audio_format=audio_format,
        sample_rate_hz=int(rng.choice(SAMPLE_RATES_HZ, p=SAMPLE_RATE_SHARES)),
        channels=1 + int(rng.random() < STEREO_SHARE),
        lyrics_as_files=bool(rng.random() < 0.35),
    )


def _draw_track(
    album: Album, number: int, track: int, config: CorpusConfig, rng: np.random.Generator
) -> TrackPlan:
    artist, genre = album.artist, album.artist.genre
    partners = [
        partner
        for partner in GENRES[: config.genres]
        if partner is not genre and partner.steps_per_bar == genre.steps_per_bar
    ]
    crosses = bool(partners) and rng.random() < CROSSOVER_SHARE
    return TrackPlan(
        album=album,
        number=number,
        title=_draw_title(artist.language, rng),
        instruments={layer: own[rng.integers(len(own))] for layer, own in artist.instruments.items()},
        production=vary(album.production, TRACK_VARIATION, rng),
        harmony=partners[rng.integers(len(partners))] if crosses else genre,
        seconds=config.seconds * rng.uniform(0.9, 1.1),
        random_seed=(config.random_seed, track),
    )


def _draw_title(language: str, rng: np.random.Generator) -> str:
    return " ".join(word(language, rng) for _ in range(rng.integers(1, 4)))
