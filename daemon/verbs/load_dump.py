"""`trueup load-dump`: a dump that a person loads into an empty database, whole or not at all, and never twice."""

import argparse
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError
from pydantic import TypeAdapter, ValidationError
from rich.filesize import decimal

from daemon import verb
from daemon.plain import one_line
from daemon.refusals import by_account
from daemon.sources import Misused, database_of, named
from daemon.verb import Verb
from daemon.verbs import dumps, loading
from daemon.verbs.dump_sql import Unfit
from daemon.verbs.dumps import Dump
from daemon.verbs.loading import Content, Unready
from daemon.verbs.pg_client import Failed, check_tools
from daemon.verbs.progress import Progress, say
from daemon.verbs.psql import Session, Unsure
from daemon.wiring import place
from desired_state.endpoint import Endpoint, WrittenEndpoint
from reconcilers.aws import Connection, sentence
from reconcilers.contract import Absent, Stalled
from reconcilers.credentials import Credentials, credentials
from reconcilers.objects import Object, read
from reconcilers.secrets import Moved, Secrets

_PORT: Final = 5432  # where a secret names none
_OPTIONS: Final = {"host": "--endpoint HOST", "port": "--endpoint HOST:PORT", "database": "--name NAME"}
_S3: Final = "s3://"
_NOTHING: Final = "nothing was loaded"
_UNSURE: Final = "it is not known whether it was loaded; the same command again tells, and never loads it twice"


def load_dump(chosen: argparse.Namespace) -> int:
    """`trueup load-dump`. DescribeSecret, ListSecretVersionIds and GetSecretValue; GetObject for a dump in S3."""
    try:
        with _ends_alike():
            return _run(chosen)
    except (Absent, Stalled, Moved, BotoCoreError, ClientError) as error:
        raise Misused(f"{sentence(error)}; {_NOTHING}") from error
    except (Failed, Unfit, Unready) as error:
        raise Misused(f"{error}\n{_NOTHING}") from error
    except KeyboardInterrupt:
        say(f"interrupted: {_NOTHING}")
        return 130


def endpoint(text: str) -> Endpoint:
    """The value of --endpoint: HOST or HOST:PORT."""
    try:
        return TypeAdapter[Endpoint](WrittenEndpoint).validate_python(text)
    except ValidationError as error:
        raise argparse.ArgumentTypeError(error.errors()[0]["msg"]) from None


def _run(chosen: argparse.Namespace) -> int:
    check_tools()
    environment = named(chosen).environment
    secret = database_of(environment, chosen.database).secret
    connection = Connection(place(environment), timeout=chosen.aws_timeout)
    if refused := by_account(environment, connection):
        raise Misused(refused.reason)
    login = _login(_text(connection, secret), secret, chosen)
    with _dump(connection, chosen.file) as dump:
        return _load(dump, one_line(chosen.file, 200), login)


def _text(connection: Connection, secret: str) -> str:
    secrets = Secrets(connection)
    state = secrets.state(secret)
    if state.deleted:
        raise Stalled(state.blocked)
    return secrets.text(state)


def _login(text: str, secret: str, chosen: argparse.Namespace) -> Credentials:
    """Who logs in, and where: what the secret says, unless the options say something else."""
    try:
        found = credentials(text)
        found = replace(found, port=found.port or _PORT)
    except Stalled as unreadable:
        raise Stalled(f"secret {secret}: {unreadable}") from None
    at: Endpoint | None = chosen.endpoint
    given = {"host": at, "port": at and at.port, "database": chosen.name}
    for part, option in _OPTIONS.items():
        if given[part] is None and part in found.disputed:
            raise Misused(f"the keys and the url in secret {secret} name two {part}s: choose one with {option}")
        if given[part] is None and not getattr(found, part):
            raise Misused(f"secret {secret} names no {part}: name it with {option}")
    return replace(
        found,
        host=at.host if at else found.host,
        port=(at and at.port) or found.port,
        database=chosen.name or found.database,
    )


@contextmanager
def _dump(connection: Connection, name: str) -> Iterator[Dump]:
    try:
        with ExitStack() as stack:
            if name.startswith(_S3):
                source = _object(connection, name)
                with Progress("download", source.size) as progress:
                    dump = stack.enter_context(dumps.downloaded(source, progress.at))
            else:
                with Progress("digest", _size(name)) as progress:
                    dump = stack.enter_context(dumps.opened(Path(name), progress.at))
            yield dump
    except Unfit as error:
        raise Unfit(f"{one_line(name, 200)} cannot be loaded: {error}") from error


