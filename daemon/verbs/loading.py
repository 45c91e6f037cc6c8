"""The one transaction that a dump is loaded in, and the mark that it leaves: PostgreSQL keeps all of it, or nothing."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from daemon.verbs.psql import Session

# Ours is the only transaction of the connection. A dump that says COMMIT itself meets the trigger, which lets nothing
# but our own COMMIT pass; after a ROLLBACK the table of the trigger is gone, and the closing statements fail.
_OPENING: Final = """
BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0;
SET LOCAL client_min_messages = warning;
CREATE TEMP TABLE trueup_unfinished (mark text);
CREATE FUNCTION pg_temp.trueup_unfinished() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
IF current_setting('trueup.finished', true) IS DISTINCT FROM TG_ARGV[0] THEN
RAISE EXCEPTION 'trueup_unfinished: COMMIT in the middle';
END IF; RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER unfinished AFTER INSERT ON pg_temp.trueup_unfinished DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION pg_temp.trueup_unfinished('{nonce}');
INSERT INTO pg_temp.trueup_unfinished VALUES ('');
"""
# The first semicolon ends what a dump left open. Where it left a quote or a table open, none of this is run.
_CLOSING: Final = """
;
SET client_encoding = 'UTF8'; SET standard_conforming_strings = on; SET client_min_messages = warning;
RESET SESSION AUTHORIZATION; RESET ROLE;
SELECT FROM pg_temp.trueup_unfinished;
CREATE SCHEMA IF NOT EXISTS trueup;
CREATE TABLE IF NOT EXISTS trueup.loaded_dumps (digest text PRIMARY KEY, source text NOT NULL,
loaded_at timestamptz NOT NULL DEFAULT clock_timestamp());
INSERT INTO trueup.loaded_dumps (digest, source) VALUES ('{digest}', '{source}');
SET LOCAL trueup.finished = '{nonce}';
COMMIT;
"""
_LOCK: Final = 0x74727565757001  # any number, as long as it is always the same
_MARK: Final = """SELECT json_build_object('source', source, 'at',
to_char(loaded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))
FROM trueup.loaded_dumps WHERE digest = '{digest}'"""
_MAY_CREATE: Final = "to_regnamespace('trueup') IS NOT NULL OR has_database_privilege(current_database(), 'CREATE')"
# Neither the system's objects nor those of extensions: both are there in a database that nobody has used yet.
_OBJECTS: Final = """WITH spaces AS (SELECT oid, nspname FROM pg_catalog.pg_namespace
WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'trueup')),
objects AS (
SELECT 'pg_class'::regclass AS class, c.oid, nspname, relname AS name, relkind IN ('r', 'p', 'f') AS is_table
FROM pg_catalog.pg_class c JOIN spaces ON spaces.oid = relnamespace WHERE relkind IN ('r', 'p', 'f', 'v', 'm', 'S')
UNION ALL SELECT 'pg_proc'::regclass, p.oid, nspname, proname, false
FROM pg_catalog.pg_proc p JOIN spaces ON spaces.oid = pronamespace
UNION ALL SELECT 'pg_type'::regclass, t.oid, nspname, typname, false
FROM pg_catalog.pg_type t JOIN spaces ON spaces.oid = typnamespace LEFT JOIN pg_catalog.pg_class c ON c.oid = typrelid
WHERE typtype IN ('d', 'e', 'r') OR typtype = 'c' AND c.relkind = 'c')
SELECT json_build_object('tables', count(*) FILTER (WHERE is_table), 'others', count(*) FILTER (WHERE NOT is_table),
'first', (array_agg(format('%s.%s', nspname, name) ORDER BY NOT is_table, nspname, name))[1:5]) FROM objects o
WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = o.class AND d.objid = o.oid AND d.deptype = 'e')
"""


class Unready(Exception):
    """The database is not one to load into: the message says why, and what to do."""


@dataclass(frozen=True)
class Content:
    """What a database holds beside its system and its extensions."""

    tables: int
    others: int  # views, sequences, functions and types
    first: tuple[str, ...]  # the names of the first five, tables before all


@dataclass(frozen=True)
class Mark:
    """What the target says of a dump that was loaded into it before."""

    source: str
    at: str  # when, in UTC


def begun(session: Session, digest: str, wait: Callable[[], None]) -> Mark | None:
    """Open the transaction, alone in this database. The mark: the dump was loaded already, and nothing is to be done.

    `wait` is called where another load is under way, which is waited for. Unready: something else is there.
    """
    session.begin(_OPENING.format(nonce=session.nonce))
    if session.ask(f"pg_try_advisory_xact_lock({_LOCK})") != "true":
        wait()
        session.ask(f"pg_advisory_xact_lock({_LOCK})")
    marks = session.ask("to_regclass('trueup.loaded_dumps')")
    if marks and (told := session.ask(_MARK.format(digest=digest))):
        return Mark(**json.loads(told))
    _check(_content(session.ask(_OBJECTS)))
    if session.ask(_MAY_CREATE) != "true":
        raise Unready("the user may not create a schema in it: GRANT CREATE ON DATABASE … TO the user")
    return None


def committed(session: Session, digest: str, source: str) -> Content:
    """Set the mark, and keep everything. Only for a dump whose SQL was sent from beginning to end. As for `finish`."""
    closing = _CLOSING.format(digest=digest, source=source.replace("'", "''"), nonce=session.nonce)
    marked = f"EXISTS (SELECT FROM trueup.loaded_dumps WHERE digest = '{digest}')"
    return _content(session.finish(closing, f"CASE WHEN {marked} THEN ({_OBJECTS}) END"))


def _check(found: Content) -> None:
    if found.first:
        more = found.tables + found.others - len(found.first)
        names = ", ".join(found.first) + (f" and {more} more" if more else "")
        raise Unready(f"it is not empty: {names}; create an empty database, and name it with --name or --endpoint")


def _content(text: str) -> Content:
    told = json.loads(text)
    return Content(told["tables"], told["others"], tuple(told["first"] or ()))
