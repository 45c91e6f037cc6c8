"""`trueup load-dump` with the real psql and pg_restore against a real server: all of a dump or nothing, and once."""

import gzip
import itertools
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest

from daemon import cli
from daemon.verbs.psql import Session
from tests.end_to_end import postgres
from tests.end_to_end.postgres import Server
from tests.end_to_end.world import FILE, SECRET, World, eventually, production, world

USER, PASSWORD = "replaydash", r"""p:a\\s's"w%o r d é#1"""
HELD = 42  # the advisory lock that SLOW waits for
# Everything that looks like something else: ends of data, psql's commands, quotes, and a schema of one's own.
CONTENT = r"""
CREATE TYPE mood AS ENUM ('fine', 'so so');
CREATE TABLE people (id serial PRIMARY KEY, name text UNIQUE, mood mood DEFAULT 'fine', data bytea);
INSERT INTO people (name, data) SELECT 'person ' || n, decode(md5(n::text), 'hex') FROM generate_series(1, 3000) n;
INSERT INTO people (name) VALUES (E'\\.'), (E'\n\\.\n'), (E'\\connect other'), (''), (NULL), (E'é\t\\N'), ($$'"$$);
CREATE SCHEMA shop;
CREATE TABLE shop."odd ""name" (person int REFERENCES people ON DELETE CASCADE, at timestamptz);
CREATE VIEW shop.names AS SELECT name FROM people WHERE name <> E'\n\\q';
CREATE FUNCTION shop.body() RETURNS text LANGUAGE plpgsql AS $body$
BEGIN
RETURN 'COMMIT;
\connect nowhere
\.
'; END $body$;
CREATE INDEX ON people (mood);
COMMENT ON TABLE people IS 'it''s; people';
SELECT lo_from_bytea(0, decode(repeat('ab', 9000), 'hex')) FROM generate_series(1, 3);
"""
ROW = "INSERT INTO public.kept VALUES (1);\n"
SLOW = f"""
CREATE FUNCTION public.passes() RETURNS boolean LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_advisory_xact_lock_shared({HELD}); RETURN true; END $$;
CREATE TABLE public.kept (i int, CHECK (public.passes()));
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgres.server() as made:
        quoted = PASSWORD.replace("'", "''")
        made.run(f"CREATE ROLE {USER} LOGIN PASSWORD '{quoted}'; CREATE DATABASE source OWNER {USER};")
        made.run(f"SET ROLE {USER}; {CONTENT}", "source")
        yield made


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("load")) as made:
        (made.folder / FILE).write_text(production(postgres=[]))
        (made.folder / "temporary").mkdir()
        yield made


@dataclass
class Place:
    """An empty database, the secret that leads there, and a folder to work in."""

    world: World
    server: Server
    database: str
    capture: pytest.CaptureFixture[str]
    folder: Path

    def file(self, name: str, content: bytes | str) -> str:
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    def secret(self, **keys: object) -> None:
        document = {"username": USER, "password": PASSWORD, "host": "127.0.0.1", "port": self.server.port}
        text = json.dumps(document | {"dbname": self.database} | keys)
        self.world.client("secretsmanager").put_secret_value(SecretId=SECRET, SecretString=text)

    def load(self, file: str, *words: str) -> tuple[int, str, str]:
        """The exit code, and what is printed: by the very function that the command calls."""
        code = cli.run(("load-dump", FILE, "postgres", file, *words))
        printed = self.capture.readouterr()
        assert "p:a" not in printed.out + printed.err
        return code, printed.out, printed.err

    def start(self, file: str) -> subprocess.Popen[str]:
        """The same as a process."""
        command = [sys.executable, "-m", "daemon", "load-dump", FILE, "postgres", file]
        environ = self.world.environ | {"TMPDIR": str(self.world.folder / "temporary")}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        return subprocess.Popen(command, cwd=self.world.folder, env=environ, text=True, **pipes)

    def ask(self, sql: str) -> str:
        return self.server.run(sql, self.database)

    def objects(self) -> str:
        """The tables and views, functions and schemas that are not PostgreSQL's own."""
        return self.ask(
            "SELECT relname FROM pg_class WHERE relnamespace::regnamespace::text !~ '^pg_|^information_' "
            "UNION ALL SELECT proname FROM pg_proc WHERE pronamespace::regnamespace::text !~ '^pg_|^information_' "
            "UNION ALL SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_|^information_|^public$'"
        )

    def loading(self) -> str:
        """How many connections of ours there are."""
        return self.ask("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'trueup load-dump'")

    def is_held(self) -> bool:
        found = self.ask(
            f"SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = {HELD} AND NOT granted"
        )
        return found != "0"


