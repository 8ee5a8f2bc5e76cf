"""Fills a collection as LlamaIndex does: the text is in JSON inside a field.

python -m tests.tools.foreign.llamaindex_style QDRANT COLLECTION EMBEDDINGS MODEL
"""

import json
import sys
import uuid

from qdrant_client import models

from tests.tools.foreign.client import PAGES, connect, embed


def main(where: str, collection: str, service: str, model: str) -> None:
    nodes = []
    for path, (_, sections) in PAGES.items():
        parent = str(uuid.uuid4())
        for text in sections.values():
            metadata = {"file_path": path, "file_name": path.rpartition("/")[2]}
            node = {"id_": str(uuid.uuid4()), "metadata": metadata, "text": text}
            payload = {
                "_node_content": json.dumps(node),
                "_node_type": "TextNode",
                "document_id": parent,
                "doc_id": parent,
                "ref_doc_id": parent,
                **metadata,
            }
            # What LlamaIndex embeds begins with the metadata.
            nodes.append((f"file_path: {path}\n\n{text}", payload, node["id_"]))
    vectors = embed(service, model, [text for text, _, _ in nodes])
    client = connect(where)
    client.create_collection(
        collection,
        vectors_config={
            "text-dense": models.VectorParams(size=len(vectors[0]), distance=models.Distance.COSINE)
        },
    )
    client.upsert(
        collection,
        [
            models.PointStruct(id=str(id_), vector={"text-dense": vector}, payload=payload)
            for vector, (_, payload, id_) in zip(vectors, nodes, strict=True)
        ],
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
