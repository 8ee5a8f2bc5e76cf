"""Brings an update that the reader is sent into the item that it is about, as the widget does."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from chatkit.types import (
    GeneratedImageItem,
    GeneratedImageUpdated,
    ThreadItem,
    ThreadItemUpdatedEvent,
    WidgetComponentUpdated,
    WidgetItem,
    WidgetRootUpdated,
    WidgetStreamingTextValueDelta,
    WorkflowItem,
    WorkflowTaskAdded,
    WorkflowTaskUpdated,
)
from chatkit.widgets import WidgetComponentBase
from pydantic import TypeAdapter, ValidationError

logger = logging.getLogger("chatkit_server")

_ITEM: TypeAdapter[ThreadItem] = TypeAdapter(ThreadItem)


def apply_update(items: dict[str, ThreadItem], event: ThreadItemUpdatedEvent) -> bool:
    """Change the widget, workflow or image in `items` that an event updates.

    The item is replaced or changed in place. An update that does not fit changes nothing.

    Returns:
        False for an item of another kind: messages are the SDK's own business.
    """
    item = items.get(event.item_id)
    update = event.update
    match item, update:
        case WidgetItem(), WidgetRootUpdated(widget=widget):
            items[item.id] = item.model_copy(update={"widget": widget.model_copy(deep=True)})
        case WidgetItem(), WidgetStreamingTextValueDelta():
            for component in _components(item.widget):
                if component.id == update.component_id:
                    _append(component, update)
        case WidgetItem(), WidgetComponentUpdated(component_id=component_id, component=component):
            try:
                items[item.id] = _with_component(item, component_id, component)
            except ValidationError:
                logger.warning("a %s does not fit into the widget %s", component.type, item.id)
        case GeneratedImageItem(), GeneratedImageUpdated(image=image):
            items[item.id] = item.model_copy(update={"image": image})
        case WorkflowItem(), WorkflowTaskAdded() | WorkflowTaskUpdated():
            # By its index: the SDK appends a task again that the workflow was announced with.
            tasks = item.workflow.tasks
            if 0 <= update.task_index < len(tasks):
                tasks[update.task_index] = update.task
            else:
                tasks.append(update.task)
        case _:
            return False
    return True


def _components(root: Any) -> Iterator[WidgetComponentBase]:
    yield root
    children = getattr(root, "children", None) or []
    for child in children if isinstance(children, list) else [children]:
        yield from _components(child)


def _append(component: Any, update: WidgetStreamingTextValueDelta) -> None:
    component.value = (getattr(component, "value", None) or "") + update.delta
    component.streaming = not update.done


def _with_component(
    item: WidgetItem, component_id: str, component: WidgetComponentBase
) -> WidgetItem:
    # Through plain data, so that the new component is checked against the place that it gets.
    new = component.model_dump(mode="json", exclude_none=True)

    def replaced(node: Any) -> Any:
        if isinstance(node, list):
            return [replaced(child) for child in node]
        if not isinstance(node, dict):
            return node
        if node.get("id") == component_id:
            return new
        if "children" in node:
            return {**node, "children": replaced(node["children"])}
        return node

    data = item.model_dump(mode="json", exclude_none=True)
    changed = _ITEM.validate_python({**data, "widget": replaced(data["widget"])})
    assert isinstance(changed, WidgetItem)  # noqa: S101
    return changed
