"""For tests of one's own tools and agents: a scripted model server, and real servers in threads.

    from chatkit_server.testing import Call, Say, ScriptedModel

    with ScriptedModel(Call("opening_hours", {"city": "Bern"}), Say("Open until 8 [1].")) as model:
        ...  # OPENAI_BASE_URL=model.base_url, CHATKIT_MODEL=scripted
        assert model.requests[1].tool_outputs == ["8:00 to 20:00"]

The model speaks the Responses API and the Chat Completions API over HTTP, so that the real client
code runs, and notes each request and whether its client hung up. `ScriptedTranscriber` does the
same for dictation.
"""

from .models import Answer, Break, Call, Fail, ModelRequest, Refuse, Say, ScriptedModel
from .servers import serve_in_thread
from .transcriber import Recording, ScriptedTranscriber

__all__ = [
    "Answer",
    "Break",
    "Call",
    "Fail",
    "ModelRequest",
    "Recording",
    "Refuse",
    "Say",
    "ScriptedModel",
    "ScriptedTranscriber",
    "serve_in_thread",
]
