"""Dump files, without any server: their kinds, their digests and their SQL."""

import gzip
import hashlib
import io
import itertools
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.verbs import dump_sql, dumps
from daemon.verbs.dump_sql import Unfit, sql_of
from daemon.verbs.dumps import Kind, downloaded, opened
from reconcilers.objects import Object

KEY = "aB3" * 21
BEGINNING = f"--\n-- PostgreSQL database dump\n--\n\n\\restrict {KEY}\n\n-- Dumped from version 15\n\nSET x = 0;\n"
END = f"\n--\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict {KEY}\n\n"
LARGE_OBJECT = "\nBEGIN;\n\nSELECT pg_catalog.lo_close(0);\n\nCOMMIT;\n\n--\n"


def ignored(_: int) -> None:
    """Nobody listens."""


def tar() -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name in ("toc.dat", "1.dat"):
            member = tarfile.TarInfo(name)
            member.size = 700
            archive.addfile(member, io.BytesIO(b"x" * 700))
    return made.getvalue()


def pieces(data: bytes, *sizes: int) -> list[bytes]:
    cuts = [0, *itertools.accumulate(sizes)]
    found = [data[start:end] for start, end in itertools.pairwise(cuts)]
    return [each for each in (*found, data[cuts[-1] :]) if each]


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        pytest.param(b"PGDMP\x01\x0e\0", Kind.CUSTOM, id="custom"),
        pytest.param(tar(), Kind.TAR, id="tar"),
        pytest.param(b"SELECT 1;", Kind.PLAIN, id="plain"),
        pytest.param("SELECT 'é';".encode("latin-1"), Kind.PLAIN, id="plain in another encoding"),
        pytest.param(gzip.compress(b"SELECT 1;"), Kind.GZIP, id="gzip"),
        pytest.param(gzip.compress(b"SELECT 1;") + gzip.compress(b"SELECT 2;"), Kind.GZIP, id="gzip, twice"),
    ],
)
def test_a_dump_is_known_by_its_first_bytes_and_its_digest(tmp_path: Path, content: bytes, kind: Kind) -> None:
    path, seen = tmp_path / "dump", list[int]()
    path.write_bytes(content)

    with opened(path, seen.append) as dump:
        assert (dump.kind, dump.size, dump.digest) == (kind, len(content), hashlib.sha256(content).hexdigest())
        local = dump.digest
    with downloaded(Object(len(content), iter(pieces(content, 3, 2))), seen.append) as dump:
        assert (dump.kind, dump.size, dump.digest) == (kind, len(content), local)

    assert seen[0] == seen[-1] == len(content)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(b"", "it is empty", id="nothing"),
        pytest.param("SELECT 1;".encode("utf-16"), "neither an archive of pg_dump nor SQL", id="UTF-16"),
        pytest.param(b"BZh91AY", "unpack or convert it", id="bzip2"),
        pytest.param(b"\xfd7zXZ", "unpack or convert it", id="xz"),
        pytest.param(gzip.compress(tar()), "unpack it with gunzip", id="a compressed tar"),
        pytest.param(gzip.compress(b""), "it is empty", id="nothing, compressed"),
        pytest.param(gzip.compress(b"SELECT 1;")[:12], "its gzip data are damaged", id="gzip cut off at once"),
        *(
            pytest.param(tar()[:at], "its end is missing", id=f"tar cut off at {at}")
            for at in (600, 1400, 1536, 2500, 3072)
        ),
    ],
)
def test_what_is_no_dump_is_refused_before_anything_is_done(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "dump"
    path.write_bytes(content)

    with pytest.raises(Unfit, match=said), opened(path, ignored):
        pass


def test_a_download_for_which_there_is_no_room_is_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dumps.tempfile, "gettempdir", lambda: "/")

    with (
        pytest.raises(Unfit, match=r"/ has no room for its 1\.2 ZB: set TMPDIR"),
        downloaded(Object(12 * 10**20, iter(())), ignored),
    ):
        pass


