"""One item of every kind, and threads, for the tests of the stores."""

from collections.abc import Iterator
from datetime import UTC, datetime

from chatkit.types import (
    Annotation,
    AssistantMessageContent,
    AssistantMessageItem,
    ClientToolCallItem,
    CustomTask,
    DurationSummary,
    EndOfTurnItem,
    FileAttachment,
    GeneratedImage,
    GeneratedImageItem,
    HiddenContextItem,
    ImageAttachment,
    InferenceOptions,
    SDKHiddenContextItem,
    SearchTask,
    StructuredInputAnswer,
    StructuredInputFreeform,
    StructuredInputItem,
    StructuredInputMultipleChoice,
    StructuredInputMultipleChoiceOption,
    TaskItem,
    ThoughtTask,
    ThreadItem,
    ThreadMetadata,
    ToolChoice,
    URLSource,
    UserMessageItem,
    UserMessageTagContent,
    UserMessageTextContent,
    WidgetItem,
    Workflow,
    WorkflowItem,
)
from chatkit.widgets import Button, Card, ListView, ListViewItem, Text
from pydantic import AnyUrl

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)

# What breaks stores: null bytes, quotes, backslashes, percent signs, what looks like an escape.
ODD_TEXTS = [
    "",
    "null\0byte",
    "quo\"te ' back\\slash \\u0000 %(user)s %s {}",
    "𝔘nicode 🏳️‍🌈 e\u0301 \u202eright to left\u202c \ufeff \u2028",
    "line\r\nbreak\ttab \x01\x1f\x7f\x85",
    "long " * 5_000,
]


def thread(thread_id: str = "thr_1", title: str | None = None) -> ThreadMetadata:
    return ThreadMetadata(id=thread_id, created_at=NOON, title=title)


def question(item_id: str, text: str = "Why?", *, thread_id: str = "thr_1") -> UserMessageItem:
    return UserMessageItem(
        id=item_id,
        thread_id=thread_id,
        created_at=NOON,
        content=[UserMessageTextContent(text=text)],
        inference_options=InferenceOptions(),
    )


def answer(
    item_id: str, text: str = "Because.", *, thread_id: str = "thr_1"
) -> AssistantMessageItem:
    return AssistantMessageItem(
        id=item_id,
        thread_id=thread_id,
        created_at=NOON,
        content=[AssistantMessageContent(text=text)],
    )


def items_of_every_kind(text: str) -> Iterator[ThreadItem]:
    base = {"thread_id": "thr_1", "created_at": NOON}
    yield UserMessageItem(
        id="msg_user",
        **base,
        content=[
            UserMessageTextContent(text=text),
            UserMessageTagContent(id="tag", text=text, data={text: [text, None, 1.5]}, group=text),
        ],
        attachments=[file_attachment(text), image_attachment(text)],
        quoted_text=text,
        inference_options=InferenceOptions(tool_choice=ToolChoice(id=text), model=text),
    )
    yield AssistantMessageItem(
        id="msg_assistant",
        **base,
        content=[
            AssistantMessageContent(
                text=text,
                annotations=[
                    Annotation(source=URLSource(title=text, url="https://a.b/c#d"), index=3)
                ],
            )
        ],
    )
    yield ClientToolCallItem(
        id="tc", **base, call_id=text, name=text, arguments={"a": text}, output={"b": [text, True]}
    )
    yield WidgetItem(
        id="wg_card",
        **base,
        widget=Card(key="k", children=[Text(value=text, id="t"), Button(label=text)]),
        copy_text=text,
    )
    yield WidgetItem(
        id="wg_list",
        **base,
        widget=ListView(children=[ListViewItem(children=[Text(value=text)])]),
    )
    yield GeneratedImageItem(id="img", **base, image=GeneratedImage(id="i", url=text))
    yield StructuredInputItem(
        id="si",
        **base,
        status="answered",
        inputs=[
            StructuredInputMultipleChoice(
                id="choice",
                question=text,
                options=[StructuredInputMultipleChoiceOption(value=text)],
                answer=StructuredInputAnswer(values=[text]),
            ),
            StructuredInputFreeform(id="free", question=text, description=text),
        ],
    )
    yield TaskItem(id="tsk", **base, task=ThoughtTask(title=text, content=text))
    yield WorkflowItem(
        id="wf",
        **base,
        workflow=Workflow(
            type="reasoning",
            tasks=[
                CustomTask(title=text, icon="sparkle", content=text),
                SearchTask(title=text, queries=[text], sources=[URLSource(title=text, url="u")]),
            ],
            summary=DurationSummary(duration=3),
        ),
    )
    yield HiddenContextItem(id="hidden", **base, content={"any": [text, {"thing": None}]})
    yield SDKHiddenContextItem(id="shcx", **base, content=text)
    yield EndOfTurnItem(id="end", **base)


def file_attachment(name: str = "a.txt", attachment_id: str = "atc_file") -> FileAttachment:
    return FileAttachment(id=attachment_id, name=name, mime_type="text/plain", metadata={"m": name})


def image_attachment(name: str = "a.png", attachment_id: str = "atc_image") -> ImageAttachment:
    return ImageAttachment(
        id=attachment_id, name=name, mime_type="image/png", preview_url=AnyUrl("https://a.b/p")
    )
