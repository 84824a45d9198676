"""The last letter of a response that stands alone as its answer."""

import pytest

from counterpoise.types import VerdictValue
from counterpoise.verifiers.registry import make_verifier

RIGHT = [
    ("The third letter of the word garden is r.", "r"),
    ("The third letter is R", "r"),
    ("r", "R"),
    ("a", "a"),
    ("I", "i"),
    # set off
    ('The third letter is "r".', "r"),
    ("The third letter is 'R'!", "r"),
    ("It is “r,” of course", "r"),
    ("It is **r**.", "r"),
    ("The third letter: `r`", "r"),
    ("Letter:r", "r"),
    ("third = r", "r"),
    ("It is (r).", "r"),
    ("It is <b>r</b>.", "r"),
    (r"\boxed{r}", "r"),
    (r"\boxed{\text{R}}", "r"),
    (r"It is $\mathbf{r}$ or so", "r"),
    (r"It is \(r\).", "r"),
    (r"{\large r}", "r"),
    (r"\textcolor{red}{r}", "r"),
    ("r is the third letter of garden", "r"),
    ('"r is the third letter"', "r"),
    # words of one letter
    ("The third letter is r, I think.", "r"),
    ("It is r, as in a 'rose'", "r"),
    ("The second letter is a.", "a"),
    ('The letter "a" comes second', "a"),
    ("It is *I* in iron", "i"),
    # what is said on the way
    ("The letters are g, a, r, d, e, n. The third is r.", "r"),
    ("In g-a-r-d-e-n it is r", "r"),
    ("It is not d but r.", "r"),
    ("No, it is r.", "r"),
    ("r. Yes: R.", "r"),
    ("e e", "e"),
    ("The third letter in the word 'not' is t.", "t"),
    ("<think>it is d</think>r", "r"),
    # behind a dash or an arrow
    ("The third letter is—r", "r"),
    ("The third letter is — r.", "r"),
    ("The third letter –r.", "r"),
    ("The third letter is r—it comes third.", "r"),
    ("garden -> r", "r"),
    ("garden ->r", "r"),
    ("garden =>r", "r"),
    ("garden →r", "r"),
    ("The third letter：r", "r"),
    ("It is <r>.", "r"),
    ("It is <i>r</i>.", "r"),
    ("r。", "r"),
    ("「r」", "r"),
    # another sentence or clause ends a row
    ("The letters are g, a, r, d, e, n. It is r.", "r"),
    ("Well, g, a, r, d, e, n: it is r.", "r"),
    ("It is not d. It is r.", "r"),
    ("It isn't d, it is r.", "r"),
    ("g is 1, a is 2, r is 3. It is r.", "r"),
    ("It starts with a g, and then it is r.", "r"),
    # nothing is denied
    ("Without doubt it is r.", "r"),
    ("It is none other than r.", "r"),
    ("Besides it is r.", "r"),
    ("The third letter without spaces is r.", "r"),
]
REFUSED = [
    # a letter of a word, of a compound, of an abbreviation, of a spelling
    ("The word is garden.", "r"),
    ("garden", "r"),
    ("ga*r*den", "r"),
    ("ga_r_den", "r"),
    ("gar", "r"),
    ("r's", "r"),
    ("don't", "t"),
    ("x-ray", "x"),
    ("G-A-R-D-E-N", "n"),
    ("e.g.", "g"),
    ("U.S.", "s"),
    ("r2", "r"),
    ("3r", "r"),
    # no letters between these, for whoever looks
    ("ga\u200br\u200bden", "r"),
    ("ga\x00r\x00den", "r"),
    ("ga\x1cr\x1cden", "r"),
    ("ga\u00adr\u00adden", "r"),
    ("r\u0303", "r"),
    # look-alikes are other letters, and none that comes before them is meant
    ("It is \u0440.", "p"),
    ("p, that is to say \u0440.", "p"),
    ("It is \u03bf.", "o"),
    ("\u0430", "a"),
    # several
    ("r or d", "r"),
    ("d or r", "r"),
    ("r, not d", "r"),
    ("r rather than d", "r"),
    ("r = d", "r"),
    ("g a r d e n", "n"),
    ("c a r", "r"),
    ("1. g 2. a 3. r", "r"),
    ("g, a, r", "r"),
    ("t, r, e, e", "e"),
    (r"\boxed{d \text{ or } r}", "r"),
    (r"\boxed{d, r}", "r"),
    ("r or the letter d", "d"),
    ("either d or possibly r", "r"),
    ("d, maybe also r", "r"),
    ("d as well as r", "r"),
    ("d, or it could be r", "r"),
    ("d, alternatively r", "r"),
    ("d vs r", "r"),
    ("d or I think r", "r"),
    ("d or just r", "r"),
    ("d or else r", "r"),
    ("d otherwise r", "r"),
    ("d->r", "r"),
    ("d→r", "r"),
    ("g->a->r", "r"),
    ("d<->r", "r"),
    ("d：r", "r"),
    ("<g><a><r>", "r"),
    ("gar–r", "r"),
    ("33—r", "r"),
    ("g—a—r", "r"),
    ("g–a–r", "r"),
    ("ga<b>r</b>", "r"),
    ("ga<b>r</b>den", "r"),
    ("r/d", "r"),
    # an article, a pronoun
    ("It is a letter", "a"),
    ("A word", "a"),
    ("I do not know.", "i"),
    ("i think so", "i"),
    ("The answer is in a 'word'", "a"),
    # cut off in a word or before one
    ("The third letter is a", "a"),
    ("So I", "i"),
    ('The third letter is "r', "r"),
    ("It is <r", "r"),
    (r"\boxed{r", "r"),
    # asked, denied, supposed
    ("Is it r?", "r"),
    ("The third letter is not r.", "r"),
    ("It isn't r.", "r"),
    ("garden has no letter r", "r"),
    ("if it were r", "r"),
    ("Is it r ?", "r"),
    ("Is it r or not?", "r"),
    ("r, isn't it?", "r"),
    ("Is it r, maybe?", "r"),
    ("r (?)", "r"),
    ("r？", "r"),
    ("It isnt r", "r"),
    ("It is false that it is r", "r"),
    ("anything but r", "r"),
    ("as opposed to r", "r"),
    ("I doubt it is r", "r"),
    ("anything but the letter r", "r"),
    ('Is it "r" ?', "r"),
    ("garden without r", "r"),
    ("anything except r", "r"),
    ("any letter other than r", "r"),
    ("It lacks r", "r"),
    ("I wonder whether it is r.", "r"),
    ("", "r"),
    ("?", "r"),
    ("<think>r", "r"),
]


