"""ECR: DescribeImages tells images in no order and a page at a time."""

import json

import pytest

from tests.rehearsal.place import Aws, code


@pytest.fixture(scope="module")
def repository(aws: Aws) -> str:
    """A repository of seven images, v0 pushed first."""
    ecr, name = aws.caller.aws("ecr"), aws.name("pages")
    ecr.create_repository(repositoryName=name)
    for number in range(7):
        manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "n": number}
        ecr.put_image(repositoryName=name, imageManifest=json.dumps(manifest), imageTag=f"v{number}")
    return name


def _tags(aws: Aws, repository: str, size: int) -> list[list[str]]:
    pages = aws.caller.aws("ecr").get_paginator("describe_images")
    told = pages.paginate(repositoryName=repository, PaginationConfig={"PageSize": size})
    return [[tag for image in page["imageDetails"] for tag in image["imageTags"]] for page in told]


def test_pages_hold_as_many_images_as_were_asked_for_and_each_image_once(aws: Aws, repository: str) -> None:
    pages = _tags(aws, repository, 3)

    assert [len(page) for page in pages] == [3, 3, 1]
    assert sorted(tag for page in pages for tag in page) == [f"v{number}" for number in range(7)]


def test_the_order_is_not_the_one_in_which_they_were_pushed(aws: Aws, repository: str) -> None:
    assert _tags(aws, repository, 1000)[0] != [f"v{number}" for number in range(7)]


def test_images_that_are_named_are_told_at_once(aws: Aws, repository: str) -> None:
    ids = [{"imageTag": "v1"}, {"imageTag": "v5"}]

    told = aws.caller.aws("ecr").describe_images(repositoryName=repository, imageIds=ids)

    assert sorted(image["imageTags"][0] for image in told["imageDetails"]) == ["v1", "v5"]


def test_a_token_that_nobody_was_given_is_refused(aws: Aws, repository: str) -> None:
    call = aws.caller.aws("ecr").describe_images

    assert code(call, repositoryName=repository, nextToken="nonsense") == "InvalidParameterException"
