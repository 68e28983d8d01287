"""The child process of a local model: llama.cpp's own OpenAI-compatible server on a free loopback port.

Prints `{"address": ...}` as one line once the weights are loaded, and ends when its standard input does:
so it never outlives the process that started it, however that one ends.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import signal
import sys
from collections.abc import Sequence
from typing import Any


def main(argv: Sequence[str] | None = None) -> None:
    """Serve one GGUF file until standard input ends."""
    options = _options(argv)
    # Ctrl-C reaches the whole foreground group; the parent decides when this one ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    announce = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    server = _serve(options)
    announce.write(json.dumps({"address": server.listening_address}) + "\n")
    announce.flush()
    sys.stdin.buffer.read()
    # The engine's threads would otherwise be waited for.
    os._exit(0)


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m swapgate.providers.local_server", description=__doc__)
    parser.add_argument("--gguf", required=True, help="the weights")
    parser.add_argument("--alias", required=True, help="the model's name in answers")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument(
        "--ctx", type=int, required=True, help="tokens of context for each slot; 0: the model's own"
    )
    parser.add_argument("--slots", type=int, default=1, help="requests served at a time")
    return parser.parse_args(argv)


def _serve(options: argparse.Namespace) -> Any:
    xllamacpp: Any = importlib.import_module("xllamacpp")
    params = xllamacpp.CommonParams()
    params.model.path = options.gguf
    params.model_alias = {options.alias}
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_parallel = options.slots
    params.n_ctx = options.ctx * options.slots
    params.cpuparams.n_threads = options.threads
    params.cpuparams_batch.n_threads = options.threads
    # Reusing a prefix of an earlier prompt changes batch sizes and with them the last bits of the logits:
    # an answer would depend on the case before. A request's own `cache_prompt: true` turns it on again.
    params.cache_prompt = False
    params.cache_ram_mib = 0
    params.ctx_shift = False
    params.ui = False
    params.endpoint_slots = False
    params.verbosity = 1
    return xllamacpp.Server(params)


if __name__ == "__main__":
    main()