def verdict(response, gold):
    verifier = make_verifier("last_letter")
    answer = verifier.extract(response).answer
    return VerdictValue.NO_ANSWER if answer is None else verifier.judge(gold, answer).value


@pytest.mark.parametrize(("response", "gold"), RIGHT)
def test_a_letter_that_stands_alone_is_the_answer(response, gold):
    assert verdict(response, gold) is VerdictValue.CORRECT
    assert verdict(response, "z") is VerdictValue.WRONG


@pytest.mark.parametrize(("response", "gold"), REFUSED)
def test_what_only_holds_the_letter_is_not_right(response, gold):
    assert verdict(response, gold) in (VerdictValue.NO_ANSWER, VerdictValue.WRONG)


@pytest.mark.parametrize(
    ("response", "basis"),
    [
        ("It is r.", "last_letter"),
        ("r or d", "last_letter_of_several"),
        ("Is it r?", "last_letter_asked"),
        ("It is not r.", "last_letter_denied"),
        ('It is "r', "last_letter_cut_off"),
        ("garden", "none"),
    ],
)
def test_the_basis_says_why(response, basis):
    assert make_verifier("last_letter").extract(response).basis == basis


def test_of_two_letters_said_apart_the_last_counts():
    said = "The second letter is a. The third letter is r."
    assert verdict(said, "r") is VerdictValue.CORRECT
    assert verdict(said, "a") is VerdictValue.WRONG


def test_its_case_is_a_setting():
    verifier = make_verifier("last_letter", ignore_case=False)
    assert verifier.judge("r", "R").value is VerdictValue.WRONG
    assert make_verifier("exact").version != make_verifier("last_letter").version
