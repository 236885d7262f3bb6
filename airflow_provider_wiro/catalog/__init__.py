"""
What is known of a model before anything is paid for: whether a run fits its schema, and what it will cost.

Entries: :mod:`~airflow_provider_wiro.catalog.checks` (a run against the model's schema),
:mod:`~airflow_provider_wiro.catalog.price` (its estimate) and
:mod:`~airflow_provider_wiro.catalog.model_cache` (the schema, asked for once an hour for a machine), the only
module here that is not pure.
"""

from __future__ import annotations

from typing import Literal

#: How strictly a run is compared with its model's schema: the operators' ``check_parameters``.
CheckMode = Literal["warn", "strict", "off"]
