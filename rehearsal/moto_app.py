"""moto's server as a function from request to answer: everything that the rehearsal does not hold itself."""

import io
from typing import Any
from urllib.parse import unquote

from rehearsal.wire import ACCOUNT, Answer, Refused, Request, Unsupported


class Moto:
    """moto keeps its state in the process, so there is only one of it at a time: a new one starts empty."""

    def __init__(self) -> None:
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

        self._app = DomainDispatcherApplication(create_backend_app)
        self.answer(Request("POST", "/moto-api/reset", "", {"host": "127.0.0.1"}, b""))

    def answer(self, request: Request) -> Answer:
        """What moto says. What it has not implemented is refused in so many words, not with a page of HTML."""
        told: list[Any] = []

        def start(status: str, headers: list[tuple[str, str]], _: object = None) -> Any:
            told[:] = [int(status.split()[0]), headers]

        try:
            body = b"".join(self._app(_environ(request), start))
        except NotImplementedError as error:
            raise Unsupported(f"this operation: {error}") from error
        except Exception as error:
            raise Refused("InternalFailure", f"moto failed: {type(error).__name__}: {error}", 500) from error
        status, headers = told
        dull = ("content-length", "connection", "date", "server", "x-amzn-requestid")
        kept = tuple((name, value) for name, value in headers if name.lower() not in dull)
        return Answer(status, body, kept)


def elb(region: str) -> Any:
    """moto's own state of Elastic Load Balancing."""
    from moto.elbv2.models import elbv2_backends

    return elbv2_backends[ACCOUNT][region]


def rds(region: str) -> Any:
    """moto's own state of RDS."""
    from moto.rds.models import rds_backends

    return rds_backends[ACCOUNT][region]


def logs(region: str) -> Any:
    """moto's own state of CloudWatch Logs."""
    from moto.logs.models import logs_backends

    return logs_backends[ACCOUNT][region]


def cloudwatch(region: str) -> Any:
    """moto's own state of CloudWatch."""
    from moto.cloudwatch.models import cloudwatch_backends

    return cloudwatch_backends[ACCOUNT][region]


def ec2(region: str) -> Any:
    """moto's own state of EC2."""
    from moto.ec2.models import ec2_backends

    return ec2_backends[ACCOUNT][region]


def route53() -> Any:
    """moto's own state of Route 53, which has no regions."""
    from moto.route53.models import route53_backends

    return route53_backends[ACCOUNT]["aws"]


def ecr(region: str) -> Any:
    """moto's own state of ECR."""
    from moto.ecr.models import ecr_backends

    return ecr_backends[ACCOUNT][region]


def _environ(request: Request) -> dict[str, Any]:
    host, _, port = request.headers.get("host", "127.0.0.1").partition(":")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote(request.path, "latin-1"),
        "RAW_URI": request.path + ("?" + request.query if request.query else ""),
        "REQUEST_URI": request.path + ("?" + request.query if request.query else ""),
        "QUERY_STRING": request.query,
        "SERVER_NAME": host,
        "SERVER_PORT": port or "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(request.body),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in request.headers.items():
        environ["HTTP_" + name.upper().replace("-", "_")] = value
    environ["CONTENT_LENGTH"] = str(len(request.body))
    environ["CONTENT_TYPE"] = request.headers.get("content-type", "")
    return environ