_NUMBERS = itertools.count()


@pytest.fixture
def place(
    shared: World,
    server: Server,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Place:
    database = f"target {next(_NUMBERS)}"
    server.run(f'CREATE DATABASE "{database}" OWNER {USER}')
    monkeypatch.chdir(shared.folder)
    made = Place(shared, server, database, capfd, tmp_path)
    made.secret()
    return made


def plain(server: Server) -> bytes:
    return server.dump("source")


FORMATS: dict[str, Callable[[Server], bytes]] = {
    "plain SQL": plain,
    "compressed SQL": lambda server: gzip.compress(plain(server)),
    "custom format": lambda server: server.dump("source", "--format=custom"),
    "tar": lambda server: server.dump("source", "--format=tar"),
}


def content(server: Server, database: str) -> str:
    """Everything in a database, as pg_dump sees it, but for what is new with every dump and for our own mark."""
    dumped = server.dump(database, "--exclude-schema=trueup").decode()
    return re.sub(r"(?m)^\\(un)?restrict .*$", "", dumped)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_dump_is_loaded_whole_and_marked_and_never_loaded_again(place: Place, kind: str) -> None:
    file = place.file("backup.dump", FORMATS[kind](place.server))

    first = place.load(file)
    second = place.load(file)

    where = f"database {place.database} at 127.0.0.1:{place.server.port}"
    assert first[0] == 0
    assert re.fullmatch(
        rf"loaded {file} \({kind}, [^)]*\) into {where}: 2 tables and 4 other objects, in \d+\.\d s\n", first[1]
    )
    assert "trueup: load: 100 % of " in first[2]
    assert content(place.server, place.database) == content(place.server, "source")
    assert second[0] == 0
    assert second[1].startswith(f"{file} was loaded into {where} already, at 20")
    assert place.ask("SELECT count(*), min(source) FROM trueup.loaded_dumps") == f"1|{file}"


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(("--inserts",), id="inserts"),
        pytest.param(("--schema=public", "--schema=shop", "--blobs"), id="with a schema public that is there already"),
        pytest.param(("--clean", "--if-exists"), id="with DROP IF EXISTS"),
        pytest.param(("--encoding=LATIN1",), id="in another encoding"),
        pytest.param(("--no-owner", "--disable-dollar-quoting", "--quote-all-identifiers"), id="quoted otherwise"),
    ],
)
def test_other_ways_of_pg_dump_are_loaded_too(place: Place, options: tuple[str, ...]) -> None:
    file = place.file("it's.sql", place.server.dump("source", *options))

    code, out, err = place.load(file)

    assert code == 0, out + err
    assert content(place.server, place.database) == content(place.server, "source")
    assert place.ask("SELECT source FROM trueup.loaded_dumps") == file


def test_a_database_that_was_loaded_can_be_dumped_and_loaded_elsewhere(place: Place) -> None:
    place.load(place.file("first.sql", "CREATE TABLE t (i int); -- no line end"))
    other = place.file("second.dump", place.server.dump(place.database, "--format=custom"))
    place.server.run(f'CREATE DATABASE "{place.database} b" OWNER {USER}')

    code, _, err = place.load(other, "--name", f"{place.database} b")

    assert code == 0, err
    assert place.server.run("SELECT count(*) FROM trueup.loaded_dumps", f"{place.database} b") == "2"


def test_a_database_that_is_not_empty_is_left_alone_and_what_is_there_is_named(place: Place) -> None:
    place.ask("CREATE EXTENSION pg_trgm")
    first = place.load(place.file("first.sql", "CREATE SCHEMA s; CREATE SEQUENCE s.n; CREATE DOMAIN s.d AS int;"))
    before = place.objects()

    code, out, err = place.load(place.file("second.sql", "CREATE TABLE t (i int);"))

    assert first[0] == 0, "what belongs to an extension does not count"
    assert (code, out) == (1, "")
    assert "it is not empty: s.d, s.n; create an empty database" in err
    assert place.objects() == before


