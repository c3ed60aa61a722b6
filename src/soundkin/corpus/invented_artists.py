"""The made-up people who record: artists with a sound of their own, their albums, and the plan of each track.

All artists buy in one shop, so any single timbre is heard in several genres; what they bought, how they set
it up and how they mix it makes their sound. Everything is drawn from the config's random seed; each track
also carries a random seed of its own, so that worker processes can make tracks in any order.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from soundkin.corpus.composing import Habits
from soundkin.corpus.corpus_config import CorpusConfig
from soundkin.corpus.drums import Kit, draw_kit
from soundkin.corpus.genres import GENRES, Genre
from soundkin.corpus.instruments import FAMILIES, Instrument, draw_instrument, set_up
from soundkin.corpus.invented_names import LANGUAGE_SHARES, LANGUAGES, new_name, word
from soundkin.corpus.performing import Band
from soundkin.corpus.production import FIRST_YEAR, LAST_YEAR, Production, age, draw_production, vary

FORMATS = ("ogg", "flac", "mp3")
FORMAT_SHARES = (0.4, 0.43, 0.17)
SAMPLE_RATES_HZ = (22050, 44100, 48000)
SAMPLE_RATE_SHARES = (0.55, 0.35, 0.1)
STEREO_SHARE = 0.35
CROSSOVER_SHARE = 0.1  # of the tracks borrow another genre's harmony and are tagged with both
FAVOURITE_SHARE = 0.5  # of the instruments come from the genre's favourite families, the rest from any
MODELS_PER_FAMILY, KITS = 4, 12  # in the shop
ALBUM_VARIATION, TRACK_VARIATION = 1.0, 0.7  # in the studio
LYRICS_SHARE = 0.6  # of the artists sing


@dataclass(frozen=True)
class Shop:
    """What there is to play on."""

    instruments: dict[str, tuple[Instrument, ...]]  # by family
    kits: tuple[Kit, ...]


@dataclass(frozen=True)
class Artist:
    """Who plays: the instruments they own, habits, and a sound in the studio."""

    name: str
    genre: Genre
    language: str
    sings: bool
    first_year: int
    kit: Kit
    basses: tuple[Instrument, ...]
    keyboards: tuple[Instrument, ...]  # or whatever plays the chords
    leads: tuple[Instrument, ...]
    habits: Habits
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
    lyrics_beside: bool  # as .lrc files, not in the tags


@dataclass(frozen=True)
class TrackPlan:
    """All that is decided about a track before it is made."""

    album: Album
    number: int  # on the album, from 1
    title: str
    band: Band  # what of the artist's instruments is played
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
    names: set[str] = set()
    plans: list[TrackPlan] = []
    shop = open_shop(np.random.default_rng(config.random_seed))
    for genre in GENRES[: config.genres]:
        for number in range(config.artists_per_genre):
            rng = np.random.default_rng([config.random_seed, GENRES.index(genre), number])
            plans.extend(_discography(draw_artist(genre, shop, names, rng), config, len(plans), rng))
    return plans


def open_shop(rng: np.random.Generator) -> Shop:
    """A few models of each family, and a few drum kits."""
    return Shop(
        instruments={
            family: tuple(draw_instrument(family, rng) for _ in range(MODELS_PER_FAMILY))
            for family in FAMILIES
        },
        kits=tuple(draw_kit(rng) for _ in range(KITS)),
    )


def draw_artist(genre: Genre, shop: Shop, taken_names: set[str], rng: np.random.Generator) -> Artist:
    """An artist who plays `genre` in their own way; the new name is added to `taken_names`."""
    language = str(rng.choice(LANGUAGES, p=LANGUAGE_SHARES))
    return Artist(
        name=new_name(language, taken_names, rng),
        genre=genre,
        language=language,
        sings=bool(rng.random() < LYRICS_SHARE),
        first_year=int(rng.integers(FIRST_YEAR, LAST_YEAR - 8)),
        kit=shop.kits[rng.integers(len(shop.kits))],
        basses=_buy(1, genre, shop, rng),
        keyboards=_buy(2, genre, shop, rng),
        leads=_buy(2, genre, shop, rng),
        habits=Habits(
            tempo_lean=rng.random(),
            key=int(rng.integers(12)),
            register=int(rng.integers(-5, 6)),
            busyness=rng.uniform(0.0, 0.08),
            looseness_seconds=rng.uniform(0.0, 0.008),
        ),
        production=draw_production(rng),
    )


def _buy(count: int, genre: Genre, shop: Shop, rng: np.random.Generator) -> tuple[Instrument, ...]:
    bought = []
    for _ in range(count):
        family = str(rng.choice(genre.families if rng.random() < FAVOURITE_SHARE else tuple(FAMILIES)))
        models = shop.instruments[family]
        bought.append(set_up(models[rng.integers(len(models))], rng))
    return tuple(bought)


def _discography(
    artist: Artist, config: CorpusConfig, first_track: int, rng: np.random.Generator
) -> Iterator[TrackPlan]:
    """Two or three albums that share the artist's tracks out among them."""
    tracks = config.tracks_per_artist
    sizes = [len(part) for part in np.array_split(np.arange(tracks), min(tracks, int(rng.integers(2, 4))))]
    year, made = artist.first_year, 0
    for size in sizes:
        album = _album(artist, year, rng)
        for number in range(1, size + 1):
            yield _track(album, number, config, first_track + made, rng)
            made += 1
        year = min(LAST_YEAR, year + int(rng.integers(1, 5)))


def _album(artist: Artist, year: int, rng: np.random.Generator) -> Album:
    audio_format = str(rng.choice(FORMATS, p=FORMAT_SHARES))
    return Album(
        artist=artist,
        title=_title(artist.language, rng),
        year=year,
        production=age(vary(artist.production, ALBUM_VARIATION, rng), year),
        audio_format=audio_format,
        sample_rate_hz=int(rng.choice(SAMPLE_RATES_HZ, p=SAMPLE_RATE_SHARES)),
        channels=1 + int(rng.random() < STEREO_SHARE),
        lyrics_beside=bool(rng.random() < 0.35),
    )


def _track(
    album: Album, number: int, config: CorpusConfig, index: int, rng: np.random.Generator
) -> TrackPlan:
    genre = album.artist.genre
    partners = [
        other
        for other in GENRES[: config.genres]
        if other is not genre and other.steps_per_bar == genre.steps_per_bar
    ]
    crosses = bool(partners) and rng.random() < CROSSOVER_SHARE
    return TrackPlan(
        album=album,
        number=number,
        title=_title(album.artist.language, rng),
        band=_line_up(album.artist, rng),
        production=vary(album.production, TRACK_VARIATION, rng),
        harmony=partners[rng.integers(len(partners))] if crosses else genre,
        seconds=config.seconds * rng.uniform(0.9, 1.1),
        random_seed=(config.random_seed, index),
    )


def _line_up(artist: Artist, rng: np.random.Generator) -> Band:
    bass, keyboard, lead = (
        owned[rng.integers(len(owned))] for owned in (artist.basses, artist.keyboards, artist.leads)
    )
    return Band(artist.kit, bass, keyboard, lead)


def _title(language: str, rng: np.random.Generator) -> str:
    return " ".join(word(language, rng) for _ in range(rng.integers(1, 4)))
