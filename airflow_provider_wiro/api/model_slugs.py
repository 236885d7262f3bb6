"""
Calls about a model by its slug, in either of the slug's two forms; Wiro may know only one of them.

The catalogue shows ``wiro/Animated Logo``; the URL-safe ("clean") form is ``wiro/animated-logo``. Where Wiro
says that there is no such model, the call is repeated with the other form. That is safe for a Run, too:
this refusal is certain, nothing was started.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider_wiro.api import endpoints
from airflow_provider_wiro.api.flow import Flow, FlowContext, call
from airflow_provider_wiro.api.model_names import unknown_model
from airflow_provider_wiro.api.parameters import split_slug
from airflow_provider_wiro.exceptions import WiroError, WiroNotFoundError, WiroUsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_wiro.api.endpoints import ApiCall
    from airflow_provider_wiro.api.models import Model

T = TypeVar("T")

#: Code 1 has several meanings; to a Run these words alone say that no such model exists.
_NO_SUCH_MODEL = "slug-owner-project-not-exist"
#: How many models of the catalogue's answer are compared.
_SEARCHED = 20


def call_in_either_form(
    model: str,
    make_call: Callable[[str], ApiCall[T]],
    outside: FlowContext,
    *,
    learn: Callable[[str], None] = lambda _: None,
    **settings: Any,
) -> Flow[T]:
    """
    Make a call for a model; where Wiro knows no such model, repeat it with the slug's other form.

    :param model: ``owner/model`` in either form.
    :param make_call: makes the call for a slug.
    :param learn: called with the other form if Wiro knows the model under that one.
    :param settings: as :func:`~airflow_provider_wiro.api.flow.call` takes them.
    :raises WiroModelNotFoundError: Wiro knows neither form; names the nearest models.
    """
    first = make_call(model)
    try:
        return (yield from call(first, outside, **settings))
    except WiroNotFoundError as error:
        # HTTP 404 without these words comes from a server that doesn't know the endpoint.
        if not _says_no_such_model(error) and (error.http_status == 404 or not first.is_repeatable):
            raise
        refusal = error
    other = yield from _other_form(model, outside)
    if other is not None:
        try:
            found = yield from call(make_call(other), outside, **settings)
        except WiroNotFoundError:
            pass
        else:
            learn(other)
            return found
    raise (yield from unknown_model(model, outside, refusal))


def get_model(model: str, outside: FlowContext) -> Flow[Model]:
    """
    Return a model with its parameters and prices, whichever form its slug is given in.

    :raises WiroModelNotFoundError: there is none; names the nearest ones.
    """
    return (yield from call_in_either_form(model, endpoints.get_model, outside))


def clean_slug(model: str) -> str:
    """Return the URL-safe form of a slug: lower case, hyphens for everything else."""
    return "/".join(
        re.sub(r"[^a-z0-9._-]+", "-", segment.lower()).strip("-") or segment for segment in split_slug(model)
    )


def _says_no_such_model(error: WiroNotFoundError) -> bool:
    return error.code == 1 and _NO_SUCH_MODEL in str(error).lower()


def _other_form(model: str, outside: FlowContext) -> Flow[str | None]:
    """Return the clean form of a slug; of a clean one the form the catalogue shows, None if it shows none."""
    given = "/".join(split_slug(model))
    clean = clean_slug(given)
    if clean != given:
        return clean
    words = given.partition("/")[2].replace("-", " ")
    try:
        shown = yield from call(endpoints.list_models(search=words, limit=_SEARCHED), outside)
    except WiroError:
        return None  # the refusal that is known already says more than this one
    return next((found.slug for found in shown if found.slug != given and _has_form(found.slug, clean)), None)


def _has_form(slug: str, clean: str) -> bool:
    try:
        return clean_slug(slug) == clean
    except WiroUsageError:  # an item of the catalogue that lacks its slug
        return False
