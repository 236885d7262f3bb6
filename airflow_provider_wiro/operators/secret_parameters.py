"""Hiding secrets among an operator's parameters before Airflow shows them."""

from __future__ import annotations

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
        """Register the secrets among the parameters, in files' and callbacks' addresses, and in inputs."""
        from airflow_provider_wiro.api.secret_parameters import secret_values, with_secret_numbers_as_text
        from airflow_provider_wiro.version_compat import mask_secret

        for name in ("parameters", "inputs"):
            given = getattr(self, name, None)
            shown = with_secret_numbers_as_text(given)
            if shown is not given:
                setattr(self, name, shown)
        inputs = getattr(self, "inputs", None)
        found = chain(
            secret_values({"callbackUrl": getattr(self, "callback_url", None)}),
            secret_values(getattr(self, "parameters", None)),
            secret_values(getattr(self, "files", None)),
            chain.from_iterable(map(secret_values, inputs if isinstance(inputs, list | tuple) else ())),
        )
        for secret in islice(dict.fromkeys(found), _MOST_MASKED):
            mask_secret(secret)
