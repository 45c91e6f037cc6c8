"""What a test may do to the databases of a rehearsal, and who gets into them."""

import json
import urllib.request
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.rehearsal.databases import PASSWORD, Databases
from tests.rehearsal.place import CREATING, Aws, code


@pytest.fixture
def db(aws: Aws) -> Databases:
    return Databases(aws)


@pytest.fixture
def source(db: Databases) -> str:
    """An instance with a snapshot of its name and -snapshot."""
    return db.source()


def test_an_instance_is_put_into_any_status_and_back(aws: Aws, db: Databases, source: str) -> None:
    aws.caller.ask("databases/status", instance=source, status="incompatible-restore")
    shown = db.shown(source)["DBInstanceStatus"], code(db.rds.reboot_db_instance, DBInstanceIdentifier=source)

    aws.caller.ask("databases/status", instance=source, status=None)

    assert shown == ("incompatible-restore", "InvalidDBInstanceState")
    assert db.status(source) == "available"


def test_a_status_that_is_put_outlasts_what_an_instance_becomes(aws: Aws, db: Databases) -> None:
    name = aws.name("db")
    db.create(name)

    aws.caller.ask("databases/status", instance=name, status="failed")
    aws.rehearsal.advance(2 * CREATING)

    assert db.status(name) == "failed"


def test_an_instance_is_shown_as_available_without_its_endpoint(aws: Aws, db: Databases, source: str) -> None:
    aws.caller.ask("databases/endpoint", instance=source, shown=False)
    shown = db.shown(source)
    aws.caller.ask("databases/endpoint", instance=source, shown=True)

    assert (shown["DBInstanceStatus"], "Endpoint" in shown) == ("available", False)
    assert "Endpoint" in db.shown(source)


@pytest.mark.parametrize("what", ["databases/status", "databases/endpoint", "databases/roles", "snapshots/status"])
def test_what_is_not_there_is_said(aws: Aws, what: str) -> None:
    about = {"status": "failed"} if "status" in what else {"shown": False} if "end" in what else {"user": "u"}
    named = {"name": "nothing"} if "snap" in what else {"instance": "nothing"}
    secret = {"password": "p"} if "roles" in what else {}

    with pytest.raises(ValueError, match=r"there is no .* nothing"):
        aws.caller.ask(what, **named, **about, **secret)


# --- who gets in


def test_the_master_gets_in_by_the_name_or_the_address_of_an_instance(aws: Aws, db: Databases, source: str) -> None:
    address = db.shown(source)["Endpoint"]["Address"]
    login = aws.rehearsal.login

    assert login(source, "postgres", PASSWORD)
    assert login(address, "postgres", PASSWORD)
    assert not login(source, "postgres", "another-password")
    assert not login(source, "somebody", PASSWORD)
    assert not login("elsewhere", "postgres", PASSWORD)


def test_nobody_gets_into_what_is_still_being_made(aws: Aws, db: Databases) -> None:
    name = aws.name("db")
    db.create(name)

    assert not aws.rehearsal.login(name, "postgres", PASSWORD)
    aws.rehearsal.advance(2 * CREATING)
    assert aws.rehearsal.login(name, "postgres", PASSWORD)


def test_another_user_gets_in_and_it_can_be_asked_by_request(aws: Aws, db: Databases, source: str) -> None:
    aws.caller.ask("databases/roles", instance=source, user="app", password="its-own:secret?")

    def told(password: str) -> Any:
        query = urlencode({"instance": source, "user": "app", "password": password})
        with urllib.request.urlopen(f"{aws.rehearsal.url}/rehearsal/login?{query}", timeout=5) as answer:
            return json.load(answer)

    assert told("its-own:secret?") == {"in": True}
    assert told("another") == {"in": False}


def test_no_password_is_ever_told(aws: Aws, db: Databases, source: str) -> None:
    aws.caller.ask("databases/roles", instance=source, user="app", password="never-told-1")
    db.modify(source, MasterUserPassword="never-told-2", ApplyImmediately=True)
    answers = [db.shown(source), db.snapshots(), db.create(aws.name("db"), MasterUserPassword="never-told-3")]

    assert "never-told" not in str(answers) + str(aws.rehearsal.calls())
    call = next(each for each in aws.rehearsal.calls() if each["operation"] == "ModifyDBInstance")
    assert call["summary"]["MasterUserPassword"] == "****"
