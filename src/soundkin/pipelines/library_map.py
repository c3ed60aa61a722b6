"""The map of a library: a page with a dot a track, and the places of the dots, which last."""

import logging
from typing import TYPE_CHECKING

from soundkin.embedding.library import Library
from soundkin.extras import is_installed

if TYPE_CHECKING:
    import pandas as pd

    from soundkin.catalog.table import Catalog
    from soundkin.embedding.store import Embeddings

logger = logging.getLogger(__name__)


def draw_library_map(library: Library, catalog: "Catalog", embeddings: "Embeddings") -> None:
    """Draw all tracks of `catalog`, each where it was, if it was; none without the extras, or any track."""
    if not len(catalog):
        return
    if not (is_installed("pictures") and is_installed("evaluate")):
        logger.info("%s is not drawn: pip install 'soundkin[pictures,evaluate]'", library.map)
        return
    import numpy as np
    import pandas as pd

    from soundkin.catalog.table_io import write_rows
    from soundkin.explore.lasting_map import lay_out
    from soundkin.explore.map_page import render_map_page
    from soundkin.files import replacing

    places = places_in(library)
    rows = {track_id: row for row, track_id in enumerate(embeddings.track_ids)}
    vectors = embeddings.vectors[[rows[track_id] for track_id in catalog.track_ids]]
    before = places.reindex(catalog.track_ids).to_numpy(float)
    points = lay_out(vectors, before, random_seed=0)
    if np.array_equal(
        points[np.isfinite(before)], before[np.isfinite(before)]
    ):  # as for tracks that are gone
        gone = places[~places.index.isin(catalog.track_ids)]
    else:
        gone = places[:0]
    page = render_map_page(f"{len(catalog)} tracks", points, track_names(catalog), *_groups(catalog))
    with replacing(library.map, "w") as file:
        file.write(page)
    now = pd.DataFrame(points, index=catalog.track_ids, columns=["x", "y"])
    write_rows(pd.concat([now, gone]).rename_axis("track_id").reset_index(), library.map_places)


def places_in(library: Library) -> "pd.DataFrame":
    """The columns x and y of the library's map, by track_id; none where it has no map that can be read."""
    import pandas as pd

    from soundkin.catalog.table_io import read_rows
    from soundkin.errors import CatalogError

    columns = ["track_id", "x", "y"]
    try:
        places = read_rows(library.map_places, "map", required=columns).set_index("track_id")[["x", "y"]]
        return places.astype(float)
    except (CatalogError, ValueError):
        return pd.DataFrame(columns=["x", "y"], dtype=float)


def track_names(catalog: "Catalog") -> list[str]:
    """`Title, by Artist`, as far as they are known, or else the path."""
    frame = catalog.frame.reindex(columns=["title", "artist", "path"]).fillna("")
    return [
        (title or path) + (f", by {artist.replace(';', ', ')}" if artist else "")
        for title, artist, path in frame.itertuples(index=False)
    ]


def _groups(catalog: "Catalog") -> tuple[list[str | None], str]:
    """What colours each track, and what that is: the genre, or the artist where no genre is known."""
    for column in ("genre", "artist"):
        if column in catalog.frame and catalog.frame[column].notna().any():
            return [labels[0] if labels else None for labels in catalog.values(column)], column
    return [None] * len(catalog), "genre"
