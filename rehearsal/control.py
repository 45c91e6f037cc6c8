"""The requests under /rehearsal/: what a test or a demo asks of the rehearsal itself."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

from rehearsal import alb, fleet
from rehearsal.faults import Fault
from rehearsal.layer import Layer
from rehearsal.run_values import Script
from rehearsal.wire import Answer, Request

Document = dict[str, Any]


class Control:
    """What can be asked of a rehearsal; the methods of `Rehearsal` and the URLs lead here."""

    def __init__(self, layer: Layer) -> None:
        self._layer = layer
        databases = layer.databases
        self._routes: dict[tuple[str, str], Callable[[Document], Any]] = {
            ("GET", "calls"): lambda _: self.calls(),
            ("DELETE", "calls"): lambda _: self.clear_calls(),
            ("POST", "faults"): lambda sent: self.fault(Fault(**sent)),
            ("DELETE", "faults"): lambda _: self.clear_faults(),
            ("GET", "clock"): lambda _: {"now": self._layer.clock.now(), "pace": self._layer.pace.__dict__},
            ("POST", "clock"): self._clock,
            ("POST", "images"): self._image,
            ("POST", "commands"): self._command,
            ("POST", "alarms"): lambda sent: layer.health.alarm(**sent),
            ("POST", "logs"): lambda sent: layer.health.log(**sent),
            ("POST", "targets"): lambda sent: layer.health.mark_targets(**sent),
            ("POST", "families"): lambda sent: self._layer.ecs.number_from(**sent),
            ("POST", "snapshots"): lambda sent: databases.snapshot(**_with_instant(sent)),
            ("POST", "snapshots/status"): lambda sent: databases.snapshot_status(**sent),
            ("POST", "databases/status"): lambda sent: databases.status(**sent),
            ("POST", "databases/endpoint"): lambda sent: databases.endpoint(**sent),
            ("POST", "databases/roles"): lambda sent: databases.role(**sent),
            ("POST", "databases/quota"): lambda sent: databases.quota(**sent),
            ("GET", "login"): lambda sent: {"in": databases.login(**sent)},
            ("POST", "fleet"): lambda sent: fleet.add(self._layer.ecs, **sent),
            ("GET", "alb"): self._alb,
        }

    def answer(self, request: Request) -> Answer:
        route = self._routes.get((request.method, request.path.removeprefix("/rehearsal/").strip("/")))
        if route is None:
            return _json(404, {"error": f"the rehearsal knows no {request.method} {request.path}"})
        try:
            sent = json.loads(request.body) if request.body else dict(parse_qsl(request.query))
            with self._layer.lock:
                return _json(200, route(sent))
        except (ValueError, TypeError, KeyError) as error:
            return _json(400, {"error": f"{type(error).__name__}: {error}"})
        except LookupError as error:
            return _json(404, {"error": str(error)})

    def calls(self) -> list[Document]:
        return [each.shown() for each in self._layer.calls]

    def clear_calls(self) -> None:
        self._layer.calls.clear()

    def fault(self, fault: Fault) -> None:
        self._layer.faults.add(fault)

    def clear_faults(self) -> None:
        self._layer.faults.clear()

    def advance(self, seconds: float) -> None:
        self._layer.clock.advance(seconds)

    def mark(self, image: str, *, bad: bool) -> None:
        self._layer.images.mark(image, bad=bad)
        if not bad:
            self._layer.ecs.heal()

    def script(self, command: tuple[str, ...], script: Script, region: str = "us-east-1") -> None:
        self._layer.ecs.script(region, command, script)

    def _command(self, sent: Document) -> None:
        script = Script(tuple(sent.get("output", ())), int(sent.get("exit", 0)), bool(sent.get("starts", True)))
        self.script(tuple(sent["command"]), script, sent.get("region", "us-east-1"))

    def _clock(self, sent: Document) -> Document:
        if "begin" in sent:
            behind = float(sent["begin"]) if self._layer.ecs.is_empty() else 0.0
            self._layer.clock.begin(behind)
            return {"behind": behind}
        self.advance(float(sent["advance"]))
        return {"now": self._layer.clock.now()}

    def _image(self, sent: Document) -> None:
        if "pushed_at" in sent:
            self._layer.images.push(sent["image"], datetime.fromisoformat(sent["pushed_at"]))
        if "bad" in sent:
            self.mark(sent["image"], bad=bool(sent["bad"]))
        if "sick" in sent:
            self._layer.images.mark_sick(sent["image"], sick=bool(sent["sick"]))

    def _alb(self, sent: Document) -> Document:
        region = sent.get("region", "us-east-1")
        return alb.route(region, sent["load_balancer"], int(sent.get("port", 443)), sent["host"], sent.get("path", "/"))


def _with_instant(sent: Document) -> Document:
    return {**sent, "at": datetime.fromisoformat(sent["at"])}


def _json(status: int, document: Any) -> Answer:
    return Answer(status, json.dumps(document).encode(), (("content-type", "application/json"),))
