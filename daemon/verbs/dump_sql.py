"""The SQL of a dump as one stream, made fit for a transaction and a psql of ours."""

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Final

_HEAD: Final = 64 * 1024  # bytes within which a dump begins: its settings and its schemas
_BEGINNING: Final = re.compile(rb"--(\r?\n)-- PostgreSQL database dump\r?\n")
_END: Final = b"\n-- PostgreSQL database dump complete"
_RESTRICT: Final = re.compile(rb"(?:[ \t]*(?:--[^\r\n]*)?\r?\n)*(\\restrict ([A-Za-z0-9]+)\r?\n)")
# Around large objects pg_dump writes BEGIN and COMMIT, where it knows of no transaction. BEGIN only makes a warning.
_LARGE_OBJECTS_END: Final = b"\nSELECT pg_catalog.lo_close(0);\n\nCOMMIT;\n\n--\n"
_PUBLIC: Final = (b"\nCREATE SCHEMA public;", b"\nCREATE SCHEMA IF NOT EXISTS public;")
_BOM: Final = b"\xef\xbb\xbf"
CUT: Final = "its end is missing: copy it again, or make it again"


class Unfit(Exception):
    """The file cannot be loaded: the message says what is wrong with it, and what to do."""


def sql_of(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The SQL of a dump as psql can take it within a session of ours. Unfit: it ends before pg_dump's last line.

    Its own \\restrict and \\unrestrict are left out, since ours is in force, and so is the COMMIT after large objects.
    A schema `public` may exist already (pg_dump -n public creates it). Every line keeps its number.
    """
    head = b""
    while len(head) < _HEAD and (chunk := next(chunks, b"")):
        head += chunk
    head = head.removeprefix(_BOM)
    begins = _BEGINNING.match(head)
    if not begins:
        yield head
        yield from chunks
        return
    edits = {_LARGE_OBJECTS_END: _LARGE_OBJECTS_END.replace(b"COMMIT;", b"")}
    if restrict := _RESTRICT.match(head):
        edits[b"\n\\unrestrict %b\n" % restrict[2]] = b"\n\n"
        head = head[: restrict.start(1)] + begins[1] + head[restrict.end(1) :]
    edits = {_with_ends(old, begins[1]): _with_ends(new, begins[1]) for old, new in edits.items()}
    tail = b""
    for chunk in _edited(chain((head.replace(*_PUBLIC, 1),), chunks, (begins[1],)), edits):
        tail = (tail + chunk)[-_HEAD:]
        yield chunk
    if _END not in tail:
        raise Unfit(CUT)


def _edited(chunks: Iterable[bytes], edits: Mapping[bytes, bytes]) -> Iterator[bytes]:
    """With each of these replaced, also where it lies across two chunks."""
    longest, held = max(map(len, edits)), b""
    for chunk in chunks:
        held += chunk
        for old, new in edits.items():
            held = held.replace(old, new)
        yield held[:-longest]
        held = held[-longest:]
    yield held


def _with_ends(text: bytes, end: bytes) -> bytes:
    return text.replace(b"\n", end)
