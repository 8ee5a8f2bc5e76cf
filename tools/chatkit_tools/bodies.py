"""Reads bodies of Qdrant's REST interface into the engine's own types, and writes its answers.

Of the interface only what our requests use is known; the rest is refused as a server would refuse
a format that it does not know.
"""

from typing import Any

import qdrant_edge as edge

DISTANCES = {
    "Cosine": edge.Distance.Cosine,
    "Dot": edge.Distance.Dot,
    "Euclid": edge.Distance.Euclid,
    "Manhattan": edge.Distance.Manhattan,
}
FIELD_TYPES = {
    "keyword": edge.PayloadSchemaType.Keyword,
    "integer": edge.PayloadSchemaType.Integer,
}


def dense_params(params: dict[str, Any]) -> edge.EdgeVectorParams:
    """Read what a dense vector is like."""
    return edge.EdgeVectorParams(size=params["size"], distance=DISTANCES[params["distance"]])


def sparse_modifier(params: dict[str, Any]) -> edge.Modifier | None:
    """Read how a sparse vector is weighed."""
    modifier = params.get("modifier") or "none"
    if modifier not in ("none", "idf"):
        raise ValueError(f"the modifier {modifier!r} is not known")
    return edge.Modifier.Idf if modifier == "idf" else None


def vector(value: Any) -> Any:
    """Read a vector: a list of numbers, or indices and values."""
    if isinstance(value, dict):
        return edge.SparseVector(value["indices"], value["values"])
    return value


def vectors(named: Any) -> Any:
    """Read the vectors of a point: by name, or the one without a name."""
    if isinstance(named, dict):
        return {name: vector(value) for name, value in named.items()}
    return named


def filter_of(body: dict[str, Any] | None) -> edge.Filter | None:
    """Read a filter; None where there is none."""
    if not body:
        return None
    unknown = set(body) - {"must", "should", "must_not"}
    if unknown:
        raise ValueError(f"unknown in a filter: {', '.join(sorted(unknown))}")
    must, should, must_not = (
        [_condition(condition) for condition in body.get(name) or ()] or None
        for name in ("must", "should", "must_not")
    )
    return edge.Filter(must=must, should=should, must_not=must_not)


def _condition(body: dict[str, Any]) -> Any:
    if "has_id" in body:
        return edge.HasIdCondition(set(body["has_id"]))
    if "has_vector" in body:
        return edge.HasVectorCondition(body["has_vector"])
    if "is_empty" in body:
        return edge.IsEmptyCondition(body["is_empty"]["key"])
    if "range" in body:
        return edge.FieldCondition(body["key"], range=edge.RangeFloat(**body["range"]))
    if "match" in body:
        match = body["match"]
        found: Any = (
            edge.MatchAny(match["any"]) if "any" in match else edge.MatchValue(match["value"])
        )
        return edge.FieldCondition(body["key"], match=found)
    if set(body) & {"must", "should", "must_not"}:
        return filter_of(body)
    raise ValueError(f"unknown condition: {', '.join(sorted(body))}")


def query_request(search: dict[str, Any]) -> edge.QueryRequest:
    """Read one query; without a vector it gives the points that pass its filter."""
    asked = search.get("query")
    return edge.QueryRequest(
        limit=search.get("limit", 10),
        query=None
        if asked is None
        else edge.Query.Nearest(vector(asked), using=search.get("using") or ""),
        filter=filter_of(search.get("filter")),
        with_payload=search.get("with_payload", False),
        with_vector=search.get("with_vector", False),
    )


def point_json(point: edge.ScoredPoint | edge.Record) -> dict[str, Any]:
    """Write a point that was found or retrieved; JSON has its own form for its UUID."""
    written: dict[str, Any] = {"id": point.id}
    if isinstance(point, edge.ScoredPoint):
        written |= {"score": point.score, "version": point.version}
    if point.payload is not None:
        written["payload"] = point.payload
    if point.vector is not None:
        written["vector"] = _vector_json(point.vector)
    return written


def _vector_json(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _vector_json(named) for name, named in value.items()}
    if isinstance(value, edge.SparseVector):
        return {"indices": list(value.indices), "values": list(value.values)}
    return value
