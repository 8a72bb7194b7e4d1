from hypothesis import given
from hypothesis import strategies as st

from bruk.recipes.stopping import StopFilter


def run(pieces: list[str], stops: list[str]) -> tuple[str, bool]:
    stop_filter = StopFilter(stops)
    passed = "".join(stop_filter.feed(piece) for piece in pieces) + stop_filter.finish()
    return passed, stop_filter.stopped


@given(
    st.lists(st.text("abc", max_size=4), max_size=12),
    st.lists(st.text("abc", min_size=1, max_size=4), max_size=3),
)
def test_a_text_ends_at_the_first_stop_string_however_it_is_cut(pieces: list[str], stops: list[str]) -> None:
    whole = "".join(pieces)
    passed, stopped = run(pieces, stops)
    assert stopped == any(stop in whole for stop in stops)
    if not stopped:
        assert passed == whole
    else:
        assert whole.startswith(passed)
        assert not any(stop in passed for stop in stops)
        assert any(whole[len(passed) :].startswith(stop) for stop in stops)


def test_nothing_is_held_back_that_cannot_begin_a_stop_string() -> None:
    stop_filter = StopFilter(["\n\n"])
    assert stop_filter.feed("one\n") == "one"
    assert stop_filter.feed("two") == "\ntwo"
    assert stop_filter.feed("\n\nthree") == ""
    assert stop_filter.stopped
    assert stop_filter.feed("more") == ""


def test_an_empty_stop_string_stops_nothing() -> None:
    assert run(["abc"], [""]) == ("abc", False)
