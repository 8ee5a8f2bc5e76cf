"""Widgets with every component in every look, for tests and to look at."""

from tests.browser.protocol import Event

PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPj/"
    "HwADBwIAMCbHYQAAAABJRU5ErkJggg=="
)


def node(type_: str, *children: Event, **properties: object) -> Event:
    return {"type": type_, **properties, **({"children": list(children)} if children else {})}


def action(type_: str, **config: object) -> Event:
    return {"type": type_, **config}


def _texts() -> Event:
    return node(
        "Card",
        node("Title", value="Titles and texts", size="lg"),
        *[node("Title", value=f"Title {size}", size=size) for size in ("sm", "md", "xl", "3xl")],
        node("Text", value="Plain text that goes on for long enough to need a second line."),
        node("Text", value="Cut " * 40, truncate=True),
        node("Text", value="Two lines " * 20, maxLines=2, size="sm", color="secondary"),
        node("Text", value="Old", lineThrough=True, italic=True, weight="bold", color="danger"),
        node("Text", value="Blue", color="blue-500", textAlign="end"),
        node("Text", value="Own", color={"light": "#8a2be2", "dark": "#dda0ff"}),
        node("Caption", value="A caption", size="md"),
        node("Markdown", value="**Bold** and `code`\n\n- one\n- two"),
        node(
            "Row",
            *[
                node("Badge", label=color, color=color, variant=variant, size=size)
                for color, variant, size in (
                    ("secondary", "soft", "sm"),
                    ("success", "soft", "sm"),
                    ("danger", "solid", "md"),
                    ("warning", "outline", "md"),
                    ("info", "soft", "lg"),
                    ("discovery", "solid", "sm"),
                )
            ],
            gap=2,
            wrap="wrap",
        ),
        status={"text": "In progress", "icon": "sparkle"},
    )


def _buttons() -> Event:
    colors = (
        "primary",
        "secondary",
        "info",
        "discovery",
        "success",
        "caution",
        "warning",
        "danger",
    )
    rows = [
        node(
            "Row",
            *[
                node("Button", label=color, color=color, variant=variant, size="sm")
                for color in colors
            ],
            gap=1,
            wrap="wrap",
        )
        for variant in ("solid", "soft", "outline", "ghost")
    ]
    sizes = [
        node("Button", label=size, size=size, style="primary", pill=size == "3xl")
        for size in ("3xs", "xs", "md", "lg", "xl", "3xl")
    ]
    return node(
        "Card",
        node("Title", value="Buttons"),
        *rows,
        node("Row", *sizes, gap=2, wrap="wrap"),
        node(
            "Row",
            node("Button", iconStart="star", uniform=True, onClickAction=action("star")),
            node("Button", label="Next", iconEnd="chevron-right", style="primary"),
            node("Button", label="Off", disabled=True),
            gap=2,
        ),
        node("Button", label="Across", block=True, style="secondary"),
        size="lg",
        confirm={"label": "Confirm", "action": action("confirm")},
        cancel={"label": "Cancel", "action": action("cancel")},
    )


def _list() -> Event:
    rows = [
        node(
            "ListViewItem",
            node("Icon", name=icon, size="xl", color="blue-500"),
            node(
                "Col",
                node("Text", value=f"Row {i + 1}", weight="semibold"),
                node("Caption", value=f"The icon {icon}"),
            ),
            node("Spacer"),
            node("Badge", label="New", color="info"),
            onClickAction=action("open", payload={"row": i + 1}),
        )
        for i, icon in enumerate(("globe", "bolt", "calendar", "map-pin", "lab"))
    ]
    return node("ListView", *rows, limit=3, status={"text": "Five rows", "icon": "analytics"})


