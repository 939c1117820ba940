"""Opens an ONNX model for use beside an event loop."""

from pathlib import Path

import onnxruntime

from offhook.service.config import ConfigError


def open_model(path: Path, *, inputs: tuple[str, ...]) -> onnxruntime.InferenceSession:
    """Loads `path`, to be run by one thread at a time on that thread alone.

    Raises:
        ConfigError: it is damaged, or takes other inputs than `inputs`.
    """
    options = onnxruntime.SessionOptions()
    # Threads of its own would compete with the event loop, and spin between runs.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    # Errors are raised; its warnings are about graphs, not about us.
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        # onnxruntime's exceptions have no common base, and their text names the reason inside a long trace.
        raise ConfigError(f"{path}: is damaged; `offhook models fetch` replaces it") from error
    found = tuple(each.name for each in session.get_inputs())
    if found != inputs:
        raise ConfigError(f"{path}: is another model: it takes {', '.join(found)} instead of {', '.join(inputs)}")
    return session
