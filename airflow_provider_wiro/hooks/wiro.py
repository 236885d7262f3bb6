"""
WiroHook: Wiro's API for Airflow code that may block. Its counterpart on an event loop is WiroAsyncHook.

Both are thin layers over :mod:`airflow_provider_wiro.api.flow`: same method names, results and errors.
They run flows (send, pause) and decide nothing themselves.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Self, TypeVar

from airflow.providers.common.compat.sdk import BaseHook

from airflow_provider_wiro import connection_form, version_compat
from airflow_provider_wiro.api import endpoints, flow, model_slugs, operations
from airflow_provider_wiro.api.parameters import clean_parameters
from airflow_provider_wiro.api.retry import CALL_PATIENCE_SECONDS, RequestFailure
from airflow_provider_wiro.api.stop_task import stop_task
from airflow_provider_wiro.exceptions import WiroError
from airflow_provider_wiro.failures import explain
from airflow_provider_wiro.hooks import flow_context
from airflow_provider_wiro.hooks.retry_log import log_retry
from airflow_provider_wiro.hooks.wiro_async import WiroAsyncHook
from airflow_provider_wiro.input_files.resolve import (
    AWS_CONN_ID,
    FileSource,
    resolve_files,
    resolve_upload,
)
from airflow_provider_wiro.input_files.sources import count_files
from airflow_provider_wiro.redaction.secret_values import secret_values
from airflow_provider_wiro.transport.connection import WiroConnection, missing_connection

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from datetime import datetime

    import requests

    from airflow_provider_wiro.api.catalog import Model
    from airflow_provider_wiro.api.flow import Digest, Flow, FlowContext, Send
    from airflow_provider_wiro.api.models import Output, StartedRun, Task, UploadedFile
    from airflow_provider_wiro.api.responses import ApiResponse
    from airflow_provider_wiro.catalog.estimate import Estimate
    from airflow_provider_wiro.downloads.stream import OutputStream

__all__ = ["WiroAsyncHook", "WiroHook"]

T = TypeVar("T")

#: How often a blocking pause checks whether the Airflow task is being stopped.
_SLICE_SECONDS = 0.5


class WiroHook(BaseHook):
    """
    Wiro's API, blocking. All calls share one ``requests`` session; use a hook in one thread at a time.

    Every method raises subclasses of :class:`~airflow_provider_wiro.exceptions.WiroError`. Calls that fail
    for a temporary reason are repeated for up to a minute where that is safe. ``run_model`` costs money.

    :param wiro_conn_id: the Airflow connection, of type ``wiro``.
    """

    conn_name_attr = "wiro_conn_id"
    default_conn_name = "wiro_default"
    conn_type = "wiro"
    hook_name = "Wiro"

    def __init__(self, wiro_conn_id: str = default_conn_name, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.wiro_conn_id = wiro_conn_id
        self._connection: WiroConnection | None = None
        self._session: requests.Session | None = None
        self._timeouts: tuple[float, float] | None = None
        self._check_interruption: Callable[[], None] = lambda: None

    @staticmethod
    def get_ui_field_behaviour() -> dict[str, Any]:
        """Labels of the Add Connection form, for Airflow before 3.2; later ones read the provider info."""
        return {
            "hidden_fields": list(connection_form.HIDDEN_FIELDS),
            "relabeling": dict(connection_form.LABELS),
            "placeholders": dict(connection_form.PLACEHOLDERS),
        }

    @staticmethod
    def get_connection_form_widgets() -> dict[str, Any]:
        """Extra fields of the Add Connection form, for Airflow before 3.2."""
        from flask_appbuilder.fieldwidgets import BS3PasswordFieldWidget, BS3TextFieldWidget
        from wtforms import PasswordField, StringField

        return {
            field.name: PasswordField(
                field.label, description=field.description, widget=BS3PasswordFieldWidget()
            )
            if field.is_secret
            else StringField(field.label, description=field.description, widget=BS3TextFieldWidget())
            for field in connection_form.EXTRA_FIELDS
        }

    @property
    def connection(self) -> WiroConnection:
        """The connection, read from Airflow once. Its secrets are masked in the task's logs."""
        if self._connection is None:
            with missing_connection(self.wiro_conn_id):
                found = self.get_connection(self.wiro_conn_id)
            self._connection = WiroConnection.from_airflow(found)
            for warning in self._connection.warnings:
                self.log.warning("%s", warning)
            for secret in self._connection.secrets:
                version_compat.mask_secret(secret)
        return self._connection

    def get_conn(self) -> requests.Session:
        """Return the session, opened at first use."""
        from airflow_provider_wiro.transport import blocking

        if self._session is None:
            self._session = blocking.open_session(self.connection)
        return self._session

    def close(self) -> None:
        """Close the session's connections; the hook stays usable."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def interrupted_by(self, check: Callable[[], None]) -> None:
        """Call ``check`` twice a second while waiting; an error it raises ends the wait."""
        self._check_interruption = check

    def for_thread(self) -> WiroHook:
        """Return a hook for another thread; it reuses the connection that this one has read."""
        hook = WiroHook(self.wiro_conn_id)
        hook._connection = self.connection
        return hook

    def for_stopping(self, timeout_seconds: float) -> WiroHook:
        """
        Return a hook for one urgent stop, usable in a signal handler that interrupted this hook.

        It has its own session, since this hook may be in the middle of a request, and its own timeouts. It
        reuses the connection that this hook has read: asking Airflow for it in a signal handler deadlocks.
        """
        hook = self.for_thread()
        hook._timeouts = (timeout_seconds, timeout_seconds)
        return hook

    def run_model(
        self,
        model: str,
        parameters: Mapping[str, Any] | None = None,
        files: Mapping[str, Any] | None = None,
        *,
        callback_url: str | None = None,
        project_id: str | None = None,
        aws_conn_id: str | None = AWS_CONN_ID,
    ) -> StartedRun:
        """
        Start a task. It is billed if it succeeds.

        :param model: ``owner/model``.
        :param parameters: the model's parameters; None values are left out.
        :param files: file parameter → local path, object-storage URI, http(s) or ``data:`` URL, what another
            task returned (see :class:`~airflow_provider_wiro.operators.wiro.WiroRunOperator`), or a list of
            these.
        :param callback_url: Wiro POSTs the finished task there.
        :param project_id: the project to bill, instead of the connection's.
        :param aws_conn_id: the Airflow connection by which files at ``s3://bucket/key`` are read.
        :raises WiroLostRunError: the response was lost; the task may have been started.
        """
        # rejects a bad [wiro] poll_patience before anything is billed
        flow_context.poll_patience_seconds()
        cleaned = clean_parameters({} if parameters is None else parameters)
        for secret in secret_values({"": cleaned, "callbackUrl": callback_url}):
            version_compat.mask_secret(secret)
        resolved = resolve_files(files, aws_conn_id)
        described = self.cached_model(model) if resolved else None
        return self.run_flow(
            lambda context: operations.run_model(
                context,
                model,
                cleaned,
                resolved,
                known=described.parameters if described else (),
                callback_url=callback_url,
                project_id=project_id or self.connection.project_id,
            )
        )

    def get_task(self, wiro_task_id: str) -> Task:
        """
        Return a task with its outputs.

        :raises WiroTaskNotFoundError: Wiro doesn't know it, or doesn't show it to the connection's key.
        """
        return self._call(endpoints.get_task(wiro_task_id))

    def look_at_task(self, wiro_task_id: str, *, deadline: datetime | None = None) -> Task:
        """
        Return a task that is known to exist; since it may be paid for, an outage is tolerated as in
        :meth:`wait_for_task`. For half a minute from the first poll on, Wiro may not know the task yet.

        :param deadline: when to give up, None for never.
        :raises WiroTaskTimeoutError: no poll worked before the deadline.
        :raises WiroConnectionError: no poll worked for longer than ``[wiro] poll_patience``.
        """
        patience = flow_context.poll_patience_seconds()
        return self.run_flow(
            lambda context: operations.look_at_task(
                wiro_task_id, context, deadline=deadline, patience_seconds=patience
            )
        )

    def list_tasks(
        self, *, start: int = 0, limit: int = 20, model_name: str | None = None
    ) -> tuple[Task, ...]:
        """
        Return the latest tasks that the connection's key sees, newest first. They may lack fields.

        :param start: how many of the newest to pass over.
        :param limit: how many to return, from 1 to 100.
        :param model_name: only tasks of the model with this name.
        :raises WiroNotFoundError: there is none: Wiro can say so in place of an empty list.
        :raises WiroUsageError: ``start`` or ``limit`` can't be right.
        """
        return self._call(endpoints.list_tasks(start=start, limit=limit, model_name=model_name))

    def wait_for_task(
        self,
        wiro_task_id: str,
        *,
        timeout: float | None = None,
        deadline: datetime | None = None,
        poll_interval: float | None = None,
        started_at: datetime | None = None,
        observe: flow_context.Observe = flow_context.ignore,
        is_seen: bool = False,
    ) -> Task:
        """
        Follow a task until it has ended, successfully or not.

        :param timeout: seconds from now; or give ``deadline``, an aware datetime. Neither: an hour.
        :param poll_interval: seconds between polls, None for adaptive.
        :param started_at: when the task was submitted, for adaptive polling. Default: now.
        :param observe: called with the task that each poll returns.
        :param is_seen: the task was polled a moment ago, so start with a pause.
        :raises WiroTaskTimeoutError: it did not end in time. It is not stopped.
        :raises WiroError: no poll worked for longer than ``[wiro] poll_patience`` (5 minutes by default), or
            polling can't help.
        """
        polling = flow_context.polling(
            timeout=timeout, deadline=deadline, poll_interval=poll_interval, started_at=started_at
        )
        return self.run_flow(
            lambda context: operations.wait_for_task(
                wiro_task_id,
                context,
                polling,
                observe=observe,
                is_seen=is_seen,
                patience_seconds=flow_context.poll_patience_seconds(),
            )
        )

    def cancel_task(self, wiro_task_id: str) -> Task | None:
        """
        Cancel a queued task.

        :return: the task as Wiro shows it then, None if it doesn't.
        :raises WiroNotStoppableError: it isn't queued.
        """
        return self._call(endpoints.cancel_task(wiro_task_id))

    def kill_task(self, wiro_task_id: str) -> Task | None:
        """
        Kill a running task.

        :return: the task as Wiro shows it then, None if it doesn't.
        :raises WiroNotStoppableError: it isn't running.
        """
        return self._call(endpoints.kill_task(wiro_task_id))

    def stop_task(
        self, wiro_task_id: str, *, is_running: bool = False, patience_seconds: float = CALL_PATIENCE_SECONDS
    ) -> Task | None:
        """
        Stop a task whatever its state: cancel it, or kill it. One that has ended is left as it is.

        :param is_running: it was last seen running, so start with the kill.
        :param patience_seconds: how long to try.
        """
        return self.run_flow(
            lambda context: stop_task(
                wiro_task_id, context, is_running=is_running, patience_seconds=patience_seconds
            )
        )

    def upload_file(
        self, file: FileSource, *, folder_id: str | None = None, aws_conn_id: str | None = AWS_CONN_ID
    ) -> UploadedFile:
        """
        Put a file into the project's storage; pass its ``url`` as a parameter.

        :param file: a local path, an object-storage URI, or a ``data:`` URI.
        :param folder_id: id of the folder in Wiro's storage; None: its root.
        :param aws_conn_id: the Airflow connection by which ``s3://bucket/key`` is read.
        """
        return self._call(endpoints.upload_file(resolve_upload(file, aws_conn_id), folder_id=folder_id))

    def get_model(self, model: str) -> Model:
        """
        Return a model with its parameters and prices.

        :param model: ``owner/model``, in either form of its slug.
        :raises WiroModelNotFoundError: Wiro has no such model; names the nearest ones.
        """
        return self.run_flow(lambda context: model_slugs.get_model(model, context))

    def cached_model(self, model: str) -> Model | None:
        """
        Return a model as :meth:`get_model` does, as Wiro described it within the last hour.

        All processes of this machine ask once an hour, see
        :mod:`~airflow_provider_wiro.catalog.model_cache`.

        :return: None if it can't be had, which is logged.
        :raises WiroAuthenticationError: the credentials are refused.
        :raises WiroUsageError: ``model`` is no slug.
        """
        from airflow_provider_wiro.catalog.model_cache import describe, look_up

        found = look_up(
            flow_context.model_cache(self.connection).lookup(model),
            lambda: self.run_flow(lambda context: describe(model, context)),
            self.pause,
        )
        if found.model is None:
            self.log.warning("Wiro's description of %s can't be had: %s", model, found.reason)
        return found.model

    def estimate(
        self, model: str, parameters: Mapping[str, Any] | None = None, files: Mapping[str, Any] | None = None
    ) -> Estimate:
        """
        Return what a run will cost, by Wiro's price list of the last hour. It is free, and reads no file.

        :param model: ``owner/model``.
        :param parameters: as for :meth:`run_model`.
        :param files: as for :meth:`run_model`; only counted.
        :raises WiroModelNotFoundError: Wiro has no such model; names the nearest ones.
        """
        from airflow_provider_wiro.catalog import price

        cleaned = clean_parameters({} if parameters is None else parameters)
        counts = count_files(files)
        # Without a description here, asking again raises the error that says why.
        return price.estimate(self.cached_model(model) or self.get_model(model), cleaned, counts)

    def list_models(
        self, *, search: str | None = None, categories: Sequence[str] = (), start: int = 0, limit: int = 20
    ) -> tuple[Model, ...]:
        """
        Return a page of the catalogue, without parameters.

        :param search: words; the best matches come first. None: all models.
        :param categories: only models of these categories.
        :param start: how many to pass over.
        :param limit: how many to return, from 1 to 100.
        :raises WiroUsageError: ``start`` or ``limit`` can't be right.
        """
        return self._call(
            endpoints.list_models(search=search, categories=categories, start=start, limit=limit)
        )

    def delete_task_files(self, wiro_task_id: str) -> None:
        """
        Delete a finished task's inputs and outputs from Wiro. Repeating it is no error.

        An upload that the run got by its URL is deleted, too, even while other runs need it.
        """
        self.run_flow(lambda context: operations.delete_task_files(context, wiro_task_id))

    def open_output(self, output: Output) -> AbstractContextManager[OutputStream]:
        """
        Open an output's file for streaming: ``with hook.open_output(output) as stream: stream.read(size)``.

        The context raises a WiroOutputError if the file is not what Wiro announced, or not at a public
        address; and a WiroOutputUnavailableError, which is temporary, if ``output.url`` is None because Wiro
        has not shown the link yet: get the task again after some seconds.
        """
        from airflow_provider_wiro.downloads import stream

        return stream.open_output(self.connection, output)

    def test_connection(self) -> tuple[bool, str]:
        """Make a free signed call; return whether it worked, and a sentence about it."""
        try:
            accepted = self.run_flow(operations.try_connection)
            return True, " ".join((accepted, *self.connection.warnings))
        except WiroError as error:
            return False, explain(error)

    def _call(self, api_call: endpoints.ApiCall[T]) -> T:
        return self.run_flow(lambda context: flow.call(api_call, context))

    def run_flow(self, make_flow: Callable[[FlowContext], Flow[T]]) -> T:
        """
        Run a flow until it returns, for operations without a method here.

        :param make_flow: makes the flow, see :mod:`airflow_provider_wiro.api.operations`.
        """
        context = flow_context.new_context(self.connection)
        return flow.drive(make_flow(context), self._send, self._pause_between, self._digest)

    def _send(self, what: Send) -> ApiResponse | RequestFailure:
        from airflow_provider_wiro.transport import blocking

        timeouts = self._timeouts or (self.connection.connect_timeout, self.connection.read_timeout)
        return blocking.send(self.get_conn(), self.connection, what, timeouts)

    def _digest(self, what: Digest) -> str | None:
        from airflow_provider_wiro.input_files import digests

        if isinstance(what.source, str):
            return digests.fetched_digest(self.connection, what.source)
        return digests.content_digest(what.source)

    def _pause_between(self, step: flow.Pause) -> None:
        log_retry(self.log, step)
        self.pause(step.seconds)

    def pause(self, seconds: float) -> None:
        """Wait, unless interrupted (see :meth:`interrupted_by`)."""
        until = time.monotonic() + seconds
        self._check_interruption()
        while (remaining := until - time.monotonic()) > 0:
            time.sleep(min(remaining, _SLICE_SECONDS))
            self._check_interruption()
