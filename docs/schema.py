# SPDX-License-Identifier: MIT
"""
Write the shape of a policy document, for editors and for people.

Both files are made from the classes that read the document::

    python docs/schema.py
"""

from __future__ import annotations

import json

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import attrs

from consentkit.policy.schema import Key, json_schema, table_of
from consentkit.policy.tables import Document, FieldSpec, ProtectSpec


HERE = Path(__file__).parent

INTRODUCTION = """\
# Keys of the policy file

<!-- Written by `python docs/schema.py`; change `consentkit/policy/tables.py`. -->

Every key that a [policy document](../policy-file.md) may have.
A key that is not here is a fault, so that a spelling mistake never loosens a promise.
What the words mean together is checked by `consentkit policy check`.


## In an editor

The same as a [JSON Schema](https://json-schema.org/draft/2020-12), which editors complete, check and explain a document by:
{download}`policy.schema.json <../_static/policy.schema.json>`, or

```sh
consentkit policy schema > policy.schema.json
```

[Taplo](https://taplo.tamasfe.dev), and with it the extension "Even Better TOML" of Visual Studio Code, takes it from a comment in the first line of the document:

```toml
#:schema ./policy.schema.json
schema = 1
```

For all policies of a project, name it in `.taplo.toml` instead:

```toml
[[rule]]
include = ["**/policy.toml"]

[rule.schema]
path = "./policy.schema.json"
```

To the schema a date is a string in the form of a date, since JSON has no dates.
It knows nothing of what names another part of the document: recipients, functions, types that must be collected.
"""

NAMES = {bool: "boolean", int: "integer", float: "number", str: "string"}


def page() -> str:
    """
    Give the reference page.
    """
    return "\n".join([INTRODUCTION, *tables(Document, "", within=None)])


def schema() -> str:
    """
    Give the JSON Schema's text.
    """
    return json.dumps(json_schema(), indent=1, ensure_ascii=False) + "\n"


def tables(kind: type, path: str, *, within: Key | None) -> Iterator[str]:
    """
    Give the sections of a table and of those below it.

    Args:
        kind: The table's class.

        path: Where it stands, or empty.

        within: The key that holds it, if one does.
    """
    table = table_of(kind)
    yield f"\n## {heading(path, within)}\n"
    yield f"{table.text}\n"
    yield "| key | value | by default | |"
    yield "| --- | --- | --- | --- |"
    for key in table.keys:
        cells = (f"`{key.name}`", value(key), default(key), key.text)
        yield "| " + " | ".join(c.replace("|", "\\|") for c in cells) + " |"
    yield ""
    for key in table.keys:
        if attrs.has(key.kind):
            inner = f"{path}.{key.name}".lstrip(".")
            inner += f".{key.names[:-1].upper()}" if key.names else ""
            yield from tables(key.kind, inner, within=key)


def heading(path: str, within: Key | None) -> str:
    """
    Write a table's name as TOML does.
    """
    if within is None:
        return "At the top"
    return f"`[[{path}]]`" if within.is_list else f"`[{path}]`"


def value(key: Key) -> str:
    """
    Say what a key holds.
    """
    one = item(key)
    return f"array: {one}" if key.is_list else one


def item(key: Key) -> str:
    """
    Say what a key's value is, or each of a list.
    """
    if key.kind is ProtectSpec:
        return f"table, or its `name` alone: {words('protections')}"
    if key.names:
        return f"a table for each {words(key.names)}, by its id"
    if attrs.has(key.kind):
        return "table"
    if key.kind is dict:
        kinds = table_of(FieldSpec).keys[0].text.partition(";")[0]
        return f"table; each key a field: {kinds}, or an array of its values"
    if key.kind is date:
        return "date"
    if key.is_period:
        return "duration, or `unspecified`"
    if key.is_country:
        return "country"
    if key.values:
        return "one of " + ", ".join(f"`{v}`" for v in key.values)
    return words(key.words) if key.words else NAMES[key.kind]


def words(name: str) -> str:
    """
    Link to a list of words.
    """
    places = {
        "data_types": "[data type](../vocabulary.md)",
        "purposes": "[purpose](../vocabulary.md)",
        "permissions": "[permission](../vocabulary.md)",
        "bases": "[lawful basis](../vocabulary.md)",
        "modes": "[mode](../vocabulary.md)",
        "protections": "[protection](../anonymisation.md)",
        "intents": "[intent](../collectors/clipboard.md)",
    }
    return places[name]


def default(key: Key) -> str:
    """
    Say what holds where a key is left out.
    """
    if key.required:
        return "required"
    return "" if key.default is None else f"`{json.dumps(key.default)}`"


if __name__ == "__main__":
    static = HERE / "_static"
    static.mkdir(exist_ok=True)
    (static / "policy.schema.json").write_text(schema(), encoding="utf-8")
    place = HERE / "reference" / "policy-schema.md"
    place.write_text(page(), encoding="utf-8")
