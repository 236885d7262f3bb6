"""MasksSecretParameters: masks the secrets among an operator's parameters before Airflow shows them."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.exceptions import WiroUsageError

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import BaseOperator

    _Base = BaseOperator
else:
    _Base = object

#: Airflow builds its pattern again for each secret, and shows only the beginning of a long field.
_MOST_MASKED = 100


class MasksSecretParameters(_Base):
    """
    Has Airflow mask the secrets of an operator's parameters, as soon as they are rendered.

    Airflow masks a rendered ``previousTaskToken`` by its name, but not in parameters so long that it shows
    them as text, nor where a value appears elsewhere, as in a log line or an error message. Rendered fields
    are stored before ``execute``, so this is the last moment.
    """

    def _do_render_template_fields(self, *args: Any, **kwargs: Any) -> None:
        # Airflow calls this for mapped tasks too, in all versions, and documents it as a method to override.
        # It doesn't call render_template_fields for mapped tasks.
        super()._do_render_template_fields(*args, **kwargs)
        self.mask_secret_parameters()

    def render_template(self, content: Any, *args: Any, **kwargs: Any) -> Any:
        """
        Render a template; remember a text that Jinja read as a Python tuple.

        With ``render_template_as_native_obj`` the text ``1, 2, 3`` becomes a tuple, and nothing shows any
        more how it was written. It is refused when the task starts: Airflow would print an error twice here.
        """
        rendered = super().render_template(content, *args, **kwargs)
        if isinstance(content, str) and isinstance(rendered, tuple):
            self.__dict__.setdefault("_native_tuples", []).append((content, rendered))
        return rendered

    def check_native_tuples(self) -> None:
        """
        Raise if a text among the parameters became a tuple.

        :raises WiroUsageError: quotes the template, and says what to write instead.
        """
        for template, found in self.__dict__.get("_native_tuples", ()):
            if _holds(getattr(self, "parameters", None), found):
                raise WiroUsageError(
                    f"The template {template[:100]!r} gave a tuple, {str(found)[:100]}: with "
                    "render_template_as_native_obj=True Jinja reads text with commas as Python. For the "
                    "text, end the template with `| tojson`; for several values, write a list."
                )

    def mask_secret_parameters(self) -> None:
        """Register the secrets among the parameters, in files' and callbacks' addresses, and in inputs."""
        from airflow_provider_wiro.api.parameters import read_json
        from airflow_provider_wiro.redaction.secret_values import secret_values, with_secret_numbers_as_text
        from airflow_provider_wiro.version_compat import mask_secret

        for name in ("parameters", "inputs"):
            given = getattr(self, name, None)
            shown = with_secret_numbers_as_text(given)
            if shown is not given:
                setattr(self, name, shown)
        inputs = getattr(self, "inputs", None)
        found = chain(
            secret_values({"callbackUrl": getattr(self, "callback_url", None)}),
            secret_values(read_json(getattr(self, "parameters", None))),
            secret_values(getattr(self, "files", None)),
            secret_values(getattr(self, "op_args", None)),
            secret_values(getattr(self, "op_kwargs", None)),
            chain.from_iterable(map(secret_values, inputs if isinstance(inputs, list | tuple) else ())),
        )
        for secret in islice(dict.fromkeys(found), _MOST_MASKED):
            mask_secret(secret)


def _holds(value: Any, wanted: tuple[Any, ...]) -> bool:
    if value is wanted:
        return True
    if isinstance(value, Mapping):
        return any(_holds(inner, wanted) for inner in value.values())
    return isinstance(value, list | tuple) and any(_holds(inner, wanted) for inner in value)
