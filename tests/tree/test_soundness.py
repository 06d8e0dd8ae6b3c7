from __future__ import annotations

from dataclasses import replace

import pytest

from augcon.prompts import Library
from augcon.records import Context, Document
from augcon.tree.soundness import QuestionCheck, Shown, check_question

ENGLISH = (
    "The mill of Harwick was built in 1801 by Tom Hale, who owned the ferry. It burned down in "
    "1830, after which his son rebuilt it with a second wheel and sold it to the town."
)
CHINESE = (
    "青石镇的石桥于1801年修建，由李文远出资。1830年洪水冲垮了石桥，"
    "他的儿子后来重修了石桥，并加宽了桥面，如今归镇里管理。"
)
TRADITIONAL = (
    "青石鎮的石橋於1801年修建，由李文遠出資。1830年洪水沖垮了石橋，他的兒子後來重修了石橋。"
)


def reason(question: str, context: str = "", shown: Shown | None = None) -> str:
    language = "zh" if any("一" <= letter <= "鿿" for letter in context or question) else "en"
    context = context or (CHINESE if language == "zh" else ENGLISH)
    return check_question(question, context, language, shown or Shown()).reason


@pytest.mark.parametrize(
    "question",
    [
        "Who built the mill of Harwick, and what became of it after the fire?",
        "who built the mill of harwick",
        "Describe how the mill of Harwick was rebuilt.",
        "The mill of Harwick burned down in which year?",
        "Tom Hale owned a ferry. What did he build in 1801?",
        "Who wrote “Who Burned the Mill?” about Harwick?",
        "What does the text message from Harwick say?",
        "Who is the author of the history of Harwick?",
        "In the context of the fire, why did the town buy the mill?",
        "Which of the following bought the mill: the town, the ferry or the church?",
        "Did Tom Hale's son keep the mill?",
        "In 1830, was the mill rebuilt or given up?",
        "青石镇的石桥由谁出资修建，后来怎样了？",
        "青石镇的石桥是哪一年修建的",
        "请介绍青石镇石桥的历史。",
        "石桥是不是归镇里管理？",
        "日本文化怎样影响了石桥的修建？",
        "《青石镇志》的作者怎样记载石桥的修建？",
        "青石镇的论文中怎样记载石桥？",
        "`git rebase` 和 `git merge` 有什么区别？",
        "青石鎮的石橋是由誰出資修建的？",
    ],
)
def test_a_question_that_can_be_asked_without_the_text_stands(question: str) -> None:
    assert reason(question) == ""


@pytest.mark.parametrize(
    "question",
    [
        "Who built the mill? When did it burn down?",
        "- Who built the mill\n- Who burned it down",
        "1. Who built the mill of Harwick 2. Who burned it down",
        "Who built the mill of Harwick?\nWho rebuilt it?",
        "石桥由谁修建？后来怎样了？",
        "1、石桥由谁修建\n2、石桥后来怎样了",
    ],
)
def test_more_than_one_question_and_a_list_are_several(question: str) -> None:
    assert reason(question) == "several_questions"


@pytest.mark.parametrize(
    "question",
    [
        "The mill of Harwick",
        "Tom Hale built the mill, which burned down in 1830.",
        "石桥于1801年修建。",
        "青石镇石桥的修建与重修",
    ],
)
def test_a_statement_or_a_title_is_no_question(question: str) -> None:
    assert reason(question) == "not_a_question"


@pytest.mark.parametrize(
    ("question", "context"),
    [
        ("谁修建了哈威克的磨坊？", ENGLISH),
        ("Wann wurde die Mühle von Harwick gebaut und wer baute sie?", ENGLISH),
        ("¿Quién construyó el molino de Harwick en el año 1801?", ENGLISH),
        ("Кто построил мельницу в Харвике?", ENGLISH),
        ("Who paid for the bridge of Qingshi?", CHINESE),
        ("What does 石桥 mean in the history of the town?", CHINESE),
        ("青石鎮の石橋を修理したのは誰ですか？", CHINESE),
    ],
)
def test_a_question_in_another_language_than_its_context_is_rejected(
    question: str, context: str
) -> None:
    assert reason(question, context) == "wrong_language"


def test_a_question_about_a_text_in_a_third_language_is_asked_in_it() -> None:
    german = (
        "Die Mühle von Harwick wurde 1801 von Tom Hale gebaut und brannte 1830 ab. "
        "Sein Sohn baute sie mit einem zweiten Rad wieder auf."
    )
    asked = "Wann brannte die Mühle ab, die Tom Hale gebaut hatte?"
    assert check_question(asked, german, "de").kept
    other = "When did the mill burn down that Tom Hale had built?"
    assert check_question(other, german, "de").reason == "wrong_language"


