"""The models that the emulator offers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_wiro.emulator.catalog.images import IMAGE_MODELS
from airflow_provider_wiro.emulator.catalog.media import MEDIA_MODELS
from airflow_provider_wiro.emulator.catalog.texts import TEXT_MODELS
from airflow_provider_wiro.emulator.catalog.trainings import TRAINING_MODELS

if TYPE_CHECKING:
    from airflow_provider_wiro.emulator.catalog.model import Model

MODELS: tuple[Model, ...] = (*IMAGE_MODELS, *MEDIA_MODELS, *TEXT_MODELS, *TRAINING_MODELS)


def find_model(owner: str, project: str) -> Model | None:
    """Return the model with these slugs, as shown or in their clean form, or `None`."""
    return next((model for model in MODELS if model.is_called(owner, project)), None)
