"""Models of a few hundred bytes that fastembed runs as it runs real ones: words made numbers."""

import json
from pathlib import Path

from onnx import NodeProto, TensorProto, helper, save_model
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

WORDS = [
    "how",
    "do",
    "i",
    "back",
    "up",
    "the",
    "database",
    "flags",
    "night",
    "restore",
    "a",
    "dump",
]
_SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
SIZE = len(_SPECIAL) + len(WORDS)


def make_cross_encoder(folder: Path) -> None:
    """Its score is the number of known words of the text that stand in the query, too."""
    ids, kinds = "input_ids", "token_type_ids"
    nodes = [
        # A word of a row for each word of a column, where they are the same one.
        helper.make_node("Unsqueeze", [ids, "two"], ["row"]),
        helper.make_node("Unsqueeze", [ids, "one"], ["column"]),
        helper.make_node("Equal", ["row", "column"], ["same"]),
        # Of the text in the rows, of the query in the columns, and a word in both.
        helper.make_node("Equal", [kinds, "one_"], ["of_text"]),
        helper.make_node("Equal", [kinds, "zero"], ["of_query"]),
        helper.make_node("Greater", [ids, "last_special"], ["is_word"]),
        helper.make_node("And", ["of_query", "is_word"], ["query_word"]),
        helper.make_node("Unsqueeze", ["of_text", "two"], ["text_rows"]),
        helper.make_node("Unsqueeze", ["query_word", "one"], ["query_columns"]),
        helper.make_node("And", ["text_rows", "query_columns"], ["counted"]),
        helper.make_node("And", ["same", "counted"], ["shared"]),
        helper.make_node("Cast", ["shared"], ["ones"], to=TensorProto.FLOAT),
        helper.make_node("ReduceSum", ["ones", "one_and_two"], ["sum"], keepdims=0),
        helper.make_node("Unsqueeze", ["sum", "one"], ["logits"]),
    ]
    numbers = {"one": [1], "two": [2], "one_and_two": [1, 2]}
    numbers |= {"zero": [0], "one_": [1], "last_special": [len(_SPECIAL) - 1]}
    _save(folder, nodes, numbers, [ids, "attention_mask", kinds], ("logits", ["batch", 1]))


def make_embedder(folder: Path) -> None:
    """Each place of its vectors is one word."""
    nodes = [
        helper.make_node("OneHot", ["input_ids", "depth", "off_on"], ["hot"]),
        helper.make_node("Cast", ["hot"], ["last_hidden_state"], to=TensorProto.FLOAT),
    ]
    numbers = {"depth": [SIZE], "off_on": [0, 1]}
    inputs = ["input_ids", "attention_mask"]
    _save(folder, nodes, numbers, inputs, ("last_hidden_state", ["batch", "words", SIZE]))


def _save(
    folder: Path,
    nodes: list[NodeProto],
    numbers: dict[str, list[int]],
    inputs: list[str],
    output: tuple[str, list[str | int]],
) -> None:
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(n, TensorProto.INT64, ["batch", "words"]) for n in inputs],
        [helper.make_tensor_value_info(output[0], TensorProto.FLOAT, output[1])],
        [
            helper.make_tensor(name, TensorProto.INT64, [len(value)], value)
            for name, value in numbers.items()
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    (folder / "onnx").mkdir(parents=True)
    save_model(model, folder / "onnx/model.onnx")
    vocabulary = {word: number for number, word in enumerate([*_SPECIAL, *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"model_max_length": 512, "pad_token": "[PAD]"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
