"""The JSON bodies that the HTTP API answers with."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, WithJsonSchema

SESSION_SCHEMA = {
    "oneOf": [{"$ref": "#/components/schemas/RealtimeConfig"}, {"$ref": "#/components/schemas/TranscriptionConfig"}]
}


class ErrorDetails(BaseModel):
    """What was wrong."""

    message: str = Field(description="One sentence: what is wrong, and what to do.")
    type: str = Field(description="Coarse class, such as `invalid_request_error`.")
    param: str | None = Field(description="The part of the request that is at fault, if one is.")
    code: str = Field(description="Stable slug.")


class ErrorAnswer(BaseModel):
    """Body of every answer with a status from 400 on."""

    error: ErrorDetails


class ClientSecretAnswer(BaseModel):
    """An ephemeral key."""

    value: str = Field(description="The key, `ek_…`.")
    expires_at: int = Field(description="Unix seconds. It opens sessions until then, and those outlive it.")
    session: Annotated[dict[str, Any], WithJsonSchema({"type": "object"})] = Field(
        description="The whole effective session."
    )


class ModelAnswer(BaseModel):
    """A model that a call may name."""

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str = "offhook"


class ModelListAnswer(BaseModel):
    """All of them, the default first."""

    object: Literal["list"] = "list"
    data: list[ModelAnswer]
