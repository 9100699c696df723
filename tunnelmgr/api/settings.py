"""The base of every transport's settings: what may stand in a profile under `method:`.

Field names are the profile's keys. Each field has a `description`: it is what `tunnelmgr schema` prints and what an error
message explains. Values arrive as the text of the YAML scalar or as bool, int, float and null of YAML 1.2.
"""

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """Strict about unknown keys, so that every typing mistake is named."""

    model_config = ConfigDict(extra="forbid", frozen=True)
