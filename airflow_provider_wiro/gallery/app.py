"""
The gallery's routes, all for reading. Each asks Airflow's auth manager for exactly the DAG of its path.

What they do runs in threads of the gallery's own, and none holds a database session while its response is
sent. Without postponed annotations: FastAPI reads them when a route is made, and would take a user for a
parameter of the query.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any
from urllib.parse import quote

from airflow.api_fastapi.core_api.security import GetUserDep
from airflow.utils.session import create_session
from fastapi import APIRouter, FastAPI, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse
from sqlalchemy.orm import Session
from starlette.exceptions import HTTPException

from airflow_provider_wiro.gallery import reading
from airflow_provider_wiro.gallery.access import IS_SIGNED_IN, SEES_THE_DAG, may_see
from airflow_provider_wiro.gallery.headers import SafeHeaders, page_policy
from airflow_provider_wiro.gallery.media import respond
from airflow_provider_wiro.gallery.package_files import package_file, page_html
from airflow_provider_wiro.gallery.page import Gallery
from airflow_provider_wiro.gallery.threads import in_media_thread, in_page_thread

#: Where Airflow's API server mounts the gallery, below its own root.
URL_PREFIX = "/wiro"

_RUN = "/{dag_id}/{run_id:path}"  # a run's id may have slashes, where Airflow is set to allow them
_TASK = _RUN + "/{task_id}/{map_index}"
_DAG = "/{dag_id}"
_READS = ["GET", "HEAD"]
#: What the UI leaves in the address of a task instance that isn't mapped.
_UNMAPPED = "{MAP_INDEX}"
_MAP_INDEX = re.compile("-1|[0-9]{1,10}")
_NO_PAGE = "There is no such page. Open the gallery from a DAG, DAG run or task instance in Airflow."
_BROKEN = "The gallery can't answer this. The log of Airflow's API server has the reason."
_SENTENCES = {
    401: "You are not signed in to Airflow, or no longer. Sign in, then load this page again.",
    403: (
        "Airflow doesn't let you see this. The gallery shows a DAG's runs, task instances and XComs to users "
        "who may read all three. Your Airflow's administrators can allow it."
    ),
    404: _NO_PAGE,
    405: "The gallery only reads: GET and HEAD.",
}

#: What Airflow says, with a status of 403, of a session that is over before its time: its user has signed
#: out, or the API server has a new secret.
_NO_SESSION = "Invalid JWT token"

#: Where a page of cards begins: `at` of a section.
At = Annotated[str, Query(max_length=100)]
#: Of a file: the result itself, an item of its batch, or a line of its export; and the file's position there.
Place = Annotated[str, Path(pattern=r"^(-|b?[0-9]{1,18})$")]
Index = Annotated[int, Path(ge=0, lt=2**31)]

of_a_dag = APIRouter(dependencies=SEES_THE_DAG)
of_the_package = APIRouter(dependencies=IS_SIGNED_IN)


@of_a_dag.api_route("/runs" + _RUN, methods=_READS)
async def run_page(request: Request, dag_id: str, run_id: str) -> Response:
    """Return the tab of a DAG run."""
    return await _page(request, "run", "runs", dag_id, run_id)


@of_a_dag.api_route("/tasks" + _TASK, methods=_READS)
async def task_page(request: Request, dag_id: str, run_id: str, task_id: str, map_index: str) -> Response:
    """Return the tab of a task instance."""
    return await _page(request, "task", "tasks", dag_id, run_id, task_id, _map_index(map_index))


@of_a_dag.api_route("/dags" + _DAG, methods=_READS)
async def dag_page(request: Request, dag_id: str) -> Response:
    """Return the tab of a DAG."""
    return await _page(request, "dag", "dags", dag_id)


@of_a_dag.api_route("/data/runs" + _RUN, methods=_READS)
async def run_data(dag_id: str, run_id: str, at: At = "") -> Response:
    """Return what the page of a DAG run shows, as JSON."""
    return await _data(lambda session: reading.run_gallery(session, dag_id, run_id, at))


@of_a_dag.api_route("/data/tasks" + _TASK, methods=_READS)
async def task_data(dag_id: str, run_id: str, task_id: str, map_index: str, at: At = "") -> Response:
    """Return what the page of a task instance shows, as JSON."""
    index = _map_index(map_index)
    return await _data(lambda session: reading.task_gallery(session, dag_id, run_id, task_id, index, at))


@of_a_dag.api_route("/data/dags" + _DAG, methods=_READS)
async def dag_data(dag_id: str, at: At = "") -> Response:
    """Return what the page of a DAG shows, as JSON."""
    return await _data(lambda session: reading.dag_gallery(session, dag_id, at))


@of_a_dag.api_route("/media" + _TASK + "/{place}/{index}", methods=_READS)
async def media(
    request: Request,
    user: GetUserDep,
    dag_id: str,
    run_id: str,
    task_id: str,
    map_index: str,
    place: Place,
    index: Index,
) -> Response:
    """Return an output that the task instance's result names: its bytes, or where they are."""
    number = _map_index(map_index)

    def answer() -> Response:
        with _reading() as session:
            output = reading.find_output(session, dag_id, run_id, task_id, number, place, index)
        return respond(
            output, request.headers, request.method, may_see_dag=lambda other: may_see(request, user, other)
        )

    return await in_media_thread(answer)


