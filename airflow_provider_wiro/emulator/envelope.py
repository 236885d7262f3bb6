"""
The JSON envelope of Wiro's responses, and its errors word for word.

The texts come from the error reference of Wiro's public documentation (April 2026). Only those for a select
value outside its options and for a repeated nonce are the emulator's own: neither is documented.
"""

from __future__ import annotations

from typing import Any

NOT_FOUND = 1
VALIDATION = 0
CONCURRENCY = 96
BALANCE = 97


class ApiError(Exception):
    """A response with `result: false`; most have HTTP status 200."""

    def __init__(self, code: int, message: str, *, http_status: int = 200) -> None:
        """Keep the error's code and text, and the response's HTTP status."""
        super().__init__(message)
        self.code = code
        self.message = message
        self.http_status = http_status

    def envelope(self) -> dict[str, Any]:
        """Return the JSON body of this error."""
        return failure(self.code, self.message)


def success(**fields: Any) -> dict[str, Any]:
    """Return the JSON body of a successful call."""
    return {"errors": [], "result": True, **fields}


def failure(code: int, message: str) -> dict[str, Any]:
    """Return the JSON body of a failed call."""
    return {"result": False, "errors": [{"code": code, "message": message}]}


def invalid_parameters(http_status: int = 200) -> ApiError:
    """Return the error for a body, or a parameter value, that can't be used."""
    return ApiError(VALIDATION, "Request parameters are invalid.", http_status=http_status)


def parameter_required(name: str) -> ApiError:
    """Return the error for a missing parameter."""
    return ApiError(VALIDATION, f"Request parameter [{name}] required")


def files_required(name: str) -> ApiError:
    """Return the error for a missing file."""
    return ApiError(VALIDATION, f"Request files [{name}] required")
