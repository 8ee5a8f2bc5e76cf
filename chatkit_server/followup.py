"""Completes a question that leans on the conversation, by rule."""

from __future__ import annotations

import re
from collections.abc import Sequence

from chatkit.types import ThreadItem, UserMessageItem

from .courtesy import courtesy
from .record import text_of

_LONG = 25
# So many words of weight before a pronoun are likely to hold what it stands for.
_ANTECEDENT = 3
_MAX_CHARS = 300

_STOP = frozenset(
    """
    a an the and or but so of to in on at by for with without from into as is are was were be
    been am do does did done can could may might must shall should will would have has had
    having i me my we us our you your he she it its they them their this that these those
    there here what which who whom whose when where why how not no yes if then than too also
    any some all each please just get got make made use used using want need like way ways
    work works working possible about up out again more only same one ones thing things don't
    doesn't can't isn't i'm der die das ein eine einen und oder aber ist sind wie wo warum
    kann ich man mit ohne für auf im auch es geht gibt mache macht muss nicht dann noch bei
    von zu dem den des mein wenn kein keine keinen habe hat haben le la les un une et ou mais
    est sont comment pourquoi où quoi que qui je peut avec sans pour dans sur aussi ça cela il
    elle faire fait marche du de d l y t el los las una unos o pero son cómo como por qué
    dónde donde puedo se con sin para en también tambien eso esto lo hacer hago funciona del
    al mi
    """.split()  # noqa: SIM905
)
_WORDS = re.compile(r"[^\W_][\w.+#'’/-]*")

