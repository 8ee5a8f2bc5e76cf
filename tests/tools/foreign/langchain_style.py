"""Fills a collection as LangChain's QdrantVectorStore does: one vector without a name.

python -m tests.tools.foreign.langchain_style QDRANT COLLECTION EMBEDDINGS MODEL
"""

import sys
import uuid

from qdrant_client import models

from tests.tools.foreign.client import PAGES, connect, embed


def main(where: str, collection: str, service: str, model: str) -> None:
    documents = [
        (
            text,
            {
                "source": f"/home/ci/lantern/docs/{path}",
                "Header 1": title,
                "Header 2": heading,
                "start_index": 0,
            },
        )
        for path, (title, sections) in PAGES.items()
        for heading, text in sections.items()
    ]
    vectors = embed(service, model, [text for text, _ in documents])
    client = connect(where)
    client.create_collection(
        collection,
        vectors_config=models.VectorParams(size=len(vectors[0]), distance=models.Distance.COSINE),
    )
    client.upsert(
        collection,
        [
            models.PointStruct(
                id=uuid.uuid4().hex,
                vector=vector,
                payload={"page_content": text, "metadata": metadata},
            )
            for vector, (text, metadata) in zip(vectors, documents, strict=True)
        ],
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
