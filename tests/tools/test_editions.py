"""Which version and which language a reader means who names none."""

from chatkit_tools.editions import order_locales, order_versions


def test_the_latest_version_is_the_one_without_its_name_in_the_address() -> None:
    pages = [
        ("/docs/1.0/a", "1.0"),
        ("/docs/a", "2.0"),
        ("/docs/next/a", "current"),
        ("/docs/next/b", "current"),
        ("/docs/1.0/b", "1.0"),
        ("/blog", ""),
    ]

    assert order_versions(pages) == ("2.0", "1.0", "current")


def test_docs_that_have_no_release_yet_are_the_latest() -> None:
    assert order_versions([("/docs/a", "current"), ("/docs/0.9/a", "0.9")])[0] == "current"


def test_where_every_version_has_its_name_the_highest_number_is_the_latest() -> None:
    versions = ["9.0", "10.0", "10.1", "main"]
    pages = [(f"/{version}/a", version) for version in versions]

    assert order_versions(pages) == ("10.1", "10.0", "9.0", "main")
    assert order_versions([("/v2/a", "2"), ("/v3/a", "3")]) == ("3", "2")


def test_docs_without_versions_have_none() -> None:
    assert order_versions([("/a", ""), ("/b", "")]) == ()


def test_the_default_language_is_the_one_without_its_name_in_the_address() -> None:
    pages = [("/fr/a", "fr"), ("/fr/b", "fr"), ("/a", "en"), ("/pt-BR/a", "pt-br"), ("/x", "")]

    assert order_locales(pages) == ("en", "fr", "pt-br")
