"""For tests of one's own tools and agents: a scripted model server, and real servers in threads.

    from chatkit_server.testing import Call, Say, ScriptedModel

    with ScriptedModel(Call("opening_hours", {"city": "Bern"}), Say("Open until 8 [1].")) as model:
        ...  # OPENAI_BASE_URL=model.base_url, CHATKIT_MODEL=scripted
        assert model.requests[1].tool_outputs == ["8:00 to 20:00"]

The model speaks the Responses API and the Chat Completions API over HTTP, so that the real client
code runs, and notes each request and whether its client hung up. `ScriptedTranscriber` does the
same for dictation. `open_chat` runs the whole server with such a model, and gives a visitor:

    with ScriptedModel(Say("Until 8 [1].")) as model, open_chat(model, docs=DOCS) as visitor:
        assert visitor.ask("When do you close?").urls == ["/docs/hours#opening-hours"]
"""

from .chat import open_chat
from .models import Answer, Break, Call, Fail, ModelRequest, Refuse, Say, ScriptedModel
from .servers import serve_in_thread
from .transcriber import Recording, ScriptedTranscriber
from .visitors import Citation, Reply, Visitor, message

__all__ = [
    "Answer",
    "Break",
    "Call",
    "Citation",
    "Fail",
    "ModelRequest",
    "Recording",
    "Refuse",
    "Reply",
    "Say",
    "ScriptedModel",
    "ScriptedTranscriber",
    "Visitor",
    "message",
    "open_chat",
    "serve_in_thread",
]
