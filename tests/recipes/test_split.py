from bruk.recipes.split import is_heldout


def test_the_rule_is_pinned_so_that_old_corpora_split_as_before() -> None:
    names = [f"package_{number}" for number in range(40)]
    held = [name for name in names if is_heldout(name, 10)]
    assert held == [name for name in names if is_heldout(name, 10)]
    assert not any(is_heldout(name, 0) for name in names)
    assert all(is_heldout(name, 100) for name in names)


def test_a_larger_share_keeps_what_a_smaller_one_held_out() -> None:
    names = [f"n{number}" for number in range(500)]
    small = {name for name in names if is_heldout(name, 5)}
    large = {name for name in names if is_heldout(name, 20)}
    assert small < large
    assert 60 <= len(large) <= 140


def test_the_salt_makes_families_independent() -> None:
    names = [f"n{number}" for number in range(200)]
    assert [is_heldout(n, 50) for n in names] != [is_heldout(n, 50, "other/") for n in names]