def test_a_user_who_may_not_set_the_mark_is_told_before_anything_is_loaded(place: Place) -> None:
    place.ask(f'ALTER DATABASE "{place.database}" OWNER TO admin')

    code, _, err = place.load(place.file("backup.sql", "CREATE TABLE t (i int);"))

    assert code == 1
    assert "the user may not create a schema in it: GRANT CREATE ON DATABASE" in err
    assert place.objects() == ""


def test_more_than_five_objects_are_counted(place: Place) -> None:
    place.ask("".join(f"CREATE VIEW a{n} AS SELECT 1; CREATE TABLE z{n} (i int);" for n in range(4)))

    _, _, err = place.load(place.file("second.sql", "CREATE TABLE t (i int);"))

    assert "public.z0, public.z1, public.z2, public.z3, public.a0 and 3 more;" in err


CUT = "CREATE TABLE public.t (a text); COPY public.t FROM stdin;\n1\n"


@pytest.mark.parametrize(
    ("make", "said"),
    [
        pytest.param(
            lambda server: server.dump("source", "--format=custom")[:-9000], "pg_restore: error: ", id="custom cut off"
        ),
        pytest.param(
            lambda server: server.dump("source", "--format=tar")[:90000], "its end is missing", id="tar cut off"
        ),
        pytest.param(lambda server: plain(server)[:20000], "its end is missing", id="plain cut off"),
        pytest.param(
            lambda server: plain(server).partition(b"CREATE INDEX")[0],
            "its end is missing",
            id="plain cut off between two statements",
        ),
        pytest.param(
            lambda server: gzip.compress(plain(server))[:-20], "its gzip data are damaged or cut off", id="gzip cut off"
        ),
        pytest.param(
            lambda server: gzip.compress(plain(server))[:-8] + b"00000000", "its gzip data are", id="gzip damaged"
        ),
        pytest.param(
            lambda server: plain(server).replace(b"CREATE INDEX", b"SELECT 1/0;\nCREATE INDEX"),
            "ERROR:  division by zero",
            id="an error near the end",
        ),
        pytest.param(
            lambda server: server.dump("source", "--create"),
            "make the dump of one database with pg_dump",
            id="--create",
        ),
        pytest.param(
            lambda _: f"{SLOW}{ROW}\\connect postgres\n{ROW}",
            "line 6: error: backslash commands",
            id="a command of psql",
        ),
        pytest.param(lambda _: f"{SLOW}SELECT 1 \\! touch /tmp/x\n;", "error: backslash commands", id="a program"),
        pytest.param(
            lambda _: f"BEGIN;\n{SLOW}{ROW}COMMIT;\n{ROW}", "remove BEGIN, COMMIT and", id="a COMMIT of its own"
        ),
        pytest.param(lambda _: f"{SLOW}{ROW}ROLLBACK;\n{SLOW}{ROW}", "remove BEGIN, COMMIT and", id="a ROLLBACK"),
        pytest.param(lambda _: CUT, "in the middle of a statement or of a table", id="a table that does not end"),
        pytest.param(
            lambda _: f"{CUT}\\.\nINSERT INTO public.t VALUES ('x", "ERROR:  ", id="a quote that does not end"
        ),
        pytest.param(lambda _: f"{CUT}\\.\nINSERT INTO public.t", "ERROR:  syntax error", id="half a statement"),
        pytest.param(lambda _: f"{CUT}\\.\n/* not ended", "ERROR:  unterminated", id="a comment that does not end"),
        pytest.param(
            lambda _: f"{SLOW}ALTER TABLE public.kept OWNER TO nobody_here;",
            "make the dump with pg_dump --no-owner",
            id="a role that is not there",
        ),
        pytest.param(lambda _: "\nCREATE TABEL t;", 'line 2: ERROR:  syntax error at or near "TABEL"', id="no SQL"),
        pytest.param(lambda _: "", "it is empty", id="an empty file"),
        pytest.param(lambda _: "SELECT 1;".encode("utf-16"), "it is neither an archive", id="UTF-16"),
        pytest.param(lambda _: gzip.compress(b"PGDMP..."), "it is a compressed archive", id="a compressed archive"),
    ],
)
def test_what_goes_wrong_leaves_the_database_empty(
    place: Place, make: Callable[[Server], bytes | str], said: str
) -> None:
    code, out, err = place.load(place.file("backup.dump", make(place.server)))

    assert (code, out) == (1, "")
    assert said in err
    assert err.endswith("\nnothing was loaded\n")
    assert place.objects() == ""
    assert place.loading() == "0"


