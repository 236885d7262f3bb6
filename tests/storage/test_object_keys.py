from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from airflow_provider_wiro.exceptions import WiroUsageError
from airflow_provider_wiro.storage.object_keys import check_key_template, clean_name, fill_key, output_name
from tests.api.fake_transport import quick


@pytest.mark.parametrize(
    ("name", "clean"),
    [
        ("0.png", "0.png"),
        ("My Photo (1).JPG", "My-Photo-(1).JPG"),
        ("../../etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("/abs/olute.png", "olute.png"),
        ("C:\\x\\y.png", "y.png"),
        ("a/b/", "b"),
        (".hidden", "hidden"),
        ("trailing...", "trailing"),
        ("a\0b\x1b[31m\r\n\t.png", "ab-31m.png"),
        ("photo\u202egnp.exe", "photognp.exe"),
        ("zero\u200bwidth.png", "zerowidth.png"),
        ("cafe\u0301.png", "caf\u00e9.png"),
        ("e\u200d\u0301.png", "\u00e9.png"),
        ("greek\u037emark.png", "greek-mark.png"),
        ("日本 🐻.png", "日本-🐻.png"),
        ('a:b*c?d"e<f>g|h.png', "a-b-c-d-e-f-g-h.png"),
        ("100%25&x=1#y;z,{index}.png", "100-25-x-1-y-z-index-.png"),
        ("a\ud800b.png", "ab.png"),
        ("CON", "CON"),
    ],
)
def test_a_servers_name_becomes_one_that_is_safe_in_a_key(name: str, clean: str) -> None:
    assert clean_name(name, fallback="output") == clean


@pytest.mark.parametrize(
    "name", ["", " ", ".", "..", "...", "/", "//", "\\", "../", "a/..", "\0", "???", "-.-"]
)
def test_where_nothing_remains_the_fallback_stands_in(name: str) -> None:
    assert clean_name(name, fallback="output") == "output"


def test_a_long_name_is_truncated_and_keeps_its_suffix() -> None:
    assert clean_name("x" * 300 + ".png", fallback="output") == "x" * 196 + ".png"
    assert clean_name("日" * 300 + ".jpeg", fallback="output") == "日" * 65 + ".jpeg"


def test_a_suffix_that_is_none_is_not_kept() -> None:
    assert clean_name("x" * 300 + "." + "y" * 30, fallback="output") == "x" * 200


def test_a_truncated_name_does_not_end_in_a_dot_or_a_dash() -> None:
    assert clean_name("x" * 199 + "." + "y" * 30, fallback="output") == "x" * 199
    assert clean_name("x" * 199 + " " + "y" * 300, fallback="output") == "x" * 199


@quick
@given(st.text(st.characters(codec=None), max_size=300))
@example("e\u200d\u0301")
@example("\u1fef.png")
@example("x" * 199 + "-" + "y" * 50)
@example("x" * 195 + "-." + "y" * 3)
@example("\u0958" * 100)
def test_no_name_escapes_breaks_or_changes_when_cleaned_again(name: str) -> None:
    clean = clean_name(name, fallback="output")

    assert clean not in {"", ".", ".."}
    assert not set(clean) & set("/\\{}\0 ")
    assert len(clean.encode()) <= 200
    assert not any(unicodedata.category(character).startswith("C") for character in clean)
    assert clean_name(clean, fallback="other") == clean


@pytest.mark.parametrize("name", ["\u3164.png", "\u2800", "\u115f\u1160", "\ufe0f\ufe0f.png"])
def test_a_name_of_blanks_is_no_name(name: str) -> None:
    assert clean_name(name, fallback="output").isascii()


LINK = "https://cdn1.wiro.ai/f/0.webp?Expires=1764&Signature=a/b.exe"


@pytest.mark.parametrize(
    ("name", "kind", "url", "expected"),
    [
        ("0.png", "image/png", None, "0.png"),
        ("output", "image/png", None, "output.png"),
        ("output", "image/jpeg; q=1", LINK, "output.jpg"),
        ("output", "", LINK, "output.webp"),
        ("output", "application/octet-stream", LINK, "output.webp"),
        ("output", "application/octet-stream", None, "output"),
        ("output", "application/x-nobody-knows", LINK, "output"),
        ("output", "", "http://[broken", "output"),
        ("", "video/mp4", None, "output.mp4"),
        ("...", "", LINK, "output.webp"),
        (".png", "image/png", None, "output.png"),
        ("0.PNG", "image/png", None, "0.PNG"),
        ("0.png", "image/jpeg", LINK, "0.png"),
        ("0.png?Expires=1764", "image/png", LINK, "0.png"),
        ("0.png?Expires=1764&Signature=a/b==&Key-Pair-Id=K.exe", "image/png", LINK, "0.png"),
        ("0.png?download", "image/png", None, "0.png"),
        ("0.png#t=1", "image/png", None, "0.png"),
        ("output?Expires=1764", "image/png", None, "output.png"),
        ("https://cdn1.wiro.ai/f/cat.mp4?Signature=x/y", "video/mp4", None, "cat.mp4"),
        ("who? me.png", "image/png", None, "who-me.png"),
        ("take #2", "audio/wav", None, "take-2.wav"),
        ("v1.5", "image/png", None, "v1.5.png"),
        ("robot 2026.11.27", "image/png", None, "robot-2026.11.27.png"),
        ("take.final", "video/mp4", None, "take.final.mp4"),
        ("take.final", "", LINK, "take.final"),
        ("notes.ipynb", "application/json", None, "notes.ipynb"),
        ("app.cfg", "text/plain", None, "app.cfg"),
        ("lora.safetensors", "application/octet-stream", None, "lora.safetensors"),
        ("cloud.ply", "text/plain", None, "cloud.ply"),
        ("notes", "text/plain; charset=utf-8", None, "notes.txt"),
        ("a.tar.gz", "application/gzip", None, "a.tar.gz"),
        ("CON", "image/png", None, "CON_.png"),
        ("nul.png", "image/png", None, "nul_.png"),
        ("Com1.tar.gz", "", None, "Com1_.tar.gz"),
        ("console.png", "image/png", None, "console.png"),
        ("日本 🐻", "image/png", None, "日本-🐻.png"),
        ("../../etc/passwd", "image/png", None, "passwd.png"),
        ("photo\u202egnp", "image/png", None, "photognp.png"),
    ],
)
def test_an_outputs_name_says_what_it_is_and_holds_no_query(
    name: str, kind: str, url: str | None, expected: str
) -> None:
    assert output_name(name, kind, url) == expected


def test_a_long_name_leaves_room_for_the_suffix_it_gets() -> None:
    assert output_name("x" * 300, "image/png", None) == "x" * 196 + ".png"
    assert output_name("日" * 300, "image/png", None) == "日" * 65 + ".png"


@quick
@given(st.text(st.characters(codec=None), max_size=300), st.sampled_from(["image/png", "", "text/plain"]))
@example("\u0958" * 100 + "?a=b", "image/png")
@example("con" + "x" * 250, "image/png")
@example("nul." + "x" * 250, "")
def test_no_outputs_name_escapes_or_gets_too_long_nor_changes_when_made_again(name: str, kind: str) -> None:
    made = output_name(name, kind, LINK)
    assert made not in {"", ".", ".."}
    assert not set(made) & set("/\\{}\0 ?#")
    assert len(made.encode()) <= 200
    assert output_name(made, kind, LINK) == made


KNOWN = frozenset({"index", "name"})


@pytest.mark.parametrize("template", ["wiro/{index}-{name}", "{name}", "plain"])
def test_a_template_of_known_placeholders_passes(template: str) -> None:
    assert check_key_template(template, KNOWN) == template


@pytest.mark.parametrize("template", ["{nmae}", "x/{index:03d}", "{}", "{ name }", "{0}", "{name.__class__}"])
def test_an_unknown_placeholder_is_named_together_with_the_known_ones(template: str) -> None:
    with pytest.raises(WiroUsageError, match=r"Unknown placeholder .* Known: \{index\}, \{name\}\.$"):
        check_key_template(template, KNOWN)


@pytest.mark.parametrize(
    ("template", "other"),
    [("a{b", "closing"), ("a/{name", "closing"), ("a}b", "opening"), ("{{index}}", "closing")],
)
def test_a_brace_without_its_other_is_refused(template: str, other: str) -> None:
    with pytest.raises(WiroUsageError, match=f"without its {other} brace"):
        check_key_template(template, KNOWN)


@pytest.mark.parametrize("template", ["", "/", " ", "// "])
def test_a_template_names_an_object(template: str) -> None:
    with pytest.raises(WiroUsageError, match="Expected s3_key to name an object"):
        check_key_template(template, KNOWN)


def test_a_key_is_filled_once_and_values_are_not_templates() -> None:
    assert fill_key("wiro/{index}-{name}", {"index": "0", "name": "{index}.png"}) == "wiro/0-{index}.png"


def test_a_key_is_as_long_as_s3_allows_and_no_longer() -> None:
    assert len(fill_key("{name}", {"name": "x" * 1024})) == 1024
    with pytest.raises(WiroUsageError, match="1026 bytes long, S3 takes 1024"):
        fill_key("{name}", {"name": "日" * 342})
