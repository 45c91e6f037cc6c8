"""Opening and closing a rehearsal: each is empty, and none leaves anything behind."""

import socket
import threading
import time
from urllib.parse import urlsplit

import pytest

from rehearsal.caller import Caller
from rehearsal.server import Rehearsal
from tests.rehearsal.place import code


def test_a_rehearsal_begins_empty_whatever_the_one_before_it_held() -> None:
    for _ in range(2):
        with Rehearsal() as rehearsal:
            caller = Caller(rehearsal.url)
            assert code(caller.aws("secretsmanager").create_secret, Name="mine", SecretString="x") == ""
            assert code(caller.aws("ecr").create_repository, repositoryName="mine") == ""
            assert code(caller.aws("ecs").create_cluster, clusterName="mine") == ""
            assert len(caller.aws("ecs").list_clusters()["clusterArns"]) == 1


def test_a_closed_rehearsal_does_not_answer_and_may_be_closed_twice() -> None:
    rehearsal = Rehearsal()
    at = urlsplit(rehearsal.url)

    rehearsal.close()
    rehearsal.close()

    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((at.hostname, at.port), timeout=1)


def test_closing_lets_go_of_what_is_held() -> None:
    with Rehearsal() as rehearsal:
        rehearsal.fault("ecs", "ListClusters", "hang_before", seconds=60)
        ecs = Caller(rehearsal.url).aws("ecs")
        thread = threading.Thread(target=_give_up, args=(ecs,))
        thread.start()
        while not rehearsal.calls():
            time.sleep(0.01)
    thread.join(5)

    assert not thread.is_alive()


def test_a_port_that_is_taken_leaves_the_way_free_for_another() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(OSError, match="in use"):
            Rehearsal(port=taken.getsockname()[1])

    Rehearsal().close()


def _give_up(ecs: object) -> None:
    from botocore.exceptions import BotoCoreError

    try:
        ecs.list_clusters()
    except BotoCoreError:
        return
