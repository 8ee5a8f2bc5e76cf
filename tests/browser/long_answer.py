"""A long answer as models write them, in as many deltas as they make of it."""

from collections.abc import Iterator

from tests.browser.events import annotated, answer, begun, created, delta, done, question, source
from tests.browser.protocol import Event

_SECTION = """\
## Step {n}: connect service {n}

Set `DATABASE_URL_{n}` to the **pooled** address of [service {n}](/docs/service-{n}). The server
reads it once when it starts, checks that it can connect, and says in its log which host answered.
A wrong password ends the start with a message that names the variable and *not* its value.

1. Create the database in the console, in the region of your server.
2. Copy the connection string:
   - with `sslmode=require` where the provider offers it,
   - without a trailing space, which most shells keep.
3. Start the server again and open `/readyz`.

```bash title="Set and check service {n}"
export DATABASE_URL_{n}="postgres://reader:secret@db-{n}.example.com:5432/docs?sslmode=require"
chatkit-server doctor --only database | tee doctor-{n}.log
for attempt in 1 2 3; do
  curl --fail --silent "http://127.0.0.1:8000/readyz" && break   # up to three times
done
```

| Setting | Default | What it does |
|---|---:|---|
| `POOL_SIZE_{n}` | 10 | Connections that are kept open 🚀 |
| `TIMEOUT_{n}` | 30 | Seconds until a query is given up |
| `RETRIES_{n}` | 3 | How often a lost connection is tried again |

> A database that is away when the server starts is no failure: it answers without it, and
> says so under `/readyz`.

"""
_CLAIM = "*not* its value."
SECTIONS = 24


def long_text(sections: int = SECTIONS) -> str:
    return "".join(_SECTION.format(n=n) for n in range(1, sections + 1))


def deltas(text: str, count: int) -> Iterator[str]:
    """The text in so many pieces of about the same length."""
    for n in range(count):
        piece = text[len(text) * n // count : len(text) * (n + 1) // count]
        if piece:
            yield piece


def turn(text: str, count: int) -> Iterator[Event]:
    """All events of an answer with a citation for each of its sections."""
    yield created()
    yield done(question("Explain everything."))
    yield begun()
    cited: list[Event] = []
    sent = 0
    place = text.find(_CLAIM)
    for piece in deltas(text, count):
        yield delta(piece)
        sent += len(piece)
        if 0 <= place <= sent - len(_CLAIM):
            n = len(cited) + 1
            at = place + len(_CLAIM)
            cited.append(source(f"/docs/service-{n}", f"Service {n}", f"Step {n}", at))
            yield annotated(cited[-1], at=n - 1)
            place = text.find(_CLAIM, at)
    yield done(answer(text, annotations=cited))
