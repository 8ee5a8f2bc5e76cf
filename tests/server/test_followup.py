"""Which questions lean on the conversation, and what is searched for then."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from chatkit.types import (
    InferenceOptions,
    ThreadItem,
    UserMessageItem,
    UserMessageTextContent,
)

from chatkit_server.courtesy import courtesy
from chatkit_server.followup import complete, leans

LEANING = [
    "and in TypeScript?",
    "And without a pooler?",
    "what about Windows?",
    "How about with Docker Compose?",
    "But what if the token expires?",
    "How do I configure it?",
    "Does it work offline too?",
    "Can I change that later?",
    "Why is that?",
    "why?",
    "Which one is faster?",
    "How do I disable this?",
    "Where do I put them?",
    "What does that mean?",
    "Is there a way to do the same with yarn?",
    "Can you give me an example?",
    "explain that in more detail",
    "Tell me more",
    "TypeScript?",
    "for Vue",
    "How do I undo it if it fails?",
    "Do I need both of them?",
    "what's its default?",
    "It still doesn't work",
    "Is it possible to do that from the command line?",
    "What is the difference between those two?",
    "And the second option?",
    "How long does it stay valid?",
    "Can they be shared?",
    "ok and how do I test that",
    "Could I use nginx instead?",
    "Und mit Docker?",
    "Geht das auch unter Windows?",
    "Wie ändere ich das?",
    "Was ist mit älteren Versionen?",
    "Et avec TypeScript ?",
    "Comment désactiver ça ?",
    "Pourquoi ?",
    "¿Y en Windows?",
    "¿Cómo puedo cambiar eso?",
    "¿Se puede hacer lo mismo con npm?",
    "and for firefox?",
    "can I also do it headless",
    "what if I have multiple users?",
    "ok but where does that file go",
    "does that also apply to tags?",
    "I tried that but got a 403",
    "which of these should I pick",
    "how would that look in python",
    "is that thread safe?",
    "and how can I turn it off again?",
    "so I need both?",
    "what about performance",
    "same question for mysql",
    "do you have a link for that?",
    "so where do I call it",
    "hm, it prints undefined",
    "what happens when it expires",
    "and if I have no Redis?",
    "does it cost anything",
    "is there a limit for those",
    "with hooks?",
    "what's the default",
    "can I rename it afterwards",
    "thanks, and how do I remove it?",
    "how do they differ",
    "what would be the equivalent in v2?",
    "any other options?",
    "for all tests, not just one",
    "und wenn ich keine Datenbank habe?",
    "kann man das abschalten?",
    "wo finde ich die?",
    "et si je veux le faire en Python ?",
    "y cómo lo desactivo?",
    "那 TypeScript 呢？",
    "为什么？",
    "它支持 Docker 吗？",
    "用 npm 怎么做？",
    "TypeScriptの場合は？",
    "それを無効にするには？",
]
ALONE = [
    "How do I connect to Neon?",
    "At what temperature do I bake the loaf?",
    "Is there a way to limit requests per user?",
    "How do I use yarn instead of npm?",
    "Can I run two servers on the same port?",
    "Does a thread have more than one owner?",
    "How can I make sure that cookies are sent?",
    "I get an error that says connection refused when I start the server",
    "Is it possible to host the widget myself?",
    "How long does it take to index 10,000 pages?",
    "How do I install the plugin and configure it for two languages?",
    "The server crashes when a visitor uploads a file, how do I find out why it does?",
    "Why does the server return 409?",
    "Which databases are supported?",
    "rate limits",
    "docker compose volumes",
    "CHATKIT_JOURNAL_DIR permission denied",
    "What is a checkpoint?",
    "And how do I deploy behind nginx with two replicas?",
    "Are there limits on attachments?",
    "Where are the logs written?",
    "Does this plugin support Docusaurus 3?",
    "In which folder does the embedded Postgres keep its files?",
    "How do I rotate the signing secret without logging everybody out?",
    "Wie verbinde ich den Server mit Postgres?",
    "Gibt es eine Grenze für Anhänge?",
    "Ist es möglich, das Widget selbst zu hosten?",
    "Comment installer le plugin Docusaurus ?",
    "Est-ce que le serveur fonctionne sans modèle ?",
    "¿Cómo conecto el servidor a Postgres?",
    "¿Hay un límite de tamaño para los archivos?",
    "how do I write a custom reporter",
    "How to mock an API response that is streamed?",
    "Is there any plan to support that in RBAC models: deny-override with priorities",
    "I want to know whether there is a built in way to retry failed requests",
    "What is the difference between enforce and batchEnforce?",
    "createSlice vs createReducer",
    "Can I have more than one store?",
    "How do I get rid of the warning that non-serializable values were found?",
    "When should I use prepare callbacks?",
    "How can I keep the session after login so that all tests share it?",
    "Error: browserType.launch: Executable doesn't exist",
    "What does the option trailingSlash do?",
    "how to debug",
    "install on windows",
    "Which node versions are supported?",
    "How does one write a plugin?",
    "Is it safe to expose the admin API to the internet?",
    "Does the policy adapter reload the policy when it changes in the database?",
    "Why are my tests flaky on CI but not on my machine?",
    "How do I set a timeout for one test only?",
    "authentication with JWT",
    "Do I need a license for commercial use?",
    "How do I pass options to the middleware?",
    "getByRole not found",
    "What do I do when the embedded Postgres doesn't start?",
    "If the model is down, what do readers see?",
    "But first things first: how do I install the server?",
    "Where is the configuration file of apisix?",
    "Welche Node-Version brauche ich?",
    "Wie lange bleiben Anhänge gespeichert?",
    "Quelle est la taille maximale d'un fichier ?",
    "¿Qué base de datos necesito para producción?",
    "如何安装插件？",
    "怎么部署？",
    "数据库的连接字符串在哪里设置？",
    "这个插件支持哪些版本？",
    "CHATKIT_MODEL 怎么设置",
    "インストール方法は？",
    "プラグインを複数の言語で設定するにはどうすればよいですか？",
    "エラーがあれば、どのファイルに書かれますか？",
    "วิธีติดตั้งปลั๊กอิน",
]
COURTESIES = [
    "hi", "Hello!", "hey there", "Good morning", "thanks", "Thank you so much!", "thx",
    "ok great, thanks for your help", "that worked, thank you", "Perfect.", "👍", "bye",
    "who are you?", "What can you do?", "Are you a bot?", "can you help me?",
    "Danke!", "Guten Tag", "Vielen Dank, super", "Merci beaucoup", "Hola", "muchas gracias",
    "你好！", "谢谢", "好的，谢谢你", "こんにちは", "ありがとうございます！",
]  # fmt: skip


def asked(*questions: str) -> list[ThreadItem]:
    return [
        UserMessageItem(
            id=f"msg_{number}",
            thread_id="thr_1",
            created_at=datetime.now(UTC),
            content=[UserMessageTextContent(text=text)],
            attachments=[],
            inference_options=InferenceOptions(),
        )
        for number, text in enumerate(questions)
    ]


@pytest.mark.parametrize("question", LEANING)
def test_a_question_that_leans_is_completed(question: str) -> None:
    before = "How do I install the plugin?"

    assert complete(question, asked(before, question)) == f"{before} {question}"


@pytest.mark.parametrize("question", ALONE)
def test_a_question_that_stands_alone_is_left_alone(question: str) -> None:
    assert not leans(question)
    assert complete(question, asked("How do I install the plugin?", question)) == question


@pytest.mark.parametrize("message", COURTESIES)
def test_a_courtesy_is_no_question_and_leans_on_nothing(message: str) -> None:
    assert courtesy(message) is not None
    assert complete(message, asked("How do I install the plugin?", message)) == message


def test_signs_without_words_are_no_thanks() -> None:
    assert courtesy("???") is None
    assert courtesy("...") is None
    assert courtesy(" ") is None


@pytest.mark.parametrize("question", [*LEANING, *ALONE, "hello world example", "Thanks, and yarn?"])
def test_a_question_is_no_courtesy(question: str) -> None:
    assert courtesy(question) is None


def test_the_first_question_of_a_thread_is_left_alone() -> None:
    assert complete("Does it work offline?", asked("Does it work offline?")) == (
        "Does it work offline?"
    )


def test_a_courtesy_in_between_completes_nothing() -> None:
    items = asked("How do I install the plugin?", "thanks!", "and with yarn?")

    assert complete("and with yarn?", items) == "How do I install the plugin? and with yarn?"


def test_one_of_two_that_lean_takes_the_place_of_the_other() -> None:
    items = asked("How do I install the plugin?", "and with yarn?", "and with pnpm?")

    assert complete("and with pnpm?", items) == "How do I install the plugin? and with pnpm?"


def test_what_a_pronoun_may_stand_for_is_kept() -> None:
    items = asked("How do I deploy the server?", "what about nginx?", "does it need a setting?")

    assert complete("does it need a setting?", items) == (
        "How do I deploy the server? what about nginx? does it need a setting?"
    )


def test_a_long_question_before_does_not_drown_this_one() -> None:
    items = asked("word " * 500, "and in TypeScript?")

    query = complete("and in TypeScript?", items)

    assert len(query) < 400
    assert query.endswith("and in TypeScript?")
