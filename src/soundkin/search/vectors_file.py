"""The file of unit vectors that FAISS maps into memory, written a block at a time.

It is what `faiss.write_index` writes of an `IndexFlatIP`, which would first have to hold all of it.
"""

from collections.abc import Iterable
from pathlib import Path

import faiss
import numpy as np

from soundkin.search.exact_kind import Vectors

COUNT_AT = 8  # where the number of vectors stands, after four letters and their length; the header ends in
HEADER_END = np.dtype("<u8").itemsize  # how many numbers follow


def write_vectors(path: Path, blocks: Iterable[Vectors], embedding_size: int) -> None:
    """Write the vectors of all blocks; OSError where the disk is full."""
    header, count = bytearray(faiss.serialize_index(faiss.IndexFlatIP(embedding_size))), 0
    with path.open("wb") as file:
        file.write(header)
        for block in blocks:
            count += len(block)
            file.write(np.ascontiguousarray(block, "<f4").data)
        header[COUNT_AT : COUNT_AT + 8] = count.to_bytes(8, "little")
        header[-HEADER_END:] = (count * embedding_size).to_bytes(HEADER_END, "little")
        file.seek(0)
        file.write(header)


def map_vectors(path: Path) -> faiss.IndexFlatIP:
    """The vectors, to which nothing may be added: FAISS would end the process."""
    return faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
