"""The page of the REST API, made from its OpenAPI document."""

from collections.abc import Mapping
from typing import Any, cast

from bruk.api import create_api
from bruk.control.control import Control
from generator.source import prose, table

TITLES = {
    "sites": "Status, sites and nodes",
    "people": "Login, tenants, people, projects, keys, budgets, prices",
    "work": "Artifacts, jobs, workloads, runs, models, endpoints",
    "records": "Switch, ledger, audit log, invoices, public keys",
    "inspection": "Operators' access to tenants' content",
    "secrets": "Secrets of projects",
    "processes": "Agents and gateways",
}
PARAMETERS = {
    "limit": "at most so many items",
    "after": "the cursor `next` of the page before",
    "idempotency-key": "header; a repeated request with the same key and caller gets the first answer",
}


def document() -> dict[str, Any]:
    """The OpenAPI document, as `GET /api/v1/openapi.json` serves it."""
    # Routes only keep control for their requests, of which there are none here.
    found: dict[str, Any] = create_api(cast(Control, None)).openapi()
    return found


def page() -> str:
    """The whole page."""
    spec = document()
    parts = [
        "# REST API\n",
        "Everything below stands under `/api/v1` of control. The machine-readable document is"
        " `GET /api/v1/openapi.json`.\n",
        "- **Who asks.** `Authorization: Bearer …` with a person's token (from `bruk login` or `POST /login`)"
        " or a project's API key (`bk_…`). Routes marked *open* need none. Agents and gateways have tokens of"
        " their own, which open only their routes.\n"
        '- **Lists** answer `{"items": […], "next": …}`; give `next` as `after` to go on, until it is null.\n'
        "- **Errors** are RFC 9457 problem documents; see [errors](errors.md). 422 is invalid input, and"
        " names the field.\n"
        "- **Asking twice.** `POST` with an `Idempotency-Key` is carried out once per caller and key. What is"
        " shown once (secrets, tokens) is empty in the repeated answer. The same key with another request is"
        " refused with 409.\n"
        "- **Sizes.** A JSON body may have 2 MiB. Artifacts are streamed.\n"
        "- **Unknown fields** are refused.\n",
    ]
    for tag, title in TITLES.items():
        parts.append(f"## {title}\n")
        for path, methods in spec["paths"].items():
            for method, route in methods.items():
                if route["tags"] == [tag]:
                    parts.append(_route(spec, method.upper(), path, route))
    parts += ["## Shapes\n", "Requests first, then what is answered.\n"]
    for name, shape in sorted(
        _shapes(spec).items(), key=lambda item: (not item[0].endswith(("Body", "Change")), item[0])
    ):
        parts.append(shape_section(name, shape, spec))
    return "\n".join(parts)


def _shapes(spec: dict[str, Any]) -> dict[str, Any]:
    left_out = ("HTTPValidationError", "ValidationError")
    return {
        name: shape
        for name, shape in spec["components"]["schemas"].items()
        if name not in left_out and not name.startswith("Page_") and shape.get("type") == "object"
    }


def _route(spec: dict[str, Any], method: str, path: str, route: Mapping[str, Any]) -> str:
    lines = [f"### {method} {path.replace('{', '&#123;').replace('}', '&#125;')}\n"]
    opened = "" if route.get("security") else " *Open.*"
    lines.append(prose(" ".join(route.get("description", "").split())) + opened + "\n")
    facts = []
    given = [item for item in route.get("parameters", []) if item["in"] != "path"]
    for item in given:
        meaning = PARAMETERS.get(item["name"], type_of(item["schema"]))
        required = ", required" if item.get("required") else ""
        facts.append(f"- `{item['name']}`: {meaning}{required}")
    content = route.get("requestBody", {}).get("content", {})
    for media, body in content.items():
        facts.append(f"- Body ({media}): {type_of(body['schema'])}")
    for status, answer in route["responses"].items():
        if status.startswith("2"):
            media = answer.get("content", {}).get("application/json", {})
            shape = type_of(media["schema"]) if media.get("schema") else ""
            facts.append(f"- Answer {status}{': ' + shape if shape else ''}")
    return "\n".join(lines) + "\n" + "\n".join(facts) + "\n"


def type_of(schema: Mapping[str, Any]) -> str:
    """A schema as words, with a link where it is a shape of its own."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        if name.startswith("Page_"):
            return f"a page of {name.removeprefix('Page_').rstrip('_').replace('dict_str__Any_', 'objects')}"
        return f"`{name}`"
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(type_of(one) for one in schema["anyOf"]))
    kind = schema.get("type", "any value")
    if kind == "array":
        return f"list of {type_of(schema.get('items', {}))}"
    limits = []
    if "minimum" in schema or "maximum" in schema:
        limits.append(f"{schema.get('minimum', '')} to {schema.get('maximum', '')}".strip())
    if "maxLength" in schema:
        limits.append(f"up to {schema['maxLength']} characters")
    if "pattern" in schema:
        limits.append(f"matching `{schema['pattern']}`")
    return f"{kind}{', ' + ', '.join(limits) if limits else ''}"


def shape_section(name: str, shape: Mapping[str, Any], spec: Mapping[str, Any]) -> str:
    """One shape: its fields with types and defaults."""
    required = shape.get("required", [])
    rows = []
    for field, schema in shape.get("properties", {}).items():
        default = (
            "required" if field in required else f"`{schema['default']!r}`" if "default" in schema else ""
        )
        rows.append([f"`{field}`", type_of(schema), default])
    text = str(shape.get("description", "")).partition("\n\nAttributes:")[0]
    lines = [f"### {name}\n", prose(" ".join(text.split())) + "\n"]
    lines.append(table(["Field", "Type", "Default"], rows) if rows else "Any fields.\n")
    return "\n".join(lines)
