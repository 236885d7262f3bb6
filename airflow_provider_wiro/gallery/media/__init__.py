"""
The media themselves: an output's bytes for the browser, by a presigned URL or streamed.

The entry is :func:`respond`.
"""

from __future__ import annotations

from airflow_provider_wiro.gallery.media.response import origin_of, respond
from airflow_provider_wiro.gallery.media.shown_types import kind_of
from airflow_provider_wiro.gallery.media.stored import why_not_served

__all__ = ["kind_of", "origin_of", "respond", "why_not_served"]
