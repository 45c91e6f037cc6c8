"""Container images: what a tag is right now, and which images no task can run."""

import hashlib
import re
from datetime import datetime

from rehearsal import moto_app

_ECR = re.compile(r"\d{12}\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com/([^:@]+)(?::([^@]+))?(?:@(sha256:[0-9a-f]+))?")


class Images:
    """The registries. An image that its ECR repository does not have is as bad as one that was marked so."""

    def __init__(self) -> None:
        self._bad: set[str] = set()
        self._sick: set[str] = set()

    def mark(self, image: str, *, bad: bool) -> None:
        """From its next deployment on, no task of this image becomes healthy."""
        (self._bad.add if bad else self._bad.discard)(image)

    def mark_sick(self, image: str, *, sick: bool) -> None:
        """ECS finds its tasks healthy, and whoever uses them gets an error."""
        (self._sick.add if sick else self._sick.discard)(image)

    def is_sick(self, image: str) -> bool:
        return self._is_among(self._sick, image)

    def is_bad(self, image: str) -> bool:
        return self._is_among(self._bad, image) or self._pushed(image) == ""

    def digest(self, image: str) -> str:
        """sha256:… of the image; one that is made up where no ECR repository of the rehearsal holds it."""
        return self._pushed(image) or "sha256:" + hashlib.sha256(image.encode()).hexdigest()

    def push(self, image: str, at: datetime) -> None:
        """Say when an image of ECR was pushed."""
        found = _ECR.fullmatch(image)
        if found is None:
            raise ValueError(f"{image} is not an image of ECR")
        region, name, tag, _ = found.groups()
        there = [each for each in moto_app.ecr(region).repositories[name].images if tag in each.image_tags]
        if not there:
            raise ValueError(f"no image of {name} has the tag {tag}")
        there[0].image_pushed_at = int(at.timestamp())

    def _is_among(self, marked: set[str], image: str) -> bool:
        """Whether it was marked by this name, or is the image of ECR that was marked by another tag or its digest."""
        if image in marked:
            return True
        digest = self._pushed(image)
        return bool(digest) and any(
            _repository(each) == _repository(image) and self._pushed(each) == digest for each in marked
        )

    def _pushed(self, image: str) -> str | None:
        """The digest in ECR; empty where the repository lacks the image, None where there is no such repository."""
        found = _ECR.fullmatch(image)
        if found is None:
            return None
        region, name, tag, digest = found.groups()
        repository = moto_app.ecr(region).repositories.get(name)
        if repository is None:
            return None
        for each in repository.images:
            if digest == each.get_image_digest() or (not digest and (tag or "latest") in each.image_tags):
                return str(each.get_image_digest())
        return ""


def _repository(image: str) -> tuple[str, str] | None:
    """The region and the name of the ECR repository of an image. None: it is of another registry."""
    found = _ECR.fullmatch(image)
    return (found[1], found[2]) if found else None
