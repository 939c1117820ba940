"""A language model of half a megabyte whose weights are chance: all that llama.cpp needs to run, and nothing to know.

It says words of its vocabulary in no order, sentence after sentence, until it is stopped. Everything about the engine
is real: slots, batches, prompt cache, streams, metrics.
"""

from pathlib import Path

import gguf
import numpy as np
import numpy.typing as npt

CONTEXT = 32_768
"""So long that an answer which nobody stops takes half a minute."""
_WIDTH, _HEADS, _LAYERS, _FORWARD = 64, 4, 2, 128
_WORDS = """
the line is open and a voice says hello to you now we can talk about rain or sun at noon while tea gets cold on
our table where old maps show roads that no one ever took before
"""
_SPECIAL = ("<unk>", "<s>", "</s>")


def write_model(path: Path) -> Path:
    """Writes the model; it is the same each time. Returns `path`."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(_WIDTH)
    writer.add_block_count(_LAYERS)
    writer.add_feed_forward_length(_FORWARD)
    writer.add_head_count(_HEADS)
    writer.add_head_count_kv(_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(_WIDTH // _HEADS)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    spoken = _add_vocabulary(writer)
    for name, tensor in _tensors(spoken).items():
        writer.add_tensor(name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _add_vocabulary(writer: gguf.GGUFWriter) -> npt.NDArray[np.bool_]:
    """Words to say, and every byte, so that any prompt can be read. Returns which tokens are ever said."""
    bytes_ = [f"<0x{value:02X}>" for value in range(256)]
    words = [f"▁{word}" for word in sorted(set(_WORDS.split()))] + [".", "?"]
    tokens = [*_SPECIAL, *bytes_, *words]
    kinds = [gguf.TokenType.UNKNOWN, gguf.TokenType.CONTROL, gguf.TokenType.CONTROL]
    kinds += [gguf.TokenType.BYTE] * len(bytes_) + [gguf.TokenType.NORMAL] * len(words)
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0] * len(tokens))
    writer.add_token_types(kinds)
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_vocab_size(len(tokens))
    return np.array([kind is gguf.TokenType.NORMAL for kind in kinds])


def _tensors(spoken: npt.NDArray[np.bool_]) -> dict[str, npt.NDArray[np.float32]]:
    rng = np.random.default_rng(1)

    def weights(*shape: int, scale: float = 0.05) -> npt.NDArray[np.float32]:
        return rng.normal(0, scale, shape).astype(np.float32)

    vocabulary = len(spoken)
    # One direction of the state is always large; tokens that may be said look along it, and the full stop most of all.
    embedding = weights(vocabulary, _WIDTH)
    embedding[:, 0] = 4.0
    output = weights(vocabulary, _WIDTH, scale=0.1)
    output[:, 0] = np.where(spoken, 20.0, -20.0)
    output[-2, 0] = 20.2
    tensors = {
        "token_embd.weight": embedding,
        "output_norm.weight": np.ones(_WIDTH, np.float32),
        "output.weight": output,
    }
    for layer in range(_LAYERS):
        block = f"blk.{layer}"
        for norm in ("attn_norm", "ffn_norm"):
            tensors[f"{block}.{norm}.weight"] = np.ones(_WIDTH, np.float32)
        for part in ("attn_q", "attn_k", "attn_v", "attn_output"):
            tensors[f"{block}.{part}.weight"] = weights(_WIDTH, _WIDTH)
        for part in ("ffn_gate", "ffn_up"):
            tensors[f"{block}.{part}.weight"] = weights(_FORWARD, _WIDTH)
        tensors[f"{block}.ffn_down.weight"] = weights(_WIDTH, _FORWARD)
    return tensors