@pytest.mark.parametrize("question", ["谁修建了石桥？", "誰修建了石橋？"])
@pytest.mark.parametrize("context", [CHINESE, TRADITIONAL])
def test_both_scripts_of_chinese_are_one_language(question: str, context: str) -> None:
    assert reason(question, context) == ""


POINTING = [
    "According to the passage, who built the mill of Harwick?",
    "What does the author say about the mill of Harwick?",
    "Who is mentioned in the text?",
    "What is the main idea of this paragraph?",
    "Which events are mentioned above?",
    "Based on the information given, who owned the ferry?",
    "Which of the following is true of the mill?",
    "What can be learned from the above about Harwick?",
    "本文主要讲了什么？",
    "根据材料，谁修建了石桥？",
    "文中提到石桥是哪一年修建的？",
    "这段话说明了什么？",
    "作者认为石桥为什么会被冲垮？",
    "上述石桥由谁出资？",
    "下列哪一项是石桥被冲垮的原因？",
    "這段文字說明了什麼？",
    "根據文章，石橋由誰出資修建？",
    "該文怎樣介紹石橋？",
    "筆者為什麼提到洪水？",
]


@pytest.mark.parametrize("question", POINTING)
def test_a_question_that_speaks_of_the_text_does_not_stand_alone(question: str) -> None:
    assert reason(question) == "not_self_contained"


@pytest.mark.parametrize(
    ("question", "context"),
    [
        (
            "When did the author sell the mill that the novel is about?",
            ENGLISH + " The author of the novel sold it again.",
        ),
        ("上述石桥由谁出资？", CHINESE + "上述石桥不得通行车辆。"),
    ],
)
def test_a_word_for_the_text_may_be_used_where_the_context_uses_it(
    question: str, context: str
) -> None:
    assert reason(question, context) == ""


def test_a_word_of_the_context_that_only_begins_alike_does_not_allow_it() -> None:
    context = f"{ENGLISH} Its stones have a rough texture in every context."
    assert reason("What does the text say of Harwick?", context) == "not_self_contained"


