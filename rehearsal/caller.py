"""How a story reaches a rehearsal: AWS clients for what is AWS's, and requests for what is the rehearsal's own."""

import http.client
import json
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config

REGION = "us-east-1"


class Caller:
    """The clients of one rehearsal. No profile, proxy or region of the person at the keyboard has a say in it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._clients: dict[str, Any] = {}

    def aws(self, service: str) -> Any:
        """The client of a service, by boto3's name for it."""
        if service not in self._clients:
            settings = Config(proxies={}, retries={"total_max_attempts": 1})
            self._clients[service] = _session().client(service, endpoint_url=self.url, config=settings)  # type: ignore[call-overload]  # the name is a variable
        return self._clients[service]

    def ask(self, what: str, **sent: Any) -> Any:
        """POST to the control endpoint /rehearsal/<what>; its answer."""
        at = urlsplit(self.url)
        connection = http.client.HTTPConnection(at.hostname or "127.0.0.1", at.port, timeout=10)
        try:
            connection.request("POST", f"/rehearsal/{what}", json.dumps(sent), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            document = json.loads(answer.read())
        finally:
            connection.close()
        if answer.status != 200:
            raise ValueError(f"/rehearsal/{what}: {document['error']}")
        return document


@cache
def _session() -> boto3.Session:
    """One for every rehearsal of the process: a second one would read every service's description again."""
    return boto3.Session(aws_access_key_id="rehearsal", aws_secret_access_key="rehearsal", region_name=REGION)  # noqa: S106 - the rehearsal asks for no secret
