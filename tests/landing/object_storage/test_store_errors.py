"""What is wrong where a store is opened is said of what has to be corrected."""

from __future__ import annotations

import pytest

from airflow_provider_wiro.exceptions import WiroOutputUnavailableError, WiroUsageError
from airflow_provider_wiro.landing.object_storage.store_errors import plain_opening_errors

AZURE = "abfs://azure_prod@container/0.png"
GOOGLE = "gs://google_prod@bucket/0.png"


def opened(uri: str, conn_id: str | None, error: Exception) -> str:
    with (
        pytest.raises((WiroUsageError, WiroOutputUnavailableError)) as refused,
        plain_opening_errors(uri, conn_id, "path"),
    ):
        raise error
    is_permanent = isinstance(refused.value, WiroUsageError)
    return f"{'permanent' if is_permanent else 'passing'}: {refused.value}"


def test_a_connection_that_names_no_account_is_what_has_to_be_corrected() -> None:
    error = ValueError("unable to connect to account for Must provide an account_name with credentials!!")

    assert opened(AZURE, "azure_prod", error) == (
        f"permanent: Can't open {AZURE}: unable to connect to account for Must provide an account_name with "
        "credentials. Correct the connection 'azure_prod'."
    )


@pytest.mark.parametrize("name", ["DefaultCredentialsError", "MalformedError"])
def test_a_google_connection_without_credentials_is_a_permanent_error(name: str) -> None:
    exceptions = pytest.importorskip("google.auth.exceptions")
    said = opened(GOOGLE, "google_prod", getattr(exceptions, name)("No key found."))

    assert said == f"permanent: Can't open {GOOGLE}: No key found. Correct the connection 'google_prod'."


def test_a_google_that_gives_no_token_at_the_moment_may_give_one_later() -> None:
    exceptions = pytest.importorskip("google.auth.exceptions")

    assert opened(GOOGLE, "google_prod", exceptions.TransportError("timed out")).startswith("passing: ")


@pytest.mark.parametrize(
    "error",
    [
        ImportError("No module named 'adlfs'"),
        ValueError("No filesystem registered for scheme abfs"),
        ValueError("Protocol not known: abfs"),
    ],
)
def test_a_store_whose_packages_are_missing_says_which(error: Exception) -> None:
    assert "Install apache-airflow-providers-microsoft-azure." in opened(AZURE, "azure_prod", error)


@pytest.mark.parametrize("scheme", ["az", "wasb"])
def test_azure_by_a_name_that_airflow_does_not_know_says_the_one_it_knows(scheme: str) -> None:
    error = ValueError(f"Unsupported filesystem: {scheme!r}")
    said = opened(f"{scheme}://azure_prod@container/0.png", "azure_prod", error)

    assert said.endswith("Airflow's name of Azure's store is abfs://.")


def test_a_key_file_that_is_not_on_this_worker_is_what_has_to_be_corrected() -> None:
    missing = FileNotFoundError(2, "No such file or directory", "/keys/google.json")

    assert opened(GOOGLE, "google_prod", missing) == (
        f"permanent: Can't open {GOOGLE}: [Errno 2] No such file or directory: '/keys/google.json'. "
        "Correct the connection 'google_prod'."
    )