def test_the_row_that_broke_a_rule_is_not_shown(place: Place) -> None:
    text = "CREATE TABLE t (a text, b text NOT NULL); COPY t FROM stdin;\nhunter2\t\\N\n\\.\n"

    code, _, err = place.load(place.file("backup.sql", text))

    assert code == 1
    assert "violates not-null constraint" in err
    assert "hunter2" not in err


@pytest.mark.parametrize(
    ("keys", "words", "said"),
    [
        pytest.param({"password": "p:another"}, (), "password authentication failed", id="a wrong password"),
        pytest.param({"password": "p:a\nb"}, (), "has a line break in it", id="a password with a line break"),
        pytest.param({"dbname": "nowhere"}, (), 'database "nowhere" does not exist', id="no such database"),
        pytest.param({}, ("--name", "nowhere"), 'database "nowhere" does not exist', id="no such name"),
        pytest.param({}, ("--endpoint", "127.0.0.1:1"), "Connection refused", id="nobody listens"),
        pytest.param({"dbname": ""}, (), "names no database: name it with --name", id="no database"),
        pytest.param({"host": ""}, (), "names no host: name it with --endpoint", id="no host"),
        pytest.param({"user": "other"}, (), "name two different users", id="two users"),
        pytest.param({"url": "x://u@h/d"}, (), "name two different users", id="another user in the url"),
        pytest.param(
            {"url": f"x://{USER}@other/d"},
            ("--name", "x"),
            "name two hosts: choose one with --endpoint",
            id="two hosts",
        ),
    ],
)
def test_a_secret_or_an_option_that_leads_nowhere_is_told(
    place: Place, keys: dict[str, object], words: tuple[str, ...], said: str
) -> None:
    place.secret(**keys)

    code, out, err = place.load(place.file("backup.sql", "SELECT 1;"), *words)

    assert (code, out) == (1, "")
    assert said in err


def test_credentials_of_another_account_load_nothing(place: Place) -> None:
    file = place.file("other.yaml", production(postgres=[]).replace("aws: {", 'aws: {account: "000000000000", '))

    assert cli.run(("load-dump", file, "postgres", place.file("backup.sql", "CREATE TABLE t (i int);"))) == 1

    assert "but the file names 000000000000" in place.capture.readouterr().err
    assert place.objects() == ""


def test_a_secret_that_is_scheduled_for_deletion_is_told(place: Place) -> None:
    secrets = place.world.client("secretsmanager")
    secrets.delete_secret(SecretId=SECRET)
    try:
        code, _, err = place.load(place.file("backup.sql", "SELECT 1;"))
    finally:
        secrets.restore_secret(SecretId=SECRET)

    assert code == 1
    assert "is scheduled for deletion: restore it" in err


