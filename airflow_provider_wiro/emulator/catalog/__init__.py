"""
The models that the emulator offers: their parameters, timing and prices.

Entry: `MODELS` and `find_model`. All modules are pure data: `model` defines what a model is, the others list
models by their kind of output, or by their way of billing; those of `oddities` have the schemas that are
easily misread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_wiro.emulator.catalog.billing import BILLING_MODELS
from airflow_provider_wiro.emulator.catalog.images import IMAGE_MODELS
from airflow_provider_wiro.emulator.catalog.oddities import ODD_MODELS
from airflow_provider_wiro.emulator.catalog.texts import TEXT_MODELS
from airflow_provider_wiro.emulator.catalog.trainings import TRAINING_MODELS
from airflow_provider_wiro.emulator.catalog.video_and_audio import VIDEO_AND_AUDIO_MODELS

if TYPE_CHECKING:
    from airflow_provider_wiro.emulator.catalog.model import Model

MODELS: tuple[Model, ...] = (
    *IMAGE_MODELS,
    *VIDEO_AND_AUDIO_MODELS,
    *TEXT_MODELS,
    *TRAINING_MODELS,
    *ODD_MODELS,
    *BILLING_MODELS,
)


def find_model(owner: str, project: str) -> Model | None:
    """Return the model with these slugs, as shown or in their clean form, or `None`."""
    return next((model for model in MODELS if model.is_called(owner, project)), None)
