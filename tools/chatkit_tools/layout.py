"""What Qdrant says of a collection that may be anybody's: its vectors, indexes and metadata."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from chatkit_tools.collection import LEXICAL
from chatkit_tools.errors import CollectionMismatchError

STATE = "chatkit"
"""The key of the collection's metadata that holds what `add_lexical` did."""


@dataclass(frozen=True, slots=True)
class DenseVector:
    """A dense vector of a collection, with the name "" where it has none."""

    name: str
    size: int
    distance: str
    multiple: bool = False
    """Whether each point has several, as ColBERT's do."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What Qdrant says of a collection."""

    points: int
    dense: tuple[DenseVector, ...]
    sparse: Mapping[str, str | None]
    """The modifiers of the sparse vectors, by name."""
    indexed: Mapping[str, str]
    """The fields of the payload that have an index, and of which kind."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    filters_need_index: bool = False
    """Whether the server refuses to filter by other fields."""

    @classmethod
    def read(cls, info: Mapping[str, Any]) -> Self:
        """Read Qdrant's description of a collection."""
        config = info["config"]
        params = config["params"]
        vectors = params.get("vectors") or {}
        # One vector without a name is described by itself.
        named = {"": vectors} if "size" in vectors else vectors
        strict = config.get("strict_mode_config") or {}
        return cls(
            points=info.get("points_count") or 0,
            dense=tuple(
                DenseVector(
                    name, vector["size"], vector["distance"], bool(vector.get("multivector_config"))
                )
                for name, vector in named.items()
            ),
            sparse={
                name: (sparse or {}).get("modifier")
                for name, sparse in (params.get("sparse_vectors") or {}).items()
            },
            indexed={
                name: str((schema or {}).get("data_type"))
                for name, schema in (info.get("payload_schema") or {}).items()
            },
            metadata=config.get("metadata") or {},
            filters_need_index=bool(
                strict.get("enabled") and strict.get("unindexed_filtering_retrieve") is False
            ),
        )

    @property
    def is_ours(self) -> bool:
        """Whether it has the vectors that `Passages.index` makes."""
        names = {vector.name for vector in self.dense}
        return self.sparse.get(LEXICAL) == "idf" and names <= {"dense"} and not self.lexical_state

    @property
    def lexical_state(self) -> Mapping[str, Any]:
        """What `add_lexical` noted; empty where it never ran."""
        state = self.metadata.get(STATE)
        found = state.get("lexical") if isinstance(state, Mapping) else None
        return found if isinstance(found, Mapping) else {}


def choose_vector(name: str, layout: Layout, wanted: str | None) -> DenseVector | None:
    """Return the dense vector to search by, None where there is none to choose from.

    Raises:
        CollectionMismatchError: there is no such vector, or it is not clear which.
    """
    usable = [vector for vector in layout.dense if not vector.multiple]
    names = ", ".join(repr(vector.name) for vector in usable) or "none"
    if wanted is not None:
        found = next((vector for vector in usable if vector.name == wanted), None)
        if found is None and any(vector.name == wanted for vector in layout.dense):
            raise CollectionMismatchError(
                f"the vector {wanted!r} of the collection {name!r} has several vectors for each"
                f" point, which can't be searched here; its others: {names}"
            )
        if found is None:
            raise CollectionMismatchError(
                f"the collection {name!r} has no dense vector {wanted!r};"
                f" set CHATKIT_COLLECTION_VECTOR to one that it has: {names}"
            )
        return found
    if len(usable) > 1 and not any(not vector.name for vector in usable):
        raise CollectionMismatchError(
            f"the collection {name!r} has several dense vectors ({names});"
            " set CHATKIT_COLLECTION_VECTOR to the one that CHATKIT_EMBEDDING_MODEL made"
        )
    return min(usable, key=lambda vector: vector.name, default=None)