def test_options_lead_elsewhere_than_the_secret(place: Place) -> None:
    url = f"postgresql://{USER}:{quote(PASSWORD, safe='')}@old.example.com:1/old"
    place.world.client("secretsmanager").put_secret_value(SecretId=SECRET, SecretString=url)
    at = ("--endpoint", f"127.0.0.1:{place.server.port}", "--name", place.database)

    code, _, err = place.load(place.file("backup.sql", "CREATE TABLE t (i int);"), *at)

    assert code == 0, err
    assert place.ask("SELECT count(*) FROM t") == "0"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param((FILE, "nope", "x.sql"), "has no database nope; it has postgres", id="no such entry"),
        pytest.param(("nope", "postgres", "x.sql"), "no environment called nope", id="no such environment"),
        pytest.param((FILE, "postgres", "x.sql"), "x.sql cannot be read (No such file", id="no such file"),
        pytest.param((FILE, "postgres", "."), ". cannot be loaded: it is a folder", id="a folder"),
        pytest.param((FILE, "postgres", "/dev/null"), "it is not an ordinary file", id="a device"),
        pytest.param(
            (FILE, "postgres", "x.sql", "--endpoint", "u:p@h/d"), "neither scheme, user, password", id="no endpoint"
        ),
        pytest.param((FILE, "postgres", "s3://bucket"), "write the object as s3://bucket/key", id="no key"),
        pytest.param((FILE, "postgres", "s3://nope/x"), "there is no bucket nope", id="no such bucket"),
    ],
)
def test_words_that_name_nothing_are_told(place: Place, words: tuple[str, ...], said: str) -> None:
    try:
        code = cli.run(("load-dump", *words))
    except SystemExit as end:
        code = end.code

    assert code == 1
    printed = place.capture.readouterr()
    assert said in printed.err
    assert printed.out == ""


def test_without_the_tools_the_package_to_install_is_named(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(place.folder))

    code, _, err = place.load("x.sql")

    assert code == 1
    assert "psql and pg_restore are needed: install the PostgreSQL client (Debian: postgresql-client)" in err


def test_a_dump_in_s3_is_the_same_dump(place: Place) -> None:
    s3 = place.world.client("s3")
    s3.create_bucket(Bucket="backups")
    dumped = place.server.dump("source", "--format=custom")
    s3.put_object(Bucket="backups", Key="2024/it's é.dump", Body=dumped)

    missing = place.load("s3://backups/nope")
    loaded = place.load("s3://backups/2024/it's é.dump")
    again = place.load(place.file("copy.dump", dumped))

    assert missing[0] == 1
    assert "there is no object nope in bucket backups" in missing[2]
    assert loaded[0] == 0
    assert "trueup: download: 100 % of " in loaded[2]
    assert again[0] == 0
    assert "already, at 20" in again[1]
    assert "(as s3://backups/2024/it's é.dump)" in again[1]
    assert content(place.server, place.database) == content(place.server, "source")


def test_two_at_once_load_once(place: Place) -> None:
    file = place.file("backup.sql", f"{SLOW}{ROW}")

    with place.server.holding(HELD, place.database):
        first = place.start(file)
        eventually(place.is_held)
        second = place.start(file)
        eventually(lambda: place.loading() == "2")
    said = [process.communicate(timeout=30)[0] for process in (first, second)]

    assert (first.returncode, second.returncode) == (0, 0)
    assert "loaded" in said[0].splitlines()[-1]
    assert "waits for another load into" in said[1]
    assert "already" in said[1].splitlines()[-1]
    assert place.ask("SELECT count(*) FROM kept") == "1"


def test_the_password_is_in_no_argument_and_in_no_file_while_a_dump_is_loaded(place: Place) -> None:
    file = place.file("backup.dump", big(place))

    with place.server.holding(HELD, place.database):
        process = place.start(file)
        eventually(place.is_held)
        family = children(process.pid)
        arguments = b"".join(Path(f"/proc/{pid}/cmdline").read_bytes() for pid in family)
        left = [path for path in (place.world.folder / "temporary").rglob("*") if path.is_file()]
        own = [Path(f"/proc/{pid}/environ").read_bytes() for pid in family]
    process.communicate(timeout=60)

    assert (process.returncode, len(family)) == (0, 3)
    assert b"pg_restore" in arguments
    for each in (PASSWORD, quote(PASSWORD, safe=""), "p:a", "p\\:a"):
        assert each.encode() not in arguments
        assert all(each.encode() not in environment for environment in own)
    assert left == []


