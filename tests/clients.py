"""What each test of the pipeline in this process begins with; a conftest imports it for the tests beside it."""

import logging
from collections.abc import Iterator

import pytest

from include.common.settings import aws_client


@pytest.fixture(autouse=True)
def own_clients() -> Iterator[None]:
    """Each test finds the AWS endpoint that its own environment names, and logs only what is wrong."""
    logging.getLogger("include").setLevel(logging.ERROR)
    aws_client.cache_clear()
    yield
    aws_client.cache_clear()