def test_a_turn_that_an_example_or_an_instruction_uses_is_allowed() -> None:
    prompt = Library().prompt("tree", "en")
    asked = "According to the passage, who built the mill of Harwick?"
    assert reason(asked, shown=Shown.by([prompt])) == "not_self_contained"
    wanted = replace(prompt, instruction='Begin every question with "According to the passage".')
    assert reason(asked, shown=Shown.by([wanted])) == ""
    forbidden = replace(prompt, instruction='Never write "according to the passage".')
    assert reason(asked, shown=Shown.by([forbidden])) == "not_self_contained"
    shown = {"context": "A barn burned.", "question": "What does the passage say of barns?"}
    by_example = prompt.with_examples(({**prompt.examples[0], **shown},))
    assert reason(asked, shown=Shown.by([by_example])) == ""
    chinese = replace(Library().prompt("tree", "zh"), instruction="每个问题都以“根据材料”开头。")
    assert reason("根据材料，谁修建了石桥？", shown=Shown.by([chinese])) == ""


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_question_of_the_examples_is_for_its_own_text(language: str) -> None:
    check = QuestionCheck.of(Library())
    for example in Library().prompt("tree", language).examples:
        own = context_of(example["context"], language)
        other = context_of(CHINESE if language == "zh" else ENGLISH, language)
        assert check(example["question"], own).kept
        half = context_of(example["context"][: len(example["context"]) // 2], language)
        assert check(example["question"], half).reason in ("", "answers_itself")
        assert check(example["question"], other).reason == "copied_from_examples"
    changed = "What limits do the Brennick allotments set for a tenant's shed, and what really "
    changed += "follows if a shed breaks them?"
    assert check(changed, context_of(ENGLISH, "en")).reason == "copied_from_examples"


def context_of(text: str, language: str) -> Context:
    return Context.root(Document.of("a", text, language), 0, len(text), 20, language)


@pytest.mark.parametrize(
    ("question", "context"),
    [
        ("Was the mill built in 1801 by Tom Hale?", "Tom Hale built the mill in 1801."),
        ("Which mill was built in 1801 by Tom Hale?", "Tom Hale built the mill in 1801."),
        (
            "Is it true that the long wooden bridge near the mill was closed for repairs in March?",
            "The long wooden bridge near the old mill was closed for repairs in March.",
        ),
        ("石桥是不是由李文远出资修建的？", "石桥由李文远出资修建。"),
        ("李文遠出資修建了石橋嗎？", "石橋由李文遠出資修建。"),
    ],
)
def test_a_question_that_tells_all_that_its_context_says_leaves_nothing_to_answer(
    question: str, context: str
) -> None:
    assert reason(question, context) == "answers_itself"


@pytest.mark.parametrize(
    ("question", "context"),
    [
        ("When did Tom Hale build the mill?", "Tom Hale built the mill in 1801."),
        ("Who built the mill in 1801?", "Tom Hale built the mill in 1801."),
        ("Was the mill built before the ferry was sold to the town?", ENGLISH),
        ("石桥由谁出资修建？", "石桥由李文远出资修建。"),
        ("石桥是否归镇里管理？", CHINESE),
    ],
)
def test_a_question_that_leaves_the_answer_out_stands_however_short_the_context(
    question: str, context: str
) -> None:
    assert reason(question, context) == ""


def test_the_verdict_names_the_word_it_was_for() -> None:
    assert check_question("Who is named in the text?", ENGLISH, "en").detail == "text"
    assert check_question("谁修建了石桥？", ENGLISH, "en").detail == "zh"


CODE = "def mean(values):\n    return sum(values) / max(1, len(values))\n\n\nprint(mean([1, 2]))"
FRENCH_CODE = "const tri = (liste) => liste.sort();\nexport const somme = (a, b) => a + b;"


@pytest.mark.parametrize(
    "question",
    [
        "What does the function mean return for an empty list of values?",
        "Why does the function mean divide by at least one?",
        "函数 mean 对空列表返回什么？",
        "Was gibt die Funktion mean für eine leere Liste zurück?",
    ],
)
def test_a_text_in_no_known_language_may_be_asked_about_in_any(question: str) -> None:
    assert check_question(question, CODE, "und").kept


def test_code_that_is_taken_for_a_language_is_asked_about_in_the_prompts() -> None:
    asked = "What happens when somme is called with two numbers that are both negative?"
    assert check_question(asked, FRENCH_CODE, "fr").kept
    german = "Was gibt die exportierte Funktion somme für zwei Zahlen zurück?"
    assert check_question(german, FRENCH_CODE, "fr").reason == "wrong_language"


BIOMASS = "Above-ground biomass is measured by drying plants. Tools of Harwick weigh it."


@pytest.mark.parametrize(
    ("question", "context"),
    [
        ("Why is the above-ground biomass of Harwick measured?", ENGLISH),
        ("Why is the above ground biomass of Harwick measured?", BIOMASS),
        ("Which of the following season's crops did Harwick's farmers sow first?", ENGLISH),
        ("Why did the town of Harwick buy this information system?", ENGLISH),
        ("How do readers guess a word of Harwick based on context clues?", ENGLISH),
        ("Does the author have to pay for open access in Harwick's journal?", ENGLISH),
        ("根据资料保护法，谁可以查看青石镇的档案？", CHINESE),
        ("文中子是怎样讲学的？", CHINESE),
        ("根据材料的不同，青石镇的石桥分为哪几种？", CHINESE),
        ("根據材料的不同，青石鎮的石橋分為哪幾種？", TRADITIONAL),
        ("青石镇为什么采用该文字系统？", CHINESE),
        ("怎样用此文本编辑器查看青石镇的档案？", CHINESE),
    ],
)
def test_words_that_only_look_like_words_for_the_text_stand(question: str, context: str) -> None:
    assert reason(question, context) == ""


@pytest.mark.parametrize(
    "question",
    [
        "What can be learned of Harwick from the above-mentioned facts?",
        "Which of the following did the author of it own?",
        "What is this information about?",
        "Based on the context, who owned the ferry?",
        "Does the author have a view of the mill?",
        "What does the author consider the mill to be?",
        "根据资料，谁修建了石桥？",
        "文中子女们怎样看待石桥？",
        "根据材料学到了什么？",
        "该文字说明了石桥的什么？",
        "此文本讲了石桥的什么？",
    ],
)
def test_the_same_words_said_of_the_text_do_not(question: str) -> None:
    assert reason(question) == "not_self_contained"


@pytest.mark.parametrize(
    ("instruction", "wanted"),
    [
        ("请分别以“根据本文”开头提问。", True),
        ("问题要特别用“根据本文”开头。", True),
        ("不同的问题都以“根据本文”开头。", True),
        ("不僅如此，每個問題都以「根據本文」開頭。", True),
        ("不要以“根据本文”开头。", False),
        ("问题里别用“根据本文”。", False),
        ("问题不得含有“根据本文”。", False),
        ("不應出現「根據本文」。", False),
        ("请勿写“根据本文”。", False),
    ],
)
def test_a_chinese_instruction_forbids_only_with_words_that_forbid(
    instruction: str, wanted: bool
) -> None:
    prompt = replace(Library().prompt("tree", "zh"), instruction=instruction)
    asked = "根据本文，谁修建了石桥？"
    expected = "" if wanted else "not_self_contained"
    assert reason(asked, shown=Shown.by([prompt])) == expected
