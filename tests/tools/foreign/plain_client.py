"""Fills a collection as scripts do: numbers for ids, named vectors, flat payload, two versions.

python -m tests.tools.foreign.plain_client QDRANT COLLECTION EMBEDDINGS MODEL
"""

import sys
from typing import Any

from qdrant_client import models

from tests.tools.foreign.client import PAGES, connect, embed


def main(where: str, collection: str, service: str, model: str) -> None:
    payloads: list[dict[str, Any]] = []
    for version, place in (("2.0", "/docs"), ("1.0", "/docs/1.0")):
        for path, (title, sections) in PAGES.items():
            for heading, text in sections.items():
                url = f"https://lantern.example{place}/{path.removesuffix('.md')}"
                payloads.append(
                    {
                        "text": f"{text} (Lantern {version})",
                        "url": url,
                        "section": f"{title} > {heading}",
                        "version": version,
                        "lang": "en",
                        "chunk": len(payloads),
                    }
                )
    vectors = embed(service, model, [payload["text"] for payload in payloads])
    client = connect(where)
    client.create_collection(
        collection,
        vectors_config={
            "body": models.VectorParams(size=len(vectors[0]), distance=models.Distance.DOT),
            "image": models.VectorParams(size=4, distance=models.Distance.EUCLID),
        },
        sparse_vectors_config={"splade": models.SparseVectorParams()},
    )
    client.upsert(
        collection,
        [
            models.PointStruct(
                id=number,
                vector={
                    "body": vector,
                    "image": [0.5, 0.25, 0.0, 1.0],
                    "splade": models.SparseVector(indices=[number, 100], values=[1.0, 0.5]),
                },
                payload=payload,
            )
            for number, (vector, payload) in enumerate(zip(vectors, payloads, strict=True))
        ],
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