@of_the_package.api_route("/static/{name}", methods=_READS)
def static(request: Request, name: str) -> Response:
    """Return the style, the script or the icon of all pages."""
    found = package_file(name)
    headers = {"etag": found.etag, "cache-control": "private, no-cache"}
    if found.etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(found.content, media_type=found.content_type, headers=headers)


async def _page(request: Request, kind: str, folder: str, *of: Any) -> HTMLResponse:
    """
    Return a page, which then asks for its contents.

    :param folder: below which its contents are.
    :param of: the ids of what it shows.
    """
    mount: str = request.scope["root_path"]

    def origins_of_media() -> tuple[str, ...]:
        with _reading() as session:
            return reading.media_origins(session, *of)

    origins = await in_page_thread(origins_of_media)
    blanks = {
        "root": mount.removesuffix(URL_PREFIX),
        "kind": kind,
        "data_url": "/".join([f"{mount}/data/{folder}", *(quote(str(name), safe="") for name in of)]),
    }
    return HTMLResponse(page_html(blanks), headers={"content-security-policy": page_policy(origins)})


async def _data(read: Callable[[Session], Gallery]) -> JSONResponse:
    def answer() -> JSONResponse:
        with _reading() as session:
            gallery = read(session)
        return JSONResponse(gallery.to_json())

    return await in_page_thread(answer)


@contextmanager
def _reading() -> Iterator[Session]:
    """Give a session of its own, which ends without a change."""
    with create_session(scoped=False) as session:
        yield session
        session.rollback()


def _map_index(text: str) -> int:
    if text in (_UNMAPPED, quote(_UNMAPPED, safe="")):
        return -1
    if not _MAP_INDEX.fullmatch(text) or int(text) >= 2**31:
        raise HTTPException(404)
    return int(text)


def _http_error(request: Request, error: Any) -> Response:
    """Answer what Airflow or a route refuses."""
    is_signed_out = error.status_code == 403 and error.detail == _NO_SESSION
    status = 401 if is_signed_out else error.status_code
    return _refusal(request, status, _SENTENCES.get(status, error.detail), error.headers)


def _nothing_there(request: Request, error: Exception) -> Response:
    if isinstance(error, KeyError | IndexError):  # a bug, and no answer
        raise error
    return _refusal(request, 404, str(error))


def _refusal(
    request: Request, status: int, sentence: str, headers: Mapping[str, str] | None = None
) -> Response:
    """Answer with a sentence: to the script as JSON, to a person as text."""
    path = request.scope["path"].removeprefix(request.scope["root_path"])
    if path.startswith("/data/"):
        return JSONResponse({"detail": sentence}, status, headers)
    return PlainTextResponse(sentence, status, headers)


def _routes() -> FastAPI:
    made = FastAPI(
        title="Wiro gallery", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False
    )
    made.include_router(of_a_dag)
    made.include_router(of_the_package)
    made.add_exception_handler(HTTPException, _http_error)
    made.add_exception_handler(LookupError, _nothing_there)
    made.add_exception_handler(RequestValidationError, lambda request, _: _refusal(request, 404, _NO_PAGE))
    made.add_exception_handler(Exception, lambda request, _: _refusal(request, 500, _BROKEN))
    return made


routes = _routes()

#: What the API server mounts.
app = SafeHeaders(routes)
