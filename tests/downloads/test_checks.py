from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wiro.api.models import Output
from airflow_provider_wiro.downloads.checks import (
    MAX_UNANNOUNCED_BYTES,
    check_received,
    check_response,
    output_url,
    redirect_url,
    refuse_address,
    truncated,
)
from airflow_provider_wiro.exceptions import (
    WiroOutputError,
    WiroOutputRefusedError,
    WiroOutputUnavailableError,
    WiroUsageError,
)
from tests.api.fake_transport import quick

URL = "https://cdn1.wiro.ai/a/0.png"


def _output(
    size: int | None = 100, url: str | None = URL, content_type: str = "image/png", name: str = "0.png"
) -> Output:
    return Output(0, name, content_type, size, url)


def test_the_refusal_of_an_address_says_where_it_is_and_what_would_allow_it() -> None:
    error = refuse_address(_output(), "cdn.example", "10.0.0.1")
    assert type(error) is WiroOutputRefusedError
    assert str(error) == (
        "Output 0 ('0.png') is at cdn.example (10.0.0.1), which is not a public address. It is not fetched: "
        "only a connection whose own base URL is private may have outputs there."
    )


# URLs and redirects


def test_an_output_is_fetched_from_its_url() -> None:
    assert output_url(_output()) == URL


@pytest.mark.parametrize(
    ("url", "fetched"),
    [
        ("https://cdn1.wiro.ai/a/my holiday.png", "https://cdn1.wiro.ai/a/my%20holiday.png"),
        (" https://cdn1.wiro.ai/a/ 1 .png ?x=a b ", "https://cdn1.wiro.ai/a/%201%20.png%20?x=a%20b"),
        ("https://cdn1.wiro.ai/3.15\u202fPM.png", "https://cdn1.wiro.ai/3.15%E2%80%AFPM.png"),
        ("https://cdn1.wiro.ai/a%20b.png", "https://cdn1.wiro.ai/a%20b.png"),
    ],
)
def test_a_files_name_may_stand_in_its_url_with_spaces(url: str, fetched: str) -> None:
    assert output_url(_output(url=url)) == fetched


def test_an_llms_answer_has_no_url_and_a_file_may_have_none_yet() -> None:
    with pytest.raises(WiroUsageError, match="has no file to fetch"):
        output_url(Output(0, "answer", "raw", None, None, content={}))
    with pytest.raises(WiroOutputUnavailableError, match="shows no link for output 0"):
        output_url(_output(url=None))


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://a.example/x", "//a.example", "x", "http://["])
def test_an_output_that_is_not_on_the_web_is_refused(url: str) -> None:
    with pytest.raises(WiroOutputRefusedError, match=r"Expected an http\(s\) URL for output 0"):
        output_url(_output(url=url))


@pytest.mark.parametrize(
    "url", ["ftp://a.example/s3cret.png", "https://a.example/s3cret\n.png", "//a/s3cret"]
)
def test_a_link_that_is_refused_is_quoted_nowhere(url: str) -> None:
    with pytest.raises(WiroOutputRefusedError) as caught:
        output_url(_output(url=url))
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("https://cdn2.wiro.ai/b.png", "https://cdn2.wiro.ai/b.png"),
        ("/b.png", "https://cdn1.wiro.ai/b.png"),
        ("b.png?x=1", "https://cdn1.wiro.ai/a/b.png?x=1"),
        (" //cdn2.wiro.ai/b.png ", "https://cdn2.wiro.ai/b.png"),
    ],
)
def test_a_redirect_leads_where_its_location_says(location: str, target: str) -> None:
    assert redirect_url(_output(), URL, {"location": location}, hops=0) == target


def test_a_redirect_may_lead_from_http_to_https_but_not_back() -> None:
    plain = "http://cdn1.wiro.ai/a.png"
    assert redirect_url(_output(), plain, {"location": URL}, hops=0) == URL
    for location in (plain, "HTTP://cdn1.wiro.ai/a.png"):
        with pytest.raises(WiroOutputRefusedError, match="from https to plain http"):
            redirect_url(_output(), URL, {"location": location}, hops=0)


def test_five_redirects_are_followed_and_no_sixth() -> None:
    assert redirect_url(_output(), URL, {"location": "/b"}, hops=4) == "https://cdn1.wiro.ai/b"
    with pytest.raises(WiroOutputRefusedError, match="more than 5 redirects"):
        redirect_url(_output(), URL, {"location": "/b"}, hops=5)


@pytest.mark.parametrize("headers", [{}, {"location": ""}, {"location": "  "}])
def test_a_redirect_to_nowhere_is_not_followed_in_circles(headers: dict[str, str]) -> None:
    with pytest.raises(WiroOutputRefusedError, match="without saying where"):
        redirect_url(_output(), URL, headers, hops=0)


@pytest.mark.parametrize(
    "location", ["http://[", "ftp://a.example/x", "file:///etc/passwd", "https://a:b/", "/a b", "x\0"]
)
def test_a_redirect_to_anything_but_the_web_is_refused(location: str) -> None:
    with pytest.raises(WiroOutputRefusedError):
        redirect_url(_output(), URL, {"location": location}, hops=0)


