"""
Calls about a model by its slug, in either of the slug's two forms; Wiro may know only one of them.

The catalogue shows ``wiro/Animated Logo``; the URL-safe ("clean") form is ``wiro/animated-logo``. Where Wiro
says that there is no such model, the call is repeated with the other form. That is safe for a Run, too:
this refusal is certain, nothing was started. Where neither form is known, the error names similar models.
"""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider_wiro.api import endpoints
from airflow_provider_wiro.api.flow import Flow, FlowContext, call
from airflow_provider_wiro.api.parameters import split_slug
from airflow_provider_wiro.exceptions import (
    WiroError,
    WiroModelNotFoundError,
    WiroNotFoundError,
    WiroUsageError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from airflow_provider_wiro.api.catalog import Model
    from airflow_provider_wiro.api.endpoints import ApiCall

T = TypeVar("T")

#: Code 1 has several meanings; for a Run only these words mean that no such model exists.
_NO_SUCH_MODEL = "slug-owner-project-not-exist"
#: How many models the catalogue is searched for.
_SEARCHED = 20
#: Less similar names don't help: `difflib` gives 0.6 to many that share no word.
_MIN_SIMILARITY = 0.75
#: Of two equally similar models, one of another owner is less likely.
_OTHER_OWNER = 0.95
_MOST_NAMED = 3


def plain_slug(model: str) -> str:
    """Return the letters and digits of a slug, which are the same in the shown and in the clean form."""
    return "/".join("".join(filter(str.isalnum, segment.lower())) for segment in model.split("/"))


def call_in_either_form(
    model: str,
    make_call: Callable[[str], ApiCall[T]],
    context: FlowContext,
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
        return (yield from call(first, context, **settings))
    except WiroNotFoundError as error:
        # HTTP 404 without these words comes from a server that doesn't know the endpoint.
        if not _says_no_such_model(error) and (error.http_status == 404 or not first.is_repeatable):
            raise
        refusal = error
    other = yield from _other_form(model, context)
    if other is not None:
        try:
            found = yield from call(make_call(other), context, **settings)
        except WiroNotFoundError:
            pass
        else:
            learn(other)
            return found
    raise (yield from unknown_model(model, context, refusal))


def get_model(model: str, context: FlowContext) -> Flow[Model]:
    """
    Return a model with its parameters and prices, whichever form its slug is given in.

    :raises WiroModelNotFoundError: there is none; names the nearest ones.
    """
    return (yield from call_in_either_form(model, endpoints.get_model, context))


def clean_slug(model: str) -> str:
    """Return the URL-safe form of a slug: lower case, hyphens for everything else."""
    return "/".join(
        re.sub(r"[^a-z0-9._-]+", "-", segment.lower()).strip("-") or segment for segment in split_slug(model)
    )


def _says_no_such_model(error: WiroNotFoundError) -> bool:
    return error.code == 1 and _NO_SUCH_MODEL in str(error).lower()


def _other_form(model: str, context: FlowContext) -> Flow[str | None]:
    """Return the clean form of a slug; of a clean one the form the catalogue shows, None if it shows none."""
    given = "/".join(split_slug(model))
    clean = clean_slug(given)
    if clean != given:
        return clean
    words = given.partition("/")[2].replace("-", " ")
    try:
        shown = yield from call(endpoints.list_models(search=words, limit=_SEARCHED), context)
    except WiroError:
        return None  # the first refusal says more than this error
    return next((found.slug for found in shown if found.slug != given and _has_form(found.slug, clean)), None)


def _has_form(slug: str, clean: str) -> bool:
    try:
        return clean_slug(slug) == clean
    except WiroUsageError:  # an item of the catalogue without a slug
        return False


def unknown_model(
    model: str, context: FlowContext, refusal: WiroNotFoundError
) -> Flow[WiroModelNotFoundError]:
    """
    Return the error for a model that Wiro doesn't have; it names those with the nearest names.

    Two free calls search the catalogue. If they fail, the error names none.

    :param refusal: the error of the refused call.
    """
    given = "/".join(split_slug(model))
    owner, name = split_slug(model)
    words = " ".join(re.split(r"[\W_]+", name)).strip()
    slugs: list[str] = []
    for lookup in (
        endpoints.list_models(owner=owner, limit=endpoints.MAX_PAGE),
        endpoints.list_models(search=words, limit=endpoints.MAX_PAGE),
    ):
        try:
            found = yield from call(lookup, context, patience_seconds=0)
        except WiroError:
            continue  # the refusal says what matters, and a missing hint is no error
        slugs += [one.slug for one in found]
    connection = f" (connection {context.conn_id!r})" if context.conn_id else ""
    near = nearest(given, slugs)
    hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else "."
    return WiroModelNotFoundError(
        f"Wiro has no model {given!r}{connection}{hint}", code=refusal.code, http_status=refusal.http_status
    )


def nearest(given: str, slugs: Iterable[str]) -> list[str]:
    """
    Return at most three slugs that are similar to a given one, the most similar first.

    A slug that differs only in case or punctuation is returned alone.
    """
    scored = {slug.strip(): _similarity(given, slug) for slug in slugs if slug.strip() != given}
    likely = sorted(
        (slug for slug in scored if scored[slug] >= _MIN_SIMILARITY), key=lambda slug: -scored[slug]
    )
    if likely and scored[likely[0]] == 1.0:
        return likely[:1]
    best = scored[likely[0]] if likely else 0.0
    return [slug for slug in likely if scored[slug] > best - 0.1][:_MOST_NAMED]


def _similarity(given: str, slug: str) -> float:
    whole = _ratio(given, slug)
    name = _ratio(given.partition("/")[2], slug.partition("/")[2])
    return max(whole, name * _OTHER_OWNER)


def _ratio(one: str, other: str) -> float:
    return SequenceMatcher(None, _letters(one), _letters(other)).ratio()


def _letters(name: str) -> str:
    return re.sub(r"[^\w/]+|_", "", name.lower())
