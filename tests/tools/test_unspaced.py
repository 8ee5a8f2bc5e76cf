"""Docs in scripts that set no spaces between words are searched as others are."""

import pytest

from chatkit_tools.lexical import Lexical, LexicalText
from chatkit_tools.pieces import split_pieces
from chatkit_tools.unspaced import count_words, space_out
from tests.tools.place import Place
from tests.tools.test_indexing import Pages

PAGES = {
    "/zh/install": "使用包管理器安装插件。安装完成后，在配置文件中启用该插件，并重新启动。",
    "/zh/database": "服务器把会话保存在 Postgres 数据库里。用 `DATABASE_URL` 设置连接字符串。",
    "/zh/limits": "为了防止滥用，每个访客每分钟最多可以提出二十个问题。超过限制时返回状态码 429。",
    "/zh/backup": "每天晚上用 pg_dump 备份数据库，并把备份文件复制到另一台机器上。",
    "/ja/install": "パッケージマネージャーでプラグインをインストールし、設定で有効にします。",
    "/ja/login": "ログインに失敗した場合は、名前を確認するか、パスワードを再設定してください。",
    "/th/install": "ติดตั้งปลั๊กอินด้วยตัวจัดการแพ็กเกจ แล้วเปิดใช้งานในไฟล์การตั้งค่า จากนั้นเริ่มเซิร์ฟเวอร์ใหม่",
    "/th/backup": "สำรองข้อมูลฐานข้อมูลทุกคืนด้วย pg_dump และคัดลอกไฟล์ไปยังเครื่องอื่น",
    "/install": "Install the plugin with the package manager, enable it and restart the server.",
}
QUESTIONS = [
    ("如何安装插件？", "/zh/install"),
    ("怎么启用插件", "/zh/install"),
    ("数据库的连接字符串在哪里设置？", "/zh/database"),
    ("怎么备份数据库？", "/zh/backup"),
    ("每分钟可以提问多少次？", "/zh/limits"),
    ("DATABASE_URL 怎么设置", "/zh/database"),
    ("プラグインのインストール方法", "/ja/install"),
    ("パスワードを再設定するにはどうすればよいですか？", "/ja/login"),
    ("วิธีติดตั้งปลั๊กอิน", "/th/install"),
    ("สำรองฐานข้อมูลอย่างไร", "/th/backup"),
    ("How do I install the plugin?", "/install"),
]
UNANSWERABLE = [
    "如何预订酒店房间？",
    "量子计算机的温度是多少？",
    "東京の天気を教えてください",
    "ร้านอาหารใกล้ฉันอยู่ที่ไหน",
]


async def test_questions_find_their_pages_and_others_are_refused(place: Place) -> None:
    passages = await place.open()
    await passages.index(Pages("/", PAGES))

    found = {question: await passages.search(question) for question, _ in QUESTIONS}
    refused = {question: await passages.search(question) for question in UNANSWERABLE}

    assert {question: hits[0].url for question, hits in found.items() if hits} == dict(QUESTIONS)
    assert [question for question, hits in found.items() if not hits.covered] == []
    assert [question for question, hits in refused.items() if hits.covered] == []


def test_what_stands_together_is_cut_and_the_rest_stays() -> None:
    assert space_out("plain – text") == "plain – text"
    assert space_out("在TypeScript中安装").split() == ["在", "TypeScript", "中安", "安装"]
    assert space_out("한국어 문서") == "한국어 문서"
    # Without the marks of vowels and tones.
    assert space_out("ติดตั้ง").split() == ["ตดต", "ดตง"]


@pytest.mark.parametrize("language", ["english", "german", "none"])
def test_a_question_and_a_text_are_cut_alike_in_every_language(language: str) -> None:
    words = Lexical(language)
    (weighed,) = words.weigh_texts([LexicalText("搜索", text="安装 plugins")], 3.0)

    assert set(words.tokens("搜索")) | set(words.tokens("安装")) <= set(weighed.indices)
    assert words.count(LexicalText(text="安装插件")) == 3


def test_long_sections_are_split_as_those_of_other_languages_are() -> None:
    paragraph = "安装完成后在配置文件中启用该插件。" * 10

    pieces = split_pieces("## 安装\n\n" + "\n\n".join([paragraph] * 4)).pieces

    assert count_words(paragraph) == 81
    assert [piece.text.count("\n\n") for piece in pieces] == [1, 1]