def _layout() -> Event:
    def square(color: str) -> Event:
        return node("Box", size=40, radius="md", background=color)

    return node(
        "Card",
        node("Image", src=PIXEL, alt="A picture", height=80, flush=True, fit="cover"),
        node("Title", value="Layout"),
        node("Row", *[square(f"{hue}-400") for hue in ("red", "orange", "green")], gap=2),
        node("Row", square("blue-300"), node("Spacer"), square("purple-600")),
        node("Divider", color="strong", spacing=2),
        node(
            "Box",
            node("Text", value="A box in a box"),
            padding={"x": 4, "y": 2},
            border={"size": 2, "color": "green-500", "style": "dashed"},
            radius="xl",
            background="surface-secondary",
        ),
        node(
            "Box", height=32, background="linear-gradient(90deg, #4f46e5, #06b6d4)", radius="full"
        ),
        node("Row", node("Icon", name="check-circle", color="success"), node("Text", value="Done")),
        node("Divider", flush=True),
        node(
            "Table",
            {
                "type": "Table.Row",
                "header": True,
                "children": [
                    node("Table.Cell", node("Text", value="Plan", weight="semibold")),
                    node("Table.Cell", node("Text", value="Price"), align="end"),
                ],
            },
            node(
                "Table.Row",
                node("Table.Cell", node("Text", value="Free")),
                node("Table.Cell", node("Text", value="0"), align="end"),
            ),
        ),
        node("Transition", node("Text", value="Came in softly")),
        background={"light": "#fffdf5", "dark": "#1c1a14"},
    )


def _form() -> Event:
    options = [{"value": "a", "label": "First"}, {"value": "b", "label": "Second"}]
    return node(
        "Card",
        node("Title", value="A form"),
        node("Label", value="Your name", fieldName="person.name"),
        node("Input", name="person.name", placeholder="Ada", required=True),
        node("Label", value="E-mail", fieldName="person.mail"),
        node("Input", name="person.mail", inputType="email", defaultValue="ada@example.org"),
        node("Textarea", name="notes", placeholder="Notes", rows=2, autoResize=True),
        node("Select", name="choice", options=options, placeholder="Choose one", clearable=True),
        node("DatePicker", name="day", defaultValue="2026-03-04T00:00:00Z", min="2026-01-01"),
        node("RadioGroup", name="size", options=options, defaultValue="b", direction="row"),
        node("Checkbox", name="agree", label="I agree", defaultChecked=True),
        node("Text", value="Change me", editable={"name": "title", "required": True}),
        asForm=True,
        confirm={"label": "Save", "action": action("save", payload={"id": 7})},
        cancel={"label": "Discard", "action": action("discard")},
    )


def _chart() -> Event:
    data = [
        {"month": "Jan", "visits": 120, "sales": 40, "mood": 60},
        {"month": "Feb", "visits": 180, "sales": 90, "mood": 75},
        {"month": "Mar", "visits": 90, "sales": 70, "mood": 50},
        {"month": "Apr", "visits": 240, "sales": 130, "mood": 110},
    ]
    series = [
        {"type": "bar", "dataKey": "visits", "label": "Visits", "stack": "all"},
        {"type": "bar", "dataKey": "sales", "label": "Sales", "stack": "all"},
        {"type": "line", "dataKey": "mood", "label": "Mood", "curveType": "natural"},
    ]
    return node(
        "Card",
        node("Title", value="Visits"),
        node("Chart", data=data, series=series, xAxis="month", showYAxis=True, showLegend=True),
        node(
            "Chart",
            data=data,
            series=[{"type": "area", "dataKey": "mood", "curveType": "step", "color": "green"}],
            xAxis={"dataKey": "month", "labels": {"Jan": "January"}},
        ),
    )


def _forced(scheme: str) -> Event:
    return node(
        "Card",
        node("Title", value=f"Always {scheme}"),
        node("Text", value="Whatever the page does.", color="secondary"),
        node("Button", label="Press", style="primary"),
        theme=scheme,
        size="sm",
    )


def _basic() -> Event:
    return node(
        "Basic", node("Text", value="No card"), node("Badge", label="Basic"), direction="row"
    )


WIDGETS = {
    "texts": _texts(),
    "buttons": _buttons(),
    "list": _list(),
    "layout": _layout(),
    "form": _form(),
    "chart": _chart(),
    "dark": _forced("dark"),
    "light": _forced("light"),
    "basic": _basic(),
}
