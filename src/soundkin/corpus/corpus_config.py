"""How large a corpus to make up, and from which random seed."""

from pydantic import Field

from soundkin.config import Config
from soundkin.corpus.genres import GENRES


class CorpusConfig(Config):
    """The same config gives the same corpus, sample for sample."""

    genres: int = Field(len(GENRES), ge=1, le=len(GENRES))
    artists_per_genre: int = Field(12, ge=1, le=1000)
    tracks_per_artist: int = Field(5, ge=1, le=1000)
    seconds: float = Field(13.0, ge=1.0, le=3600.0, description="mean track length; each is within 10% of it")
    users: int = Field(400, ge=0)
    tracks_per_user: float = Field(30.0, gt=0.0, description="mean number of tracks that a user plays")
    triplets: int = Field(2000, ge=0)
    random_seed: int = Field(0, ge=0)