def test_the_sql_of_a_file_is_read_from_its_beginning_and_tells_where_it_is(tmp_path: Path) -> None:
    content = BEGINNING.encode() + b"SELECT 1;\n" * 500_000 + END.encode()
    path = tmp_path / "dump"
    path.write_bytes(gzip.compress(content, 1))

    with opened(path, ignored) as dump, dump.sql() as chunks:
        read, positions = b"", []
        for chunk in chunks:
            read += chunk
            positions.append(dump.position)

    assert read.count(b"SELECT 1;\n") == 500_000
    assert positions == sorted(positions)
    assert 0 < positions[0] < positions[-1] == dump.size


def test_a_file_that_changes_meanwhile_is_unfit_at_its_end(tmp_path: Path) -> None:
    path = tmp_path / "dump"
    path.write_bytes(b"SELECT 1;")

    with opened(path, ignored) as dump, dump.sql() as chunks:
        path.write_bytes(b"SELECT 2;")
        with pytest.raises(Unfit, match="was written to while it was loaded"):
            list(chunks)


@settings(max_examples=100, deadline=None)
@given(
    body=st.text(st.sampled_from("\\\n;'xé-"), max_size=200),
    sizes=st.lists(st.integers(1, 90), max_size=12),
    ends=st.sampled_from(["\n", "\r\n"]),
    head=st.sampled_from([2 * len(BEGINNING), 64 * 1024]),
)
def test_only_what_would_leave_our_restriction_or_our_transaction_is_left_out_wherever_the_pieces_end(
    body: str, sizes: list[int], ends: str, head: int
) -> None:
    text = (
        (BEGINNING + body + LARGE_OBJECT + f"COMMIT;\n\n\\restrict {KEY}\n\\unrestrict other\n" + END)
        .replace("\n", ends)
        .encode()
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dump_sql, "_HEAD", head)
        read = b"".join(sql_of(iter(pieces(text, *sizes))))

    expected = (
        text.decode()
        .replace(f"\\restrict {KEY}", "", 1)
        .replace(f"\\unrestrict {KEY}", "")
        .replace(LARGE_OBJECT.replace("\n", ends), LARGE_OBJECT.replace("COMMIT;", "").replace("\n", ends))
    )
    assert read.decode() == expected + ends


@pytest.mark.parametrize(
    ("text", "sql"),
    [
        pytest.param("SELECT 1;", "SELECT 1;", id="not of pg_dump"),
        pytest.param("\ufeffSELECT 1;", "SELECT 1;", id="a byte order mark"),
        pytest.param(
            "SELECT 1;\n\\restrict x\n", "SELECT 1;\n\\restrict x\n", id="not in the beginning: psql refuses it"
        ),
        pytest.param(
            f"{BEGINNING}CREATE SCHEMA public;\nCREATE SCHEMA other;\n{END}",
            f"{BEGINNING}CREATE SCHEMA IF NOT EXISTS public;\nCREATE SCHEMA other;\n{END}\n".replace(
                f"\\restrict {KEY}", ""
            ).replace(f"\\unrestrict {KEY}", ""),
            id="a schema public that may be there",
        ),
    ],
)
def test_the_rest_is_taken_as_it_is(text: str, sql: str) -> None:
    assert b"".join(sql_of(iter([text.encode()]))).decode() == sql


@pytest.mark.parametrize("cut", [1, len(END) - 20, len(END) + 20])
def test_a_dump_of_pg_dump_that_lacks_its_last_line_is_unfit(cut: int) -> None:
    whole = (BEGINNING + "SELECT 1;\n" * 20_000 + END).encode()
    chunks = sql_of(iter(pieces(whole[: len(whole) - cut], 70_000, 10)))

    if cut == 1:
        assert list(chunks)
    else:
        with pytest.raises(Unfit, match="its end is missing"):
            list(chunks)