# What opens a question that goes on from the one before.
_OPENING = re.compile(
    r"^(?:(?:ok(?:ay)?|so|well|hm+|and|but|or|also|then|und|aber|oder|et|mais|ou|y|e|o|pero)\b[\s,]*)+",
    re.IGNORECASE,
)
_WHAT_ABOUT = re.compile(
    r"^(?:(?:and|but|so|und|et|y|ok(?:ay)?)\b[\s,]*)*(?:what|how) (?:about|if|else)\b"
    r"|^(?:und |aber )?was (?:ist mit|wenn)\b|^(?:und |aber )?wie (?:ist|sieht) es (?:mit|bei)\b"
    r"|^(?:et )?qu['’]en est[- ]il\b|^¿?(?:y )?qué (?:tal|pasa) (?:con|si)\b",
    re.IGNORECASE,
)
# Asks about the answer itself.
_ABOUT_THE_ANSWER = re.compile(
    r"^(?:why(?: not| so| is that)?|how(?: so| come)?|which(?: ones?)?|where|when|since when"
    r"|like what|such as|really|are you sure|for example|e\.?g\.?|yes|no|yep|nope|sure"
    r"|yes please|no thanks?|continue|go on|next"
    r"|warum(?: nicht)?|wieso|wo|welche[rsn]?|wirklich|ja|nein|zum beispiel|weiter"
    r"|pourquoi(?: pas)?|lequel|laquelle|oui|non|por qué|cuál|dónde|sí|no)\W*$"
    r"|\b(?:tell me|say|explain|elaborate|go into|some|any|need|want) (?:\w+ )?more\b"
    r"|\bmore details?\b"
    r"|^(?:(?:can|could) you |please )*(?:elaborate|explain|clarify|simplify|summari[sz]e"
    r"|rephrase"
    r"|shorten|translate)\b(?!.*\b(?:how|what|why|the difference|between)\b)"
    r"|\b(?:an|another|your|the (?:last|first|second|above)|a (?:code|full"
    r"|complete)) example\b\W*$"
    r"|^(?:in (?:one|a few|simple|plain|other) (?:sentences?|words?|terms?|english)|shorter"
    r"|step by step)\b"
    r"|^(?:still|(?:it )?(?:does|did)(?:n['’]t| not)) (?:work|help|start|change)"
    r"|^still (?:the same|getting|not|no)\b|^(?:that|this) (?:does|did)(?:n['’]t| not)\b",
    re.IGNORECASE,
)
# Says nothing of a thing that was named before, though the words do elsewhere.
_EXPLETIVE = re.compile(
    r"\b(?:is|was|if|would|will|isn['’]t|be) it (?:\w+ )?(?:possible|safe|ok(?:ay)?|necessary"
    r"|required|worth|better"
    r"|recommended|normal|true|allowed|enough|best|mandatory|a good idea|important|a bad idea)\b"
    r"|\bit (?:is|'s|’s|was|would be) (?:\w+ )?(?:possible|safe|necessary|recommended|better"
    r"|normal)\b"
    r"|\b(?:does|would|will|can) it (?:take|make sense|matter|hurt)\b|\bit (?:says|seems"
    r"|takes)\b|\bit turns out\b"
    r"|\b(?:is|are|was|were|isn['’]t|aren['’]t|if) there\b|\bthere(?: (?:is|are|was)|['’]s)\b"
    r"|\binstead of\b|\bat the same time\b|\b(?:on|in|at|over|from|to|by|as|under"
    r"|within) the same (?!way|thing)\w+"
    r"|\b(?:more|less|only|just|at least|at most|no|any|every) (?:than )?one\b|\bone (?:of|by"
    r"|or|single|more)\b"
    r"|\b(?:so|such|sure|say|says|said|means|see|saying|know|think|like|ensure|check|now|error"
    r"|warning|message) that\b"
    r"|\b(?:this|these|those|that) (?:docs?|documentation|site|website|page|project|library"
    r"|package|tool|plugin"
    r"|framework|server|app|software|product|repo|version)\b"
    r"|\bgibt es\b|\bist es (?:\w+ )?(?:möglich|nötig|erlaubt|sicher)\b|\bgeht es,|\bil (?:y a"
    r"|est|faut)\b|\best-il possible\b"
    r"|\bqu['’]est[- ]ce\b|\best[- ]ce que?\b|\bc['’]est possible\b",
    re.IGNORECASE,
)
_POINTS_BACK = re.compile(
    r"\b(?:it|its|they|them|their|these|those)\b"
    # "that" and "this" for a thing, not before a clause.
    r"|\b(?:do|does|is|was|did|can|could|would|will|has|with|without|like|about|for|of|at|on|in"
    r"|to|use|using|change|disable"
    r"|enable|avoid|fix|prevent|run|set|configure|install|test|after|before|than|why|how|from"
    r"|mean|all|undo|see|and|under|tried|try|followed|done) (?:that|this)\b"
    r"|^(?:that|this)\b|\b(?:that|this)\W*$|\bthat (?:one|error|option|setting|command|file"
    r"|step|way|case|feature|value)\b"
    r"|\bthis (?:one|error|option|setting|command|file|step|way|case|feature|value|mean|work)\b"
    r"|^same\b|\b(?:the|do|does) same\b|\b(?:from|in|out|over|up) there\b|\bthere\W*$"
    r"|\b(?:other|which|first|second|third|last|latter|former|another|right|next|previous|old"
    r"|new) ones?\b|\bones?\W*$"
    r"|\b(?:the|your) (?:latter|former|above|previous|last (?:one|step|command|example)"
    r"|first (?:one|step|option)"
    r"|second (?:one|step|option)|example|other (?:way|option|two|method))\b"
    r"|\b(?:instead|too|either|as well|otherwise|anything else|what else|afterwards?)\W*$"
    r"|\b(?:damit|dafür|davon|dazu|dabei|darauf|daran|dort|stattdessen|ihn|dieser|diesen|diesem"
    r"|diese|dieses)\b"
    r"|\bdas(?= (?:auch|mit|ohne|denn|noch|nicht|genau|bei|unter|für|wieder|in|auf|alles)\b"
    r"|\W*$)"
    r"|(?-i:\bdas [a-zäöüß]+n\W*$)|\b(?:die|den)\W*$"
    r"|\b(?:geht|macht|kann|muss|soll|ist|wird|mache|ändere|ändern|funktioniert) (?:das|es|er"
    r"|sie)(?= (?:auch|mit|ohne|noch|bei|unter"
    r"|für|in|auf|man|ich|wieder)\b|\W*$)|\bich (?:es|ihn|sie) (?:\w+)\W*$|\bauch\W*$"
    r"|\b(?:ça|cela|celui|celle|ceux)\b|\b(?:le|la) même\b(?! temps)|\baussi\W*$|\b(?:marche"
    r"|fonctionne)-t-(?:il|elle)\b"
    r"|\b(?:eso|esto|esa|ese|ello|ellos)\b|\blo mismo\b|\btambi[eé]n\W*$|\b(?:lo|la) (?:hago"
    r"|uso|configuro|instalo|cambio)\b"
    r"|\b(?:hacer|configurar|instalar|usar|cambiar|desactivar)(?:lo|la|los|las)\b",
    re.IGNORECASE,
)
# Belongs to something, and says not to what.
_RELATIVE = re.compile(
    r"\b(?:default|equivalent|alternatives?|difference|downsides?|drawbacks?|advantages?|syntax"
    r"|full|complete"
    r"|other|another|unterschied|alternative|différence|diferencia)\b",
    re.IGNORECASE,
)
# A fragment: no verb of its own, only where, with what or for whom.
_FRAGMENT = re.compile(
    r"^(?:only |just |even |auch |nur )?(?:in|on|with|without|for|from|as|using|via|under"
    r"|behind|inside|per|by|to|at"
    r"|mit|ohne|für|bei|unter|auf|im|hinter|avec|sans|pour|dans|sur|sous|con|sin|para|en|por)\b",
    re.IGNORECASE,
)
_ASKS = re.compile(
    r"\b(?:how|what|which|where|when|who|why|can|could|does|do|is|are|should|will|was|wie|was"
    r"|welche[rsn]?|wo|wann|kann"
    r"|gibt|ist|comment|quel(?:le)?s?|où|quand|peut|est|cómo|qué|cuál|dónde|cuándo|puedo|hay|es)\b",
    re.IGNORECASE,
)

