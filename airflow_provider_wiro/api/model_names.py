"""Which model a user may have meant by a name that Wiro doesn't know."""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

from airflow_provider_wiro.api import endpoints
from airflow_provider_wiro.api.flow import Flow, FlowContext, call
from airflow_provider_wiro.api.parameters import split_slug
from airflow_provider_wiro.exceptions import WiroError, WiroModelNotFoundError, WiroNotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Names less alike than this are no help: `difflib` says 0.6 of many that share no word.
_LEAST_LIKENESS = 0.75
#: A model of another owner is the less likely one of two that are as much alike.
_OTHER_OWNER = 0.95
_MOST_NAMED = 3


def unknown_model(
    model: str, outside: FlowContext, refusal: WiroNotFoundError
) -> Flow[WiroModelNotFoundError]:
    """
    Return the error for a model that Wiro doesn't have; it names those with the nearest names.

    The catalogue is asked, with two free calls. If it doesn't answer, the error names none.

    :param refusal: what Wiro answered.
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
            found = yield from call(lookup, outside, patience_seconds=0)
        except WiroError:
            continue  # the refusal says what matters; a hint is no reason for another error
        slugs += [one.slug for one in found]
    connection = f" (connection {outside.conn_id!r})" if outside.conn_id else ""
    near = nearest(given, slugs)
    hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else "."
    return WiroModelNotFoundError(
        f"Wiro has no model {given!r}{connection}{hint}", code=refusal.code, http_status=refusal.http_status
    )


def nearest(given: str, slugs: Iterable[str]) -> list[str]:
    """
    Return the slugs that are most like a given one, the likeliest first; at most three.

    One that is spelled as given but for its case stands alone.
    """
    scored = {slug.strip(): _likeness(given, slug) for slug in slugs if slug.strip() != given}
    likely = sorted(
        (slug for slug in scored if scored[slug] >= _LEAST_LIKENESS), key=lambda slug: -scored[slug]
    )
    if likely and scored[likely[0]] == 1.0:
        return likely[:1]
    best = scored[likely[0]] if likely else 0.0
    return [slug for slug in likely if scored[slug] > best - 0.1][:_MOST_NAMED]


def _likeness(given: str, slug: str) -> float:
    whole = _ratio(given, slug)
    name = _ratio(given.partition("/")[2], slug.partition("/")[2])
    return max(whole, name * _OTHER_OWNER)


def _ratio(one: str, other: str) -> float:
    return SequenceMatcher(None, _letters(one), _letters(other)).ratio()


def _letters(name: str) -> str:
    return re.sub(r"[^\w/]+|_", "", name.lower())
