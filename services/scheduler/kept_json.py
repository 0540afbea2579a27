"""JSON that is kept for long."""

from typing import Any

import orjson


def kept_json(value: Any) -> bytes:
    """The JSON in as many bytes as it has; what orjson returns holds on to the kilobytes that it was written into."""
    return bytes(memoryview(orjson.dumps(value, option=orjson.OPT_UTC_Z)))
