"""A moto server for all tests of a process; and what boto3 and moto do for each client or call, done once."""

from __future__ import annotations

import functools
import inspect
import sys
from types import SimpleNamespace
from typing import Any


@functools.cache
def moto_url() -> str:
    """Return the address of a moto server, which runs as long as this process."""
    from moto import backends
    from moto.server import ThreadedMotoServer

    # It lists the folders of its own package for each request.
    modules = list(backends.list_of_moto_modules())
    backends.list_of_moto_modules = lambda: modules
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    return f"http://{host}:{port}"


@functools.cache
def client(endpoint_url: str) -> Any:
    """Return a client of S3."""
    import boto3

    quicken_boto3()
    return boto3.client(
        "s3",
        endpoint_url=endpoint_url,
        region_name="us-east-1",
        aws_access_key_id="a",
        aws_secret_access_key="b",
    )


@functools.cache
def quicken_boto3() -> None:
    """Read boto3's description of S3 once and not for each client, of which a test makes three."""
    import botocore.client
    import botocore.hooks
    import botocore.loaders
    import botocore.regions
    from airflow.providers.amazon.aws.hooks import base_aws

    reader, loader = botocore.loaders.JSONFileLoader, botocore.loaders.Loader
    reader.load_file = staticmethod(functools.cache(reader().load_file))
    loader.load_service_model = _by_arguments(loader.load_service_model)
    creator = botocore.client.ClientCreator
    creator._create_client_class = _by_first_argument(creator._create_client_class)
    botocore.hooks.accepts_kwargs = _accepts_kwargs
    aliaser = botocore.hooks.EventAliaser
    aliaser._alias_event_name = _by_arguments(aliaser._alias_event_name)
    botocore.regions.EndpointProvider = _for_each_rule_set(botocore.regions.EndpointProvider)
    # Airflow looks through the stack for the operator that calls, and reads the source of each frame.
    base_aws.inspect = SimpleNamespace(**{**vars(inspect), "stack": _stack})


def _stack() -> list[inspect.FrameInfo]:
    """Return the callers, without the lines of their sources."""
    frame, found = sys._getframe(1), []
    while frame is not None:
        code = frame.f_code
        found.append(inspect.FrameInfo(frame, code.co_filename, frame.f_lineno, code.co_name, None, None))
        frame = frame.f_back
    return found


def _by_arguments(method: Any) -> Any:
    """Return a method that remembers for all instances what it returned for the same arguments."""
    returned: dict[Any, Any] = {}

    def once(one: Any, *arguments: Any, **named: Any) -> Any:
        which = (arguments, *named.items())
        if which not in returned:
            returned[which] = method(one, *arguments, **named)
        return returned[which]

    return once


def _by_first_argument(method: Any) -> Any:
    returned: dict[Any, Any] = {}

    def once(one: Any, first: Any, *others: Any) -> Any:
        if first not in returned:
            returned[first] = method(one, first, *others)
        return returned[first]

    return once


def _accepts_kwargs(function: Any) -> bool:
    code = getattr(function, "__code__", None)
    if code is None:
        return inspect.getfullargspec(function).varkw is not None
    return bool(code.co_flags & inspect.CO_VARKEYWORDS)


def _for_each_rule_set(kind: Any) -> Any:
    made: dict[Any, tuple[Any, Any, Any]] = {}

    def once(ruleset_data: Any, partition_data: Any, **more: Any) -> Any:
        which = (id(ruleset_data), id(partition_data), repr(more))
        if which not in made:  # with what it is made of, so that no other object gets an id of these
            made[which] = (kind(ruleset_data, partition_data, **more), ruleset_data, partition_data)
        return made[which][0]

    return once
