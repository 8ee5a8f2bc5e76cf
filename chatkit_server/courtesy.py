"""Tells greetings and thanks from questions: they are not looked up, and no gap in the docs."""

from __future__ import annotations

import re
from typing import Literal

Courtesy = Literal["greeting", "thanks", "who"]
"""What a message is that asks nothing of the docs; `who` asks about the assistant."""

_GREETINGS = frozenset(
    """
    hi hello hey hiya howdy greetings morning afternoon evening sup
    hallo moin servus guten grüezi bonjour salut bonsoir coucou
    hola buenas buenos ciao olá
    你好 您好 大家好 こんにちは こんばんは おはよう おはようございます
    """.split()  # noqa: SIM905
)
_THANKS = frozenset(
    """
    thanks thank thx ty cheers great perfect awesome nice cool excellent wonderful amazing
    brilliant ok okay bye goodbye works worked helped helpful solved sorry lol
    dank danke dankeschön super toll prima klasse tschüss geklappt
    merci parfait génial gracias perfecto genial vale adiós adios obrigado obrigada grazie
    谢谢 谢谢你 谢谢您 多谢 感谢 謝謝 好的 再见
    ありがとう ありがとうございます ありがとうございました
    """.split()  # noqa: SIM905
)
_BESIDE = frozenset(
    """
    you u so very much a lot many for the your help that this it it's thats that's was is and
    all again to now got i ve i've have me really answer everyone team please test testing just
    good day there dir ihnen vielen sehr für die hilfe das hat schön gut und tag morgen abend
    beaucoup bien pour aide votre mucha muchas mucho por la ayuda todo días dias tardes noches
    """.split()  # noqa: SIM905
)
_WHO = re.compile(
    r"(who|what) are you|what can you do|what do you do|how can you help( me)?|are you there"
    r"|are you (an? )?(bot|robot|ai|human|person|real( person)?|chatgpt|gpt)|can you help( me)?"
    r"|help( me)?( please)?|how are you( doing)?( today)?|what'?s up"
    r"|wer bist du|was kannst du|kannst du mir helfen|qui es[- ]tu|quién eres|qué puedes hacer"
)
# Where there are no words: an emoji for example, but not "???".
_SYMBOLS = re.compile(r"[^\x00-\u20ff]")
_WORD = re.compile(r"[\w'’]+")
_LONGEST = 9


def courtesy(text: str) -> Courtesy | None:
    """What kind of courtesy a message is; None for anything that may be a question."""
    words = [word.replace("’", "'") for word in _WORD.findall(text.lower())]
    if not words:
        return "thanks" if _SYMBOLS.search(text) else None
    if len(words) > _LONGEST:
        return None
    if _WHO.fullmatch(" ".join(words)):
        return "who"
    greets, thanks = (not kind.isdisjoint(words) for kind in (_GREETINGS, _THANKS))
    if not (greets or thanks) or not set(words) <= _GREETINGS | _THANKS | _BESIDE:
        # Before a name or a request it opens a message that has to be read.
        return None
    return "thanks" if thanks else "greeting"
