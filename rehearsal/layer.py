"""Between HTTP and AWS's state: who is called, what goes wrong on the way, and who answers."""

import threading
from dataclasses import replace

from rehearsal import elb, faults, image_pages, log_search, route53
from rehearsal.autoscaling import Autoscaling
from rehearsal.calls import Entry, entry
from rehearsal.clock import Clock, Pace
from rehearsal.cloudtrail import Trail
from rehearsal.ecs import Ecs
from rehearsal.faults import Fault, Faults
from rehearsal.health import Health
from rehearsal.images import Images
from rehearsal.limits import Limits
from rehearsal.moto_app import Moto
from rehearsal.rds import Databases
from rehearsal.secrets import Secrets
from rehearsal.wire import DROPPED, Answer, Call, Refused, Request, decode, refusal


class Layer:
    """Answers every request that is not for the rehearsal itself."""

    def __init__(self, clock: Clock, pace: Pace, *, throttle: bool) -> None:
        self.lock = threading.RLock()  # moto is not safe in threads, and neither are we
        self.clock, self.pace = clock, pace
        self.images, self.faults = Images(), Faults()
        self.calls: list[Entry] = []
        self.closing = threading.Event()
        self.ecs = Ecs(clock, pace, self.images)
        self.health = Health(clock, pace, self.ecs, self.images)
        self.secrets = Secrets(clock)
        self.autoscaling = Autoscaling(clock, self.ecs.has_service)
        self.databases = Databases(clock, pace)
        self.trail = Trail()
        self._limits = Limits(clock) if throttle else None
        self._moto = Moto()

    def answer(self, request: Request) -> Answer:
        """The answer, after the time that a fault may hold it."""
        call = decode(request)
        with self.lock:
            logged = entry(call, self.clock.now())
            self.calls.append(logged)
            self.trail.record(call, logged)
            fault = self.faults.next(call)
        return self._meet(call, fault, logged)

    def _meet(self, call: Call, fault: Fault | None, logged: Entry) -> Answer:
        kind, seconds = (fault.kind, fault.seconds) if fault else ("", 0.0)
        if refused := faults.refused(call, kind):
            answer = refusal(call, refused)
        elif kind in ("hang_before", "drop_before"):
            answer = DROPPED
        else:
            answer = self._make(call, ago=seconds if kind == "stale" else 0.0)
        logged.code = answer.code or str(answer.status)
        if kind in faults.HOLDING:
            self.closing.wait(seconds)
        return DROPPED if kind == "drop_after" else answer

    def _make(self, call: Call, *, ago: float) -> Answer:
        with self.lock:
            try:
                return self._dispatch(call, ago=ago)
            except Refused as refused:
                return refusal(call, refused)
            except Exception as error:  # noqa: BLE001 - a mistake of ours has to be seen by whoever called
                return refusal(call, Refused("InternalFailure", f"the rehearsal failed: {error!r}", 500))

    def _dispatch(self, call: Call, *, ago: float) -> Answer:
        if self._limits and not self._limits.admits(call):
            raise faults.throttled(call)
        if call.service == "ecs":
            return self.ecs.answer(call, ago=ago)
        if call.service == "secretsmanager" and call.operation != "GetRandomPassword":
            return self.secrets.answer(call, ago=ago)
        if call.service in ("application-autoscaling", "cloudtrail"):
            return (self.trail if call.service == "cloudtrail" else self.autoscaling).answer(call)
        if call.service == "elbv2":
            return self.health.answer(call) or self._ask_moto(elb.checked(call))
        if call.service == "logs":
            self.ecs.pour()
            if call.operation == "FilterLogEvents":
                return log_search.answer(call)
        if call.service == "rds" and (answer := self.databases.answer(call, ago=ago)):
            return answer
        if call.service == "route53" and (answer := route53.answer(call, self.clock.now())):
            return answer
        return image_pages.paged(call, self._ask_moto(call))

    def _ask_moto(self, call: Call) -> Answer:
        answer = self._moto.answer(call.request)
        return replace(answer, code=_code(answer)) if answer.status >= 400 else answer


def _code(answer: Answer) -> str:
    """The error code in an answer of moto, for the log of calls."""
    text = answer.body.decode(errors="replace")
    for before, after in (("<Code>", "</Code>"), ('"__type": "', '"'), ('"__type":"', '"')):
        if before in text:
            return text.partition(before)[2].partition(after)[0].rpartition("#")[2]
    return ""
