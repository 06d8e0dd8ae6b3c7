"""What principles and settings change in the checks of an answer, in English and Chinese."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from augcon.answer import (
    Checking,
    FixedExamples,
    GenerateResponder,
    LexicalVerifier,
    ModelVerifier,
    Terms,
    check_answer,
    without_source,
)
from augcon.answer.abstain import told_beside
from augcon.answer.lexical import Passage, lexical_support
from augcon.answer.settle import finding
from augcon.answer.verify import rejection
from augcon.errors import ModelError, ReplyError, TooLongError
from augcon.llm.base import Request, Sampling
from augcon.llm.call import Caller, MemoryJournal
from augcon.llm.fake import FakeModel, last_text
from augcon.prompts import Asker, Library
from augcon.records import Question, Verdict, rejected
from tests.answer.questions import MILL, MILL_ZH, about, about_mill, about_mill_zh
from tests.answer.test_checks import GERMAN

CITING = {"en": 'Name the {source} as "Source".', "zh": "写明{source}。"}
FLOOD = "A flood took its wheel, and it was never repaired"
FLOOD_ZH = "洪水冲走了水轮，此后再没有修复"


def named(question: Question, document: str) -> Question:
    return replace(question, context=replace(question.context, document=document))


IN_FILE = named(about_mill(), "records/mill 1854.md")
IN_FILE_ZH = named(about_mill_zh(), "档案/磨坊1854.md")


def asker(script: object) -> tuple[Asker, FakeModel]:
    model = FakeModel(script)  # type: ignore[arg-type]
    return Asker(Caller(model, MemoryJournal(), tries=2)), model


async def by_words(question: Question, answer: str, terms: Terms) -> Verdict:
    return (await Checking(LexicalVerifier(terms), terms=terms).judge(question, answer)).verdict


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        (IN_FILE, f"{FLOOD} [records/mill 1854.md]."),
        (IN_FILE, f"{FLOOD}. (Source: records/mill 1854.md)"),
        (IN_FILE, f"{FLOOD}.\n\n[records/mill 1854.md]"),
        (IN_FILE, f"According to records/mill 1854.md, {FLOOD[0].lower()}{FLOOD[1:]}."),
        (IN_FILE_ZH, f"{FLOOD_ZH}（来源：档案/磨坊1854.md）。"),
        (IN_FILE_ZH, f"{FLOOD_ZH}。[档案/磨坊1854.md]"),
        (IN_FILE_ZH, f"{FLOOD_ZH}。\n来源：档案/磨坊1854.md"),
    ],
)
async def test_an_answer_that_names_its_source_as_asked_stands(
    question: Question, answer: str
) -> None:
    assert (await by_words(question, answer, Terms(CITING))).kept


@pytest.mark.parametrize(
    ("question", "answer"), [(IN_FILE, f"{FLOOD}."), (IN_FILE_ZH, f"{FLOOD_ZH}。")]
)
async def test_an_answer_that_has_to_name_its_source_and_does_not_is_told_which_it_is(
    question: Question, answer: str
) -> None:
    verdict = await by_words(question, answer, Terms(CITING))
    assert (verdict.reason, verdict.detail) == ("no_source", question.context.document)
    assert question.context.document in finding(verdict, question.context.language)
    assert (await by_words(question, answer, Terms())).kept


async def test_a_sentence_of_the_context_has_to_name_its_source_too() -> None:
    verdict = await by_words(IN_FILE, "It ground rye for nine villages.", Terms(CITING))
    assert verdict.reason == "no_source"


async def test_a_source_alone_is_no_answer() -> None:
    for question, answer in ((IN_FILE, "[records/mill 1854.md]"), (IN_FILE_ZH, "档案/磨坊1854.md")):
        assert (await by_words(question, answer, Terms(CITING))).reason == "empty_answer"


async def test_what_is_cut_off_or_invented_beside_a_source_is_still_found() -> None:
    terms = Terms(CITING)
    cut = f"{FLOOD}. After that it was nev [records/mill 1854.md]"
    assert (await by_words(IN_FILE, cut, terms)).reason == "cut_off"
    invented = f"{FLOOD} in 1861 [records/mill 1854.md]."
    verdict = await by_words(IN_FILE, invented, terms)
    assert (verdict.reason, "1861" in verdict.detail) == ("not_supported", True)


async def test_only_the_language_whose_principles_ask_for_the_source_has_to_name_it() -> None:
    terms = Terms({"en": "Be brief.", "zh": CITING["zh"]})
    assert (await by_words(IN_FILE, f"{FLOOD}.", terms)).kept
    assert (await by_words(IN_FILE_ZH, f"{FLOOD_ZH}。", terms)).reason == "no_source"


def test_a_source_is_blanked_without_moving_anything() -> None:
    text = 'It stood (Source: a.md). "a.md" tells so; (see a.md) and 【出处：a.md】。'
    blanked = without_source(text, "a.md")
    assert len(blanked) == len(text)
    assert "a.md" not in blanked
    assert blanked.split() == ["It", "stood", ".", "tells", "so;", "and", "。"]
    assert without_source(text, "") == text


async def test_a_source_that_is_missing_is_asked_for_once_more() -> None:
    def script(request: Request) -> str:
        revising = "You correct answers." in request.messages[0].content
        return json.dumps({"answer": f"{FLOOD}{' [records/mill 1854.md]' * revising}."})

    found, model = asker(script)
    library = _Citing()
    responder = GenerateResponder(found, library, FixedExamples({}), Sampling())
    terms = Terms(CITING)
    settled = await Checking(LexicalVerifier(terms), terms=terms).settle(IN_FILE, responder)
    assert settled.verdict.kept
    assert settled.text.endswith("[records/mill 1854.md].")
    assert len(model.requests) == 2
    for request in model.requests:
        assert "Source:\n<<<\nrecords/mill 1854.md\n>>>" in last_text(request)


class _Citing(Library):
    """Principles that ask for the source, without a file."""

    def principles(self, language: str) -> str:
        return CITING[language]


async def test_the_model_is_not_shown_the_source_in_the_claim_that_it_judges() -> None:
    def script(request: Request) -> str:
        return json.dumps({"evidence": MILL.split(". ")[2], "verdict": "supported"})

    found, model = asker(script)
    answer = "Its wheel was taken by a flood and was not repaired (Source: records/mill 1854.md)."
    verified = await ModelVerifier(found, Library(), Terms(CITING)).verify(IN_FILE, answer)
    assert rejection(verified, answer).kept
    (request,) = model.requests
    claim = last_text(request).split("Claim to check:")[1]
    assert "taken by a flood" in claim
    assert "1854.md" not in claim


ROLE = {"en": "Speak as Captain Vestergaard.", "zh": "你叫李长庚，是一位守磨人。"}


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        (about_mill(), "As Captain Vestergaard I say: a flood took the wheel in March 1854."),
        (about_mill(), "Captain Vestergaard will tell you: the wheel was lost in March 1854."),
        (about_mill_zh(), "我是李长庚：1854年3月，洪水冲走了磨坊的水轮。"),
    ],
)
async def test_a_character_of_the_principles_is_no_missing_name(
    question: Question, answer: str
) -> None:
    assert (await by_words(question, answer, Terms(ROLE))).kept
    assert (await by_words(question, answer, Terms())).reason == "not_supported"


async def test_what_the_principles_name_makes_no_other_name_and_no_number_known() -> None:
    terms = Terms({"en": "Speak as Captain Vestergaard, born in 1861.", "zh": ""})
    for answer in ("Governor Tessen built it.", "The wheel was lost in 1861."):
        assert (await by_words(about_mill(), answer, terms)).reason == "not_supported"


AFTER, AFTER_ZH = "Who owned the mill after the flood?", "洪水以后磨坊归谁所有？"
NAMED, NAMED_ZH = "(Source: records/mill 1854.md)", "（来源：档案/磨坊1854.md）"
UNKNOWN = [
    "It is not known who will pay.",
    "The price of the new wheel is not known.",
    "It is unclear how many sacks were stored there.",
]
UNKNOWN_ZH = [
    "尚不清楚由谁付款。",
    "新水轮的价格不得而知。",
    "至于存放了多少袋粮食，目前还不清楚。",
]


@pytest.mark.parametrize("claim", UNKNOWN)
async def test_that_something_is_not_known_passes_beside_what_is(claim: str) -> None:
    assert (await by_words(about_mill(), f"{FLOOD}. {claim}", Terms())).kept


@pytest.mark.parametrize("claim", UNKNOWN_ZH)
async def test_that_something_is_not_known_passes_in_chinese(claim: str) -> None:
    assert (await by_words(about_mill_zh(), f"{FLOOD_ZH}。{claim}", Terms())).kept


@pytest.mark.parametrize(
    "claim",
    [
        "It is not known who paid the 4,000 crowns.",
        "It is not known what Governor Tessen wanted.",
        'Who was called "the old lady" is not known.',
        "Beekeepers weigh their hives each autumn, but it is not known why.",
        "It is not known who pays, beekeepers weigh their hives each autumn.",
        "Although it is not known why, beekeepers weigh their hives each autumn.",
        "Unknown soldiers were buried beside the chapel garden.",
        "Little-known beekeepers weigh their hives each autumn.",
    ],
)
async def test_it_fails_by_what_it_names_and_by_what_it_tells_beside(claim: str) -> None:
    assert (await by_words(about_mill(), f"{FLOOD}. {claim}", Terms())).reason == "not_supported"


@pytest.mark.parametrize(
    "claim",
    [
        "尚不清楚由谁付了4000元。",
        "目前还不清楚上海派来了谁。",
        "养蜂人在秋天称量蜂箱，但原因尚不清楚。",
        "尚不清楚由谁付款，养蜂人在秋天称量蜂箱。",
        "不清楚的照片挂在教堂花园里。",
        "无名战士埋葬在教堂花园旁边。",
    ],
)
async def test_it_fails_in_chinese_too(claim: str) -> None:
    verdict = await by_words(about_mill_zh(), f"{FLOOD_ZH}。{claim}", Terms())
    assert verdict.reason == "not_supported"


@pytest.mark.parametrize(
    ("sentence", "left"),
    [
        ("The mill was sold, but it is not known to whom.", "The mill was sold"),
        ("Who built it, and when, is not known.", ""),
        ("It ground rye.", "It ground rye."),
        ("磨坊卖掉了，但买主是谁尚不清楚。", "磨坊卖掉了"),
        ("由谁建造尚不清楚。", ""),
        (
            "Although it is not known who owned it, the mill killed many fish.",
            "the mill killed many fish.",
        ),
        ("It is not known who owned it, they burned it.", "they burned it."),
        (
            "It is not known who owned it, which poisoned rivers and fish.",
            "poisoned rivers and fish.",
        ),
        (
            "It stood where two rivers meet, but it is not known since when.",
            "It stood where two rivers meet",
        ),
        ("To my regret, who built the mill is not known.", ""),
        ("Unfortunately, who built the old mill, and when, is not known.", ""),
        ("After the flood took the wheel, it is not known who owned the mill.", ""),
        ("It is not known who paid the 4,000 crowns, my dear friend.", ""),
        ("虽然不清楚磨坊归谁，但是磨坊毒死了许多鱼。", "磨坊毒死了许多鱼。"),
        ("尚不清楚磨坊归谁所有，磨坊毒死了河里许多鱼。", "磨坊毒死了河里许多鱼。"),
        ("尚不清楚归谁所有，水轮每天转动五个小时。", "水轮每天转动五个小时。"),
        ("遗憾的是，磨坊归谁所有，目前尚不清楚。", ""),
        ("洪水冲走水轮以后，磨坊归谁所有，目前尚不清楚。", ""),
    ],
)
def test_what_a_sentence_tells_beside_what_is_not_known(sentence: str, left: str) -> None:
    assert told_beside(sentence).strip() == left


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        (about_mill(), "I do not know what became of it."),
        (about_mill(), "I cannot answer this, and it is not known who can."),
        (about_mill_zh(), "无法确定磨坊后来怎样了。"),
        (about_mill_zh(), "我不知道，也没有人知道。"),
        (about_mill(AFTER), "It is not known who owned the mill at Orrow after the flood."),
        (about_mill(AFTER), "After the flood took its wheel, it is not known who owned the mill."),
        (about_mill_zh(AFTER_ZH), "洪水以后奥罗村的磨坊归谁所有，目前尚不清楚。"),
        (about_mill_zh(AFTER_ZH), "水轮被冲走以后，磨坊归谁所有，不得而知。"),
    ],
)
def test_an_answer_that_refuses_is_no_honest_one(question: Question, answer: str) -> None:
    assert check_answer(question, answer).reason == "refusal"


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        (about_mill(AFTER), "Who owned the mill is not known, it was never repaired."),
        (about_mill(AFTER), "A flood took its wheel, but it is not known who owned the mill."),
        (about_mill_zh(AFTER_ZH), "归谁所有尚不清楚，磨坊此后再没有修复水轮。"),
        (about_mill_zh(AFTER_ZH), "洪水冲走了水轮，但归谁所有尚不清楚。"),
    ],
)
def test_an_answer_that_tells_what_is_known_and_where_that_ends_is_no_refusal(
    question: Question, answer: str
) -> None:
    assert check_answer(question, answer).kept


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        (IN_FILE, "It is not known who owned the mill. (Source: records/mill 1854.md)"),
        (IN_FILE, "It is not known who owned the mill. [records/mill 1854.md]"),
        (IN_FILE_ZH, "磨坊归谁所有，目前尚不清楚。（来源：档案/磨坊1854.md）"),
    ],
)
async def test_a_source_makes_no_answer_of_a_refusal(question: Question, answer: str) -> None:
    assert (await by_words(question, answer, Terms(CITING))).reason == "refusal"


@pytest.mark.parametrize(
    ("question", "answer", "phrase"),
    [
        (IN_FILE, f"According to the passage, a flood took its wheel {NAMED}.", "the passage"),
        (IN_FILE, f"{FLOOD}, as stated in the text {NAMED}.", "the text"),
        (IN_FILE_ZH, f"文中提到，{FLOOD_ZH}{NAMED_ZH}。", "文中提到"),
        (IN_FILE_ZH, f"根据上文，{FLOOD_ZH}{NAMED_ZH}。", "根据上文"),
    ],
)
async def test_beside_its_source_an_answer_speaks_of_no_passage_either(
    question: Question, answer: str, phrase: str
) -> None:
    verdict = await by_words(question, answer, Terms(CITING))
    assert verdict.reason == "mentions_source"
    assert phrase in verdict.detail


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        (IN_FILE, "According to the document records/mill 1854.md, a flood took its wheel."),
        (IN_FILE, 'As stated in the text "records/mill 1854.md", a flood took its wheel.'),
        (IN_FILE, "As stated in the article (records/mill 1854.md), a flood took its wheel."),
        (IN_FILE_ZH, "根据材料《档案/磨坊1854.md》，洪水冲走了水轮，此后再没有修复。"),
    ],
)  # fmt: skip
async def test_a_document_that_is_named_is_no_passage_that_nobody_sees(
    question: Question, answer: str
) -> None:
    assert (await by_words(question, answer, Terms(CITING))).kept


@pytest.mark.parametrize(
    ("question", "claim", "own", "yes", "none"),
    [
        (about_mill(AFTER), "Although it is not known who owned it, the mill poisoned rivers.",
         MILL.split(". ")[0], "supported", "none"),
        (about_mill(AFTER), "It is not known who owned the mill, the mill poisoned wide rivers.",
         MILL.split(". ")[0], "supported", "none"),
        (about_mill_zh(AFTER_ZH), "虽然不清楚磨坊归谁所有，但磨坊毒死了村子里的鱼。",
         MILL_ZH.split("。")[0], "支持", "无"),
        (about_mill_zh(AFTER_ZH), "尚不清楚磨坊归谁所有，磨坊毒死了村子里的鱼。",
         MILL_ZH.split("。")[0], "支持", "无"),
    ],
)  # fmt: skip
async def test_what_is_told_beside_what_is_not_known_needs_a_sentence_of_the_context(
    question: Question, claim: str, own: str, yes: str, none: str
) -> None:
    found, _ = asker(lambda _: json.dumps({"evidence": none, "verdict": yes}))
    with pytest.raises(ReplyError, match="not in the context"):
        await ModelVerifier(found, Library()).verify(question, claim)
    found, _ = asker(lambda _: json.dumps({"evidence": own, "verdict": yes}))
    assert rejection(await ModelVerifier(found, Library()).verify(question, claim), claim).kept


@pytest.mark.parametrize(
    ("question", "told", "claim", "yes", "none"),
    [
        (about_mill(), FLOOD + ".", UNKNOWN[0], "supported", "none"),
        (about_mill_zh(), FLOOD_ZH + "。", UNKNOWN_ZH[0], "支持", "无"),
    ],
)
async def test_the_model_may_support_what_is_not_told_without_a_sentence(
    question: Question, told: str, claim: str, yes: str, none: str
) -> None:
    found, _ = asker(lambda _: json.dumps({"evidence": none, "verdict": yes}))
    verified = await ModelVerifier(found, Library()).verify(question, claim)
    assert rejection(verified, claim).kept
    with pytest.raises(ReplyError, match="not in the context"):
        await ModelVerifier(found, Library()).verify(question, told)


ENGLISH, CHINESE = Terms(language="en"), Terms(language="zh")


@pytest.mark.parametrize(
    ("question", "answer", "language", "reason"),
    [
        (about_mill(), "一八五四年三月，一场洪水冲走了磨坊的水轮。", "zh", ""),
        (about_mill(), "A flood took the wheel of the mill in March 1854.", "zh", "wrong_language"),
        (about_mill_zh(), "A flood took the wheel of the mill in March 1854.", "en", ""),
        (about_mill_zh(), "洪水在1854年3月冲走了磨坊的水轮。", "en", "wrong_language"),
        (about_mill_zh(), "它为附近的九个村子磨了许多年的黑麦。", "en", "wrong_language"),
        (about_mill_zh(), "洪水在1854年3月冲走了磨坊的水轮。", "zh", ""),
        (about_mill(), "It ground rye for nine villages.", "en", ""),
        (about_mill_zh(), GERMAN, "en", "wrong_language"),
    ],
)  # fmt: skip
def test_an_answer_has_the_language_that_is_set_whatever_its_context_has(
    question: Question, answer: str, language: str, reason: str
) -> None:
    assert check_answer(question, answer, language=language).reason == reason


@pytest.mark.parametrize(
    ("question", "answer", "terms"),
    [
        (about_mill(), "磨坊的水轮在1854年3月被洪水冲走，后来没有人修理。", CHINESE),
        (about_mill(), "它是安娜·科尔贝建造的，建于1801年。", CHINESE),
        (about_mill_zh(), "Anna Kolbe built it in 1801, and nine villages brought rye.", ENGLISH),
        (about_mill_zh(), 'The flood of March 1854 took its wheel: "a great loss".', ENGLISH),
    ],
)
async def test_between_languages_words_names_and_quotations_are_not_held_against_an_answer(
    question: Question, answer: str, terms: Terms
) -> None:
    assert (await by_words(question, answer, terms)).kept


@pytest.mark.parametrize(
    ("question", "answer", "terms", "found"),
    [
        (about_mill(), "磨坊的水轮在1861年被洪水冲走。", CHINESE, "1861"),
        (about_mill(), "这座磨坊由 WTU 公司建造。", CHINESE, "WTU"),
        (about_mill_zh(), "The mill ground rye for nineteen villages.", ENGLISH, "nineteen"),
        (about("Die Mühle baute Anna Kolbe.", "Wer baute die Mühle?", "de"),
         "The mill was built by Anna Berg.", ENGLISH, "Berg"),
    ],
)  # fmt: skip
async def test_between_languages_numbers_are_compared_and_names_within_one_script(
    question: Question, answer: str, terms: Terms, found: str
) -> None:
    verdict = await by_words(question, answer, terms)
    assert verdict.reason == "not_supported"
    assert f"({found})" in verdict.detail


def test_a_claim_in_another_language_than_its_context_rests_on_no_sentence_by_words() -> None:
    passage = Passage(MILL_ZH, "", "zh", translated=True)
    assert lexical_support("A flood took its wheel.", passage).evidence is None
    assert lexical_support("A flood took its wheel.", passage).passes


async def test_between_languages_the_models_evidence_need_not_share_a_word() -> None:
    last = MILL_ZH[MILL_ZH.index("洪水") :]
    found, model = asker(lambda _: json.dumps({"evidence": last, "verdict": "支持"}))
    answer = "Nobody mended what was lost."
    verified = await ModelVerifier(found, Library(), ENGLISH).verify(about_mill_zh(), answer)
    assert verified.method == "model"
    assert rejection(verified, answer).kept
    assert len(model.requests) == 1
    found, _ = asker(lambda _: json.dumps({"evidence": "没有这句话在里面。", "verdict": "支持"}))
    with pytest.raises(ReplyError, match="not in the context"):
        await ModelVerifier(found, Library(), ENGLISH).verify(about_mill_zh(), answer)


def test_the_finding_names_the_language_that_was_wanted() -> None:
    verdict = rejected("wrong_language", "in Chinese")
    assert finding(verdict, "en") == "It is not in the language of the question."
    assert finding(verdict, "en", "zh") == "It is not in Chinese."
    assert finding(verdict, "zh") == "它用的不是与问题相同的语言。"
    assert finding(verdict, "zh", "en") == "它用的不是英语。"


class _Long(Library):
    def principles(self, language: str) -> str:
        return "Be brief and kind. " * 500 if language == "en" else "要简短。" * 500


def _refuse(_: Request) -> str:
    raise TooLongError("http://h/v1 (HTTP 400): too many tokens")


@pytest.mark.parametrize("question", [about_mill(), about_mill_zh()])
async def test_principles_that_make_every_prompt_too_long_stop_the_run(question: Question) -> None:
    found, _ = asker(_refuse)
    responder = GenerateResponder(found, _Long(), FixedExamples({}), Sampling())
    for asked in (responder.respond(question), responder.revise(question, "x", "y")):
        with pytest.raises(ModelError, match=r"the principles \(answers.principles = ") as caught:
            await asked
        assert "\n" not in str(caught.value)
        assert "too many tokens" in str(caught.value)


async def test_a_long_context_that_does_not_fit_costs_only_itself() -> None:
    found, _ = asker(_refuse)
    responder = GenerateResponder(found, Library(), FixedExamples({}), Sampling())
    with pytest.raises(TooLongError):
        await responder.respond(about("The mill ground rye. " * 500, "What did it grind?"))