# Chinese and Japanese set no spaces, so that words can't be counted there.
_UNSPACED = re.compile(r"[\u3041-\u30ff\u3400-\u9fff]")
_UNSPACED_LEANS = re.compile(
    r"它|(?:[这那][个些样]|[這那][個些樣])(?!网站|網站|文档|文檔|项目|插件|服务器|库|软件|页面)"
    r"|呢\W*$|怎[么麼](?:做|办|辦|弄)\W*$|(?:还是|仍然|還是)不行|上面的?|刚才|剛才"
    r"|それ|これ|あれ(?!ば)|その(?!他|まま)|この(?!サイト|ドキュメント|プラグイン|サーバー|ライブラリ|ページ)"
    r"|(?:では|場合は|だと)\W*$"
)
_SHORT_UNSPACED = 3


def leans(question: str) -> bool:
    """Whether a question can't be searched for as it stands, in the middle of a conversation."""
    words = question.split()
    text = " ".join(words)
    # A long one tells its story by itself.
    if len(words) > _LONG or len(text) > _MAX_CHARS or courtesy(text) is not None:
        return False
    if _ABOUT_THE_ANSWER.search(text):
        return True
    if _WHAT_ABOUT.search(text):
        return len(weight(text)) <= _ANTECEDENT
    if unspaced := len(_UNSPACED.findall(text)):
        if _UNSPACED_LEANS.search(text):
            return True
        if unspaced > len(words):
            return len(text.strip("？?！!。… ")) <= _SHORT_UNSPACED
    plain = _EXPLETIVE.sub(" … ", text)
    if any(
        len(weight(plain[: found.start()])) < _ANTECEDENT for found in _POINTS_BACK.finditer(plain)
    ):
        return True
    bare = _OPENING.sub("", text)
    said = weight(bare)
    asks = _ASKS.search(bare) is not None
    if bare != text or (_FRAGMENT.search(bare) and not asks):
        # "And in TypeScript?", "without Docker": it has to say more to stand alone.
        return len(said) < 2 if asks else len(said) <= _ANTECEDENT
    if len(said) <= 2 and _RELATIVE.search(bare):
        return not re.search(r"\b(?:of|between|for|von|zwischen|de|entre)\b", bare)
    # "TypeScript?", "How long?", but not "rate limits" or "how to debug".
    return len(said) <= 1 and len(words) <= 3 and not text.lower().startswith("how to ")


def complete(question: str, items: Sequence[ThreadItem]) -> str:
    """The question to search for: with those before it that it needs, where it can't stand alone.

    Args:
        question: As asked.
        items: Of the thread, oldest first, the question included.
    """
    if not leans(question):
        return question
    asked = [text_of(item) for item in items if isinstance(item, UserMessageItem)]
    earlier = [text for text in asked[:-1] if text.strip() and courtesy(text) is None]
    if not earlier:
        return question
    # The last one that stands alone says what all is about; one that leaned on it may matter too,
    # unless this question takes its place: "and with npm?" after "and with yarn?".
    needed: list[str] = []
    for text in reversed(earlier):
        if not leans(text):
            needed.append(text)
            break
        if not needed and _POINTS_BACK.search(question):
            needed.append(text)
    else:
        needed = needed or [earlier[-1]]
    return " ".join([*(text[:_MAX_CHARS] for text in reversed(needed)), question])


def weight(text: str) -> list[str]:
    """The words of a question that say what is meant, in lower case."""
    words = (word.strip(".'’-/").lower() for word in _WORDS.findall(text))
    return [word for word in words if word and word not in _STOP]
