"""How large a Parquet table is once it is read: a small file can be a huge table, because it keeps equal texts once."""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq


def bytes_at_least(table: Path, enough: int) -> int:
    """The bytes of a table's values, every text counted as often as it stands there; more than ``enough`` is not
    counted to the end. Raises what Parquet's reader raises for a damaged file."""
    about = pq.read_metadata(table)
    groups = [about.row_group(number) for number in range(about.num_row_groups)]
    chunks = [group.column(number) for group in groups for number in range(group.num_columns)]
    size: int = max(sum(8 * chunk.num_values for chunk in chunks), sum(group.total_byte_size for group in groups))
    if size <= enough:
        size = max(size, text_bytes(table, chunks, enough))
    return size


def text_bytes(table: Path, chunks: list[pq.ColumnChunkMetaData], enough: int) -> int:
    """At most how many bytes the texts of a table are, each counted as often as it stands there.

    They are counted as they are kept, each once; more than ``enough`` is not counted to the end.
    """
    texts = [chunk for chunk in chunks if chunk.physical_type == "BYTE_ARRAY"]
    total: int = sum(chunk.num_values * chunk.total_uncompressed_size for chunk in texts)
    if total <= enough:
        return total
    total, names = 0, sorted({chunk.path_in_schema for chunk in texts})
    with pq.ParquetFile(table, read_dictionary=names) as file:
        for batch in file.iter_batches(columns=names):
            total += sum(map(_spelled_out, batch.columns))
            if total > enough:
                break
    return total


def _spelled_out(column: pa.Array) -> int:
    if pa.types.is_nested(column.type):
        inner = column.flatten()
        return sum(map(_spelled_out, inner if isinstance(inner, list) else [inner]))
    if pa.types.is_dictionary(column.type):
        lengths = pc.cast(pc.binary_length(column.dictionary), pa.int64())
        found: int = pc.sum(lengths.take(column.indices)).as_py() or 0
        return found
    size: int = column.nbytes
    return size
