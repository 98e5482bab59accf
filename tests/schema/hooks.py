"""What no schema can say of an order to be accepted: which clusters and directories exist, which keys are new."""

import os
import uuid
from typing import Any

import schemathesis
from schemathesis import Case, HookContext
from schemathesis.generation.modes import GenerationMode

_KEY = "Idempotency-Key"


@schemathesis.hook
def map_case(context: HookContext, case: Case[Any]) -> Case[Any]:
    """Make an order that is well-formed one that can be followed; the others stay as they are."""
    del context
    order: Any = case.body
    if case.meta and case.meta.generation.mode is GenerationMode.POSITIVE and isinstance(order, dict):
        if "host" in order:
            order["host"] = os.environ["SCHEMA_HOST"]
        if order.get("working_directory"):
            order["working_directory"] = "."  # the home directory
        if tag := order.get("tag"):  # of Unicode's class C, schemathesis leaves out nothing but control characters
            order["tag"] = "".join(letter for letter in tag if letter.isprintable()) or None
        if key := case.headers.get(_KEY):
            known = key.strip(' "')[:200]
            case.headers[_KEY] = f"{known}{uuid.uuid4().hex}"
    return case
