"""README's tables that come from the code: `python -m tests.readme` writes them."""

from pathlib import Path
from typing import Literal, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from service.answers import RULES, Meaning, Rule
from service.settings import Settings

README = Path(__file__).parent.parent / "README.md"


def settings_table() -> str:
    """Write the table of settings."""
    rows = ["| PROFILE_SYNC_… | default | |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        match field.default:
            case value if value is PydanticUndefined:
                default = "required"
            case None:
                default = "unset"
            case bool() as value:
                default = f"`{value}`".lower()
            case SecretStr() as value:
                default = f"`{value.get_secret_value()}`"
            case value:
                default = f"`{value}`"
        rows.append(f"| {name.upper()} | {default} | {field.description}{_allowed(field)} |")
    return "\n".join(rows)


_EVENT: dict[Meaning, str] = {
    "success": "done: its profiles come with the answer, or are read back",
    "outage": "tried again",
    "token": "tried again; `/readyz` says `token`",
    "configuration": "tried again; `/readyz` says `configuration`",
    "unknown-database": "rejected, `unknown-database`",
    "refused": "rejected, `refused`, with the API's text",
}


def answers_table() -> str:
    """Write the table of what the API's answers mean."""
    rows = ["| the answer to a PUT | the event is |", "|---|---|"]
    rows += [f"| {rule.answer} | {_becomes(rule)} |" for rule in RULES]
    return "\n".join(rows)


def _becomes(rule: Rule) -> str:
    if not rule.ambiguous:
        return _EVENT[rule.meaning]
    return f"{_EVENT[rule.meaning]}; a create is looked up first, after AMBIGUOUS_WAIT"


def _allowed(field: FieldInfo) -> str:
    """Say which values a field takes, if they are few or have both ends."""
    kinds = [field.annotation, *get_args(field.annotation)]
    choices = [choice for kind in kinds if get_origin(kind) is Literal for choice in get_args(kind)]
    if choices:
        return f" ({', '.join(choices)})"
    rules = [rule for kind in kinds for rule in getattr(kind, "__metadata__", ())]
    rules += [rule for outer in rules for rule in getattr(outer, "metadata", ())] + field.metadata
    ends = {type(rule).__name__: rule for rule in rules}
    if "Ge" in ends and "Le" in ends:
        return f" ({ends['Ge'].ge} to {ends['Le'].le})"
    return ""


def with_tables(text: str) -> str:
    """Put the current tables between their markers."""
    for name, table in (("answers", answers_table()), ("settings", settings_table())):
        begin, end = f"<!-- {name} -->\n", f"\n<!-- /{name} -->"
        head, _, rest = text.partition(begin)
        _, _, tail = rest.partition(end)
        text = f"{head}{begin}{table}{end}{tail}"
    return text


if __name__ == "__main__":
    README.write_text(with_tables(README.read_text()))