def _size(name: str) -> int:
    try:
        return Path(name).stat().st_size
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise Misused(f"{one_line(name, 200)} cannot be read ({why}): name a file, or s3://bucket/key") from error


def _object(connection: Connection, name: str) -> Object:
    bucket, _, key = name.removeprefix(_S3).partition("/")
    if not bucket or not key:
        raise Misused("write the object as s3://bucket/key")
    return read(connection, bucket, key)


def _load(dump: Dump, source: str, login: Credentials) -> int:
    where = f"database {one_line(login.database)} at {login.host}:{login.port}"
    with Session(login) as session:
        try:
            _tell(_loaded(session, dump, source, where))
        except Unready as error:
            raise Unready(f"{where} is not loaded into: {one_line(str(error))}") from error
        except Failed as error:
            raise Failed(f"{source} cannot be loaded into {where}: {error}") from error
        except Unsure as error:
            raise Misused(f"{error}\n{_UNSURE}") from error
        except KeyboardInterrupt:
            return _interrupted(session)
    return 0


def _loaded(session: Session, dump: Dump, source: str, where: str) -> str:
    """The dump is loaded, now or before; what there is to say about it."""
    began = time.monotonic()
    mark = loading.begun(session, dump.digest, lambda: say(f"waits for another load into {where}"))
    if mark:
        return f"{source} was loaded into {where} already, at {mark.at} (as {one_line(mark.source)}): nothing done"
    content = _fed(session, dump, source)
    what = f"{source} ({dump.kind}, {decimal(dump.size)})"
    tables = f"{content.tables} table{'' if content.tables == 1 else 's'}"
    took = f"{time.monotonic() - began:.1f} s"
    return f"loaded {what} into {where}: {tables} and {content.others} other objects, in {took}"


def _fed(session: Session, dump: Dump, source: str) -> Content:
    with Progress("load", dump.size) as progress, dump.sql() as chunks:
        session.feed(_watched(chunks, dump, progress))
        progress.then("waiting for PostgreSQL to finish")
        return loading.committed(session, dump.digest, source)


def _watched(chunks: Iterator[bytes], dump: Dump, progress: Progress) -> Iterator[bytes]:
    for chunk in chunks:
        progress.at(dump.position)
        yield chunk


def _interrupted(session: Session) -> int:
    made = session.settled()
    said = {True: "all of it was loaded before", False: _NOTHING, None: _UNSURE}
    say(f"interrupted: {said[made]}")
    return 130


@contextmanager
def _ends_alike() -> Iterator[None]:
    """SIGTERM and SIGHUP leave as little behind as Ctrl-C does."""
    before = {each: signal.signal(each, signal.default_int_handler) for each in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _tell(text: str) -> None:
    sys.stdout.write(f"{text}\n")


_ABOUT = """
Load a dump of pg_dump into an empty database: all of it or nothing, and never twice.

  trueup load-dump production.yaml postgres backup.dump
  trueup load-dump replaydash-production postgres s3://backups/2024-02-24.sql.gz
  trueup load-dump production.yaml postgres backup.dump --endpoint HOST --name shop

ENVIRONMENT is a file, or the name of an environment: in the repository where one is
given, else in this folder. DATABASE is the name of its entry, whose secret says who
logs in and where. FILE is in custom format, tar, or SQL with or without gzip. psql
and pg_restore do the work, in one transaction; a table trueup.loaded_dumps in the
database keeps the digest of the file.
Exit code: 0 loaded, now or before; 1 otherwise; 130 after Ctrl-C.
"""


def _arguments(parser: argparse.ArgumentParser) -> None:
    verb.environment(parser)
    verb.database(parser)
    parser.add_argument("file", metavar="FILE", help="the dump: a file, or s3://bucket/key")
    parser.add_argument("--endpoint", type=endpoint, metavar="HOST[:PORT]", help="load here, not where the secret says")
    parser.add_argument("--name", metavar="NAME", help="load into this database, not the one that the secret names")
    verb.where(parser)


VERB = Verb(
    "load-dump",
    verb.WORK,
    "load a dump into an empty database",
    _ABOUT,
    load_dump,
    arguments=_arguments,
)
