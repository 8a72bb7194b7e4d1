from bruk.recipes.texts import Document
from bruk.recipes.vocabulary import BEGIN, END, encode, special_ids, train_tokenizer

TEXTS = [Document(f"{n}.py", f"def function_{n}(value):\n    return value + {n}\n" * 5) for n in range(20)]


def test_training_is_deterministic_and_of_the_wanted_size() -> None:
    first, second = (train_tokenizer(TEXTS, 310, 10_000) for _ in range(2))
    assert first.to_str() == second.to_str()
    assert first.get_vocab_size() == 310


def test_special_tokens_in_a_text_stay_text_and_come_back() -> None:
    tokenizer = train_tokenizer(TEXTS, 300, 10_000)
    begin, end, _pad = special_ids(tokenizer)
    text = f"before {END} between {BEGIN} after"
    (ids,) = encode(tokenizer, [Document("a", text)], begin, end)
    assert ids[0] == begin
    assert ids[-1] == end
    assert not {begin, end} & set(ids[1:-1].tolist())
    assert tokenizer.decode(ids[1:-1].tolist(), skip_special_tokens=False) == text


def test_the_sample_is_bounded_by_its_bytes() -> None:
    huge = [Document("huge", "abc " * 100_000), *TEXTS]
    assert train_tokenizer(huge, 300, 1000).get_vocab_size() <= 300
