"""The page of the API: its calls and the fields of their bodies, from the OpenAPI schema that the service serves."""

from collections.abc import Iterator, Mapping
from typing import Any

from drf_spectacular.generators import SchemaGenerator

from submitter.documentation import markdown

_INTRODUCTION = (
    "The same description as OpenAPI, for generators of clients, is at `/api/schema`; calls can be tried at "
    "`/api/docs`. Each call takes the caller's proxy in the header `PROXY` or `X-Proxy-Certificate`, in Base64 on one "
    "line. Paths work with and without a slash at their end. See [errors](errors.md) for all other answers."
)


def page() -> str:
    """Return the page."""
    schema: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]  # spectacular is untyped
    calls = [_call(method, path, call) for path, methods in schema["paths"].items() for method, call in methods.items()]
    bodies = [_body(name, body) for name, body in schema["components"]["schemas"].items()]
    return markdown.page("API", _INTRODUCTION, "## Calls", *calls, "## Bodies", *bodies)


def _call(method: str, path: str, call: Mapping[str, Any]) -> str:
    parts = [
        f"### {call.get('summary', path)}",
        markdown.code(f"{method.upper()} {path}"),
        call.get("description", ""),
        _parameters(call.get("parameters", [])),
        _sent(call),
        markdown.table(["Status", "Answer", "Headers"], _answers(call["responses"])),
    ]
    return "\n\n".join(part for part in parts if part)


def _parameters(parameters: list[Mapping[str, Any]]) -> str:
    rows = [
        [markdown.code(it["name"]), it["in"], type_name(it["schema"]), markdown.sentence(it.get("description", ""))]
        for it in parameters
    ]
    return markdown.table(["Parameter", "In", "Type", "Meaning"], rows) if rows else ""


def _sent(call: Mapping[str, Any]) -> str:
    content = call.get("requestBody", {}).get("content", {})
    return "\n\n".join(f"Body: {type_name(body['schema'])}, as `{kind}`." for kind, body in content.items())


def _answers(responses: Mapping[str, Any]) -> Iterator[list[str]]:
    """Yield the answers that are no errors: those are the same for all calls."""
    for code, answer in responses.items():
        if code < "400":
            content = [f"{type_name(body['schema'])}, as `{kind}`" for kind, body in answer.get("content", {}).items()]
            meaning = "; ".join([answer.get("description", ""), *content])
            yield [code, meaning, markdown.codes(answer.get("headers", {}))]


def _body(name: str, body: Mapping[str, Any]) -> str:
    parts = [f"### {name}", markdown.sentence(body.get("description", "")), _fields(body)]
    return "\n\n".join(part for part in parts if part)


def _fields(body: Mapping[str, Any]) -> str:
    if "properties" not in body:
        return f"One of {markdown.codes(map(str, body['enum']))}." if "enum" in body else f"Type: {type_name(body)}."
    required = set(body.get("required", []))
    rows = [
        [markdown.code(name), type_name(it), "yes" if name in required else "no", markdown.sentence(_meaning(it))]
        for name, it in body["properties"].items()
    ]
    return markdown.table(["Field", "Type", "Always there", "Meaning"], rows)


def _meaning(field: Mapping[str, Any]) -> str:
    return str(field.get("description") or field.get("title", ""))


def type_name(schema: Mapping[str, Any]) -> str:
    """Return the type that a schema of OpenAPI 3.1 describes, in Markdown; a named one is a link to its table."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    for several in ("oneOf", "anyOf", "allOf"):
        if several in schema:
            return " or ".join(map(type_name, schema[several]))
    kinds = schema.get("type", "any")
    names = [_plain(kind, schema) for kind in ([kinds] if isinstance(kinds, str) else kinds)]
    return " or ".join(names)


def _plain(kind: str, schema: Mapping[str, Any]) -> str:
    if kind == "array":
        return f"array of {type_name(schema.get('items', {}))}"
    return f"{kind} ({schema['format']})" if "format" in schema and kind != "null" else kind
