"""Stars that somebody gave by writing back: what is read, and what is left to a person, as it may mean something else."""

import pytest

from app.domain.stars import Rating, read_rating


@pytest.mark.parametrize(("text", "stars"), [
    # A digit, of whatever script: Latin, full width, Arabic, Persian and Urdu, a keycap.
    ("5", 5), (" 5 ", 5), ("5.", 5), ("5!", 5), ("1", 1), ("５", 5), ("٤", 4), ("٤.", 4), ("۳", 3), ("2\ufe0f\u20e3", 2),
    ("\u200f٥\u200f", 5),
    # Of five.
    ("4/5", 4), ("4 / 5", 4), ("4 out of 5", 4), ("3 of 5 stars", 3), ("٤/٥", 4), ("٤ من ٥", 4), ("٤ من أصل ٥ نجوم", 4),
    ("４／５", 4), ("4/5.", 4),
    # Stars, drawn.
    ("★★★★", 4), ("★★★★★", 5), ("★★★★☆", 4), ("★☆☆☆☆", 1), ("⭐⭐⭐", 3), ("⭐️⭐️⭐️⭐️⭐️", 5), ("★ ★ ★", 3), ("🌟🌟", 2),
    ("★★★★!", 4),
    # With the unit's name, in the languages of our mails.
    ("5 stars", 5), ("1 star", 1), ("5 Stars!", 5), ("Five stars", 5), ("5★", 5), ("4 ⭐", 4),
    ("5 نجوم", 5), ("٣ نجوم", 3), ("خمس نجوم", 5), ("أربع نجوم", 4), ("نجمتان", 2), ("نجمة واحدة", 1),
    ("5 ulduz", 5), ("Beş ulduz", 5), ("4 bal", 4),
    ("5星", 5), ("五星", 5), ("4颗星", 4), ("四顆星", 4), ("5分", 5), ("两颗星", 2), ("三星。", 3),
    # After a label.
    ("Rating: 4", 4), ("My rating: 4/5", 4), ("Score 3", 3), ("التقييم: ٤", 4), ("Qiymət: 5", 5), ("评分：5", 5),
    ("評分:3分", 3),
])  # fmt: skip
def test_a_score_alone_is_read(text, stars):
    assert read_rating(text) == Rating(stars, "")


@pytest.mark.parametrize(("text", "rating"), [
    ("5\n\nLovely mug, came early.\nThank you", Rating(5, "Lovely mug, came early.\nThank you")),
    ("4\nWould have been 5 stars, had it come on time.", Rating(4, "Would have been 5 stars, had it come on time.")),
    ("5\n5", Rating(5, "5")),
    ("5 stars, thanks!", Rating(5, "thanks!")),
    ("4/5 - loved it", Rating(4, "loved it")),
    ("4/5. Loved it.\nTruly.", Rating(4, "Loved it.\nTruly.")),
    ("1 star! It came broken", Rating(1, "It came broken")),
    ("Rating: 2/5, it leaks", Rating(2, "it leaks")),
    ("٢ نجوم، وصل مكسورا", Rating(2, "وصل مكسورا")),
    ("5 ulduz, çox bəyəndim", Rating(5, "çox bəyəndim")),
    ("５分，很好", Rating(5, "很好")),
    ("★★\nIt broke", Rating(2, "It broke")),
])  # fmt: skip
def test_what_is_written_besides_is_kept_as_it_was_written(text, rating):
    assert read_rating(text) == rating


@pytest.mark.parametrize("text", [
    "", " \n ", "Hello", "Thanks!", "Is the mug still there?", "not 5 stars", "stars",
    # No score of ours.
    "0", "6", "9", "10", "55", "-5", "+5", "5+", "5?", "0/5", "6/5", "4/10", "10/10", "8 out of 10", "5%", "★" * 6,
    "6 stars",
    # Between two.
    "4.5", "4,5", "٤٫٥", "4½", "4-5", "4 or 5", "3/4", "4 1/2", "4.5 stars", "★★★½", "1 2",
    # Numbers of something else.
    "2 mugs were broken", "4/5 of the mugs were broken", "5 of us love it", "5 days late", "5 - 6 days late",
    "3, 4 weeks ago",
    "#5", "5 stars were missing from the box", "2 star mugs", "5th", "5pm", "5/5-inch screws do not fit",
    "1. It leaks", "1.\nIt leaks", "1) It leaks", "1\nIt leaks\n2\nIt is late", "1:30", "5 €", "BİR ulduz",
    # Two scores, or one of a part.
    "5\n1", "5 stars, 1 star for the parcel", "5/5 - the parcel 1/5", "Mug: 5, parcel: 1", "Mug: 5",
    # Stars that may be pictures, censored words or a line.
    "⭐", "⭐ Love it", "*****", "***", "★★★☆", "☆☆☆☆☆", "☆☆★", "⭐⭐⭐ wow",
    # The score is not what they begin with.
    "Hello,\n5", "Love it\n5",
])  # fmt: skip
def test_what_may_mean_something_else_is_left_to_a_person(text):
    assert read_rating(text) is None


def test_an_answer_as_long_as_we_keep_costs_no_time_to_speak_of():
    """I15: 10,000 characters of what the grammar looks for, in every place; a slow pattern would never come back."""
    for piece in ("5", "5 ", "★", "5 stars, ", "rating: ", "4/", "نجمة ", "\n5", "5\n"):
        read_rating(piece * (10_000 // len(piece)))
