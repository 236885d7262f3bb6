"""Hiding secrets among an operator's parameters before Airflow shows them."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import BaseOperator

    _Base = BaseOperator
else:
    _Base = object

#: Airflow builds its pattern again for each secret, and shows no more than the beginning of a long field.
_MOST_MASKED = 100


class MasksSecretParameters(_Base):
    """
    Has Airflow mask the secrets of an operator's parameters, as soon as they are rendered.

    Airflow hides a rendered ``previousTaskToken`` by its name, but not in parameters so long that it shows
    them as text, nor where a value turns up elsewhere: in a log line, an error message. Rendered fields are
    stored before ``execute``, so that this is the last moment.
    """

    def _do_render_template_fields(self, *args: Any, **kwargs: Any) -> None:
        # Airflow calls this for mapped tasks as well, in all versions, and says that it is there to be
        # overridden. render_template_fields is called for others only.
        super()._do_render_template_fields(*args, **kwargs)
        self.mask_secret_parameters()

    def mask_secret_parameters(self) -> None:
        """Register the secrets among the parameters, and among those of a batch's inputs."""
        # Here, since DAG files are parsed all day long.
        from airflow_provider_wiro.api.secret_parameters import secret_values
        from airflow_provider_wiro.version_compat import mask_secret

        inputs = getattr(self, "inputs", None)
        items = inputs if isinstance(inputs, list | tuple) else ()
        all_parameters = (getattr(self, "parameters", None), *map(_parameters_of, items))
        found = dict.fromkeys(chain.from_iterable(map(secret_values, all_parameters)))
        for secret in islice(found, _MOST_MASKED):
            mask_secret(secret)


def _parameters_of(item: object) -> object:
    """Return the parameters of a batch's item, which is just these or has them beside its files."""
    if isinstance(item, Mapping) and isinstance(item.get("parameters"), Mapping):
        return item["parameters"]
    return item