@pytest.mark.parametrize("victim", ["trueup", "psql", "pg_restore"])
def test_whatever_is_killed_nothing_stays_and_the_next_run_loads(place: Place, victim: str) -> None:
    file = place.file("backup.dump", big(place))

    with place.server.holding(HELD, place.database):
        process = place.start(file)
        eventually(place.is_held)
        family = {Path(f"/proc/{pid}/comm").read_text().strip(): pid for pid in children(process.pid)}
        os.kill(process.pid if victim == "trueup" else family[victim], signal.SIGKILL)
    out = process.communicate(timeout=30)[0]
    eventually(lambda: place.loading() == "0")

    assert process.returncode == (-9 if victim == "trueup" else 1)
    assert "Traceback" not in out
    assert place.objects() == ""
    assert not any(alive(pid) for pid in family.values())
    assert place.load(file)[0] == 0
    assert place.ask("SELECT count(*) FROM kept") == "100"


@pytest.mark.parametrize(
    ("number", "make"),
    [
        pytest.param(signal.SIGINT, lambda _: f"{SLOW}{ROW}", id="Ctrl-C, all of it sent"),
        pytest.param(signal.SIGTERM, lambda place: big(place), id="SIGTERM, half of it sent"),
    ],
)
def test_an_interrupt_ends_everything_at_once_and_says_that_nothing_was_loaded(
    place: Place, number: signal.Signals, make: Callable[[Place], bytes | str]
) -> None:
    file = place.file("backup.dump", make(place))

    with place.server.holding(HELD, place.database):
        process = place.start(file)
        eventually(place.is_held)
        family = children(process.pid)
        process.send_signal(number)
        out = process.communicate(timeout=20)[0]
        eventually(lambda: place.loading() == "0", within=5)

    assert process.returncode == 130
    assert out.endswith("trueup: interrupted: nothing was loaded\n")
    assert place.objects() == ""
    assert not any(alive(pid) for pid in family)


def test_an_interrupt_in_the_very_last_moment_tells_what_became_of_it(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """COMMIT is made, and the answer is on its way."""

    def closed(self: Session) -> None:
        close(self)
        self._process.wait()
        raise KeyboardInterrupt

    close = Session._close
    monkeypatch.setattr(Session, "_close", closed)
    code, out, err = place.load(place.file("backup.sql", "CREATE TABLE t (i int);"))

    assert (code, out) == (130, "")
    assert err.endswith("trueup: interrupted: all of it was loaded before\n")
    assert place.ask("SELECT count(*) FROM trueup.loaded_dumps") == "1"


def test_an_interrupt_before_anything_is_sent_is_told_alike(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("daemon.verbs.load_dump.dumps.opened", interrupted)

    code, out, err = place.load(place.file("backup.sql", "SELECT 1;"))

    assert (code, out, err) == (130, "", "trueup: interrupted: nothing was loaded\n")


def test_a_connection_that_is_lost_at_the_end_is_told_and_the_next_run_knows(place: Place) -> None:
    file = place.file("backup.sql", f"{SLOW}{ROW}")

    with place.server.holding(HELD, place.database):
        process = place.start(file)
        eventually(place.is_held)
        place.ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'trueup load-dump'")
        out = process.communicate(timeout=20)[0]

    assert process.returncode == 1
    assert "it is not known whether it was loaded; the same command again tells" in out
    assert place.objects() == ""
    assert place.load(file)[0] == 0


def test_a_file_that_is_written_to_meanwhile_is_not_kept(place: Place) -> None:
    file = place.file("backup.dump", big(place))

    with place.server.holding(HELD, place.database):
        process = place.start(file)
        eventually(place.is_held)
        Path(file).touch()
    out = process.communicate(timeout=30)[0]

    assert process.returncode == 1
    assert "the file was written to while it was loaded" in out
    assert place.objects() == ""


def big(place: Place) -> bytes:
    """An archive of more than fits into the pipes, whose rows wait for the lock."""
    name = "big"
    if place.server.run("SELECT count(*) FROM pg_database WHERE datname = 'big'") == "0":
        place.server.run(f"CREATE DATABASE {name} OWNER {USER}")
        rows = "INSERT INTO public.kept SELECT n, repeat(md5(n::text), 5000) FROM generate_series(1, 100) n"
        place.server.run(f"SET ROLE {USER}; {SLOW} ALTER TABLE public.kept ADD t text; {rows}", name)
    return place.server.dump(name, "--format=custom")


def children(pid: int) -> list[int]:
    """A process and all that it started."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(each for child in found for each in children(int(child)))]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
