"""SendGrid's own description of its API, which every body that we would send is held against."""

import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import FormatChecker
from openapi_schema_validator import OAS31Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

_FILE = Path(__file__).parent / "data" / "sendgrid" / "tsg_mail_v3.json.gz"


def faults(body: dict[str, Any]) -> list[str]:
    """Return what SendGrid's specification says against a body of POST /v3/mail/send."""
    return [f"{'/'.join(map(str, e.absolute_path))}: {e.message}" for e in _checker().iter_errors(body)]


@cache
def _checker() -> OAS31Validator:
    """Return what checks a body against SendGrid's own file, stricter where the file is known to be lax."""
    spec = json.loads(gzip.decompress(_FILE.read_bytes()))
    body = spec["components"]["requestBodies"]["PostMailSend"]["content"]["application/json"]["schema"]
    strings = {"type": "object", "additionalProperties": {"type": "string"}}
    body["properties"]["custom_args"] = strings  # the file says string, its examples are objects
    body["properties"]["headers"] = strings  # the file says object
    body["additionalProperties"] = False
    person = body["properties"]["personalizations"]["items"]
    person["additionalProperties"] = False
    person["properties"]["to"]["minItems"] = 1
    person["properties"]["custom_args"] = strings
    registry = Registry().with_resource("urn:sg", Resource(contents=spec, specification=DRAFT202012))
    where = "urn:sg#/components/requestBodies/PostMailSend/content/application~1json/schema"
    return OAS31Validator({"$ref": where}, registry=registry, format_checker=FormatChecker())