@quick
@given(st.text(), st.integers(0, 6))
def test_no_location_does_worse_than_lead_to_the_web_or_be_refused(location: str, hops: int) -> None:
    try:
        target = redirect_url(_output(), URL, {"location": location}, hops)
    except WiroOutputRefusedError:
        return
    assert target.lower().startswith("https://")


# What the CDN answers


@pytest.mark.parametrize("announced", ["100", " 100 ", None, "", "many", "-1"])
def test_a_response_may_announce_its_size_or_not(announced: str | None) -> None:
    headers = {} if announced is None else {"content-length": announced}
    expected = 100 if (announced or "").strip() == "100" else None
    assert check_response(_output(), 200, headers) == expected


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_an_expired_link_may_be_renewed(status: int) -> None:
    with pytest.raises(WiroOutputUnavailableError, match=f"HTTP {status} .*link has expired"):
        check_response(_output(), status, {})


@pytest.mark.parametrize("status", [204, 206, 304, 418, 429, 500, 503])
def test_any_other_status_is_no_file(status: int) -> None:
    with pytest.raises(WiroOutputUnavailableError, match=f"HTTP {status}"):
        check_response(_output(), status, {})


def test_a_file_of_another_size_than_wiro_said_is_refused() -> None:
    with pytest.raises(WiroOutputRefusedError, match="has 100 bytes, the CDN announces 99; nothing was kept"):
        check_response(_output(), 200, {"content-length": "99"})
    assert check_response(_output(size=None), 200, {"content-length": "99"}) == 99


def test_bytes_that_would_have_to_be_unpacked_are_refused() -> None:
    with pytest.raises(WiroOutputRefusedError, match="'gzip', though it was asked for the plain bytes"):
        check_response(_output(), 200, {"content-encoding": "GZIP"})
    check_response(_output(), 200, {"content-encoding": "identity"})


@pytest.mark.parametrize("content_type", ["text/html", "Text/HTML; charset=utf-8", "application/xhtml+xml"])
def test_a_web_page_in_place_of_a_file_is_refused(content_type: str) -> None:
    for output in (_output(), _output(content_type="")):
        with pytest.raises(WiroOutputRefusedError, match="found a web page"):
            check_response(output, 200, {"content-type": content_type})


def test_a_web_page_that_wiro_announced_is_a_file() -> None:
    for output in (_output(content_type="text/html"), _output(content_type="", name="Page.HTML")):
        check_response(output, 200, {"content-type": "text/html"})


# What of it arrives


def test_as_many_bytes_as_announced_are_whole() -> None:
    for received, is_complete in ((0, False), (50, False), (100, False), (100, True)):
        check_received(_output(), received, announced=None, is_complete=is_complete)
        check_received(_output(size=None), received, announced=100, is_complete=is_complete)


@pytest.mark.parametrize("is_complete", [False, True])
def test_one_byte_too_many_is_refused_as_soon_as_it_arrives(is_complete: bool) -> None:
    with pytest.raises(WiroOutputRefusedError, match="has 100 bytes, more came"):
        check_received(_output(), 101, announced=100, is_complete=is_complete)
    with pytest.raises(WiroOutputUnavailableError, match="more bytes came than announced"):
        check_received(_output(size=None), 101, announced=100, is_complete=is_complete)


def test_a_body_that_ends_early_was_truncated_if_more_was_announced() -> None:
    for output in (_output(), _output(size=None)):
        with pytest.raises(WiroOutputUnavailableError, match=r"truncated output 0 .*: after 99 of 100 bytes"):
            check_received(output, 99, announced=100, is_complete=True)


def test_a_body_that_ends_early_unannounced_is_not_what_wiro_said() -> None:
    with pytest.raises(WiroOutputRefusedError, match="has 100 bytes, 99 came"):
        check_received(_output(), 99, announced=None, is_complete=True)


def test_a_body_of_unannounced_size_has_a_cap() -> None:
    check_received(_output(size=None), MAX_UNANNOUNCED_BYTES, announced=None, is_complete=True)
    with pytest.raises(WiroOutputRefusedError, match="of no announced size"):
        check_received(_output(size=None), MAX_UNANNOUNCED_BYTES + 1, announced=None, is_complete=False)


def test_an_empty_file_is_a_file() -> None:
    check_received(_output(size=0), 0, announced=0, is_complete=True)


def test_a_cut_connection_may_be_tried_again() -> None:
    error = truncated(_output(), "ReadTimeout after 7 bytes")
    assert error.may_retry
    assert str(error) == "The CDN truncated output 0 ('0.png'): ReadTimeout after 7 bytes."


@quick
@given(
    st.integers(100, 599),
    st.dictionaries(
        st.sampled_from(["content-length", "content-type", "content-encoding", "location"]), st.text()
    ),
)
def test_no_response_of_a_cdn_does_worse_than_an_output_error(status: int, headers: dict[str, str]) -> None:
    try:
        announced = check_response(_output(size=None), status, headers)
    except WiroOutputError:
        return
    assert status == 200
    assert announced is None or announced >= 0
