"""README's tables that come from the code: `python -m tests.readme` writes them."""

import re
from pathlib import Path

from pydantic import SecretStr
from pydantic_core import PydanticUndefined

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
                default = ""
            case bool() as value:
                default = f"`{value}`".lower()
            case SecretStr() as value:
                default = f"`{value.get_secret_value()}`"
            case value:
                default = f"`{value}`"
        rows.append(f"| {name.upper()} | {default} | {field.description} |")
    return "\n".join(rows)


def with_tables(text: str) -> str:
    """Put the current tables between their markers."""
    return re.sub(
        r"(?<=<!-- settings -->\n).*?(?=\n<!-- /settings -->)",
        lambda _: settings_table(),
        text,
        flags=re.DOTALL,
    )


if __name__ == "__main__":
    README.write_text(with_tables(README.read_text()))
