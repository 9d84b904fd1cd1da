"""What a prompt gives to work with: its texts between fence lines, and its JSON lists of things with an id.

A fence is any line that ends a text in the word or sign that began it; labels behind the first sign name the text,
such as `<<<MARK article 12` … `MARK>>>`, or the same line stands above and below. Nothing here knows who writes such
prompts.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

BLOCKS_MAX = 200
_LABELLED = re.compile(r"^<<<(\S{4,80}) ([^\n]{1,200})\n(.*?)\n\1>>>$", re.MULTILINE | re.DOTALL)
_PLAIN = re.compile(r"^(<<< \S{4,80} >>>)\n(.*?)\n\1$", re.MULTILINE | re.DOTALL)
_SENTENCE = re.compile(r"(?<=[a-z0-9%)][.!?])\s+(?=[\"“A-Z0-9$€£])|\n+")
_SUBJECT = re.compile(r"Company: ([^(\n]{1,100}?) \(([A-Z][A-Z0-9.-]{0,14})\)")
_UP = re.compile(
    r"\b(rose|rises|raised|beat|wins?|won|grew|record|gains?|higher|upgraded|expands?|strong)\b", re.IGNORECASE
)
_DOWN = re.compile(
    r"\b(fell|falls|cut|missed|loses?|lost|probe|lawsuit|recall|lower|downgraded|weak|delays?|warns?)\b", re.IGNORECASE
)
_SUITS = {
    "risks": "probe|lawsuit|recall|risk|investigat|fine\\b|court|breach|strike",
    "performance": "revenue|profit|earnings|margin|sales\\b|quarter",
    "street": "analyst|rating|price target|upgrade|downgrade|short interest",
    "catalysts": "conference|meeting|due on|launch|will report|deadline",
    "industry": "industry|sector|competitor|supplier|customers",
}
"""What headings of reports about companies are about."""


@dataclass(frozen=True, slots=True)
class Block:
    """A text of the prompt under its label; ``title`` is its first line where that is no sentence."""

    label: str
    body: str

    @property
    def words(self) -> Sequence[str]:
        """The words of the label, by one of which it is known."""
        return self.label.replace("(", " ").replace(")", " ").split()

    @property
    def title(self) -> str:
        """The first line, up to its first colon."""
        return self.body.partition("\n")[0].partition(": ")[0].strip()

    @property
    def sentences(self) -> list[str]:
        """Its whole sentences; a short name before a colon at the beginning is none of the first."""
        found = [part.strip() for part in _SENTENCE.split(self.body)]
        whole = [part for part in found if part.endswith((".", "!", "?")) and len(part) > 20]
        if whole and whole[0] == found[0] and 0 < whole[0].find(": ") < 80:
            whole[0] = whole[0].partition(": ")[2]
        return whole

    @property
    def tone(self) -> str:
        """Positive, negative, mixed or neutral, by the words in it."""
        up, down = len(_UP.findall(self.body)), len(_DOWN.findall(self.body))
        if up and down:
            return "mixed"
        return "positive" if up else "negative" if down else "neutral"

    def is_about(self, heading: object) -> bool:
        """Whether its words suit a heading that we know."""
        words = _SUITS.get(str(heading))
        return words is not None and re.search(rf"\b({words})", self.body, re.IGNORECASE) is not None

    def number(self, of: str, most: int) -> int:
        """From 0 to below ``most``, the same for the same text and purpose."""
        return int.from_bytes(hashlib.sha256(f"{of} {self.body}".encode()).digest()[:4], "big") % most

    def told(self, name: str, most: int) -> str:
        """Some of its sentences in their order, other ones for another purpose."""
        whole = self.sentences
        if not whole:
            return f"{self.title.rstrip('.')}." if self.title else ""
        first = 0 if name in ("content", "facts", "text") else self.number(name, len(whole))
        return " ".join(whole[first : first + most])


def blocks_of(prompt: str) -> list[Block]:
    """The texts between fence lines, in their order; of a prompt that is JSON, in the strings of it."""
    if prompt.startswith("["):
        try:
            prompt = "\n".join(_strings(json.loads(prompt)))
        except (ValueError, RecursionError):
            return []
    found = [Block(one[2], one[3]) for one in _LABELLED.finditer(prompt)]
    found += [Block("", one[2]) for one in _PLAIN.finditer(prompt)]
    return found[:BLOCKS_MAX] or _listed(prompt)


def subject_of(prompt: str) -> tuple[str, ...]:
    """Name and symbol of the company that a prompt says it is about; nothing where it says none."""
    found = _SUBJECT.search(prompt)
    return (found[1], found[2]) if found else ()


def _strings(value: object) -> list[str]:
    """Every string in a JSON value, in its order."""
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for one in inner for text in _strings(one)]


def _listed(prompt: str) -> list[Block]:
    """Things with an id and a title in the last JSON object that a line of the prompt begins with."""
    start = f"\n{prompt}".rfind('\n{"')
    try:
        value = json.JSONDecoder().raw_decode(prompt, start)[0] if start >= 0 else None
    except (ValueError, RecursionError):
        return []
    lists = [one for one in value.values() if isinstance(one, list)] if isinstance(value, dict) else []
    rows = [row for one in lists for row in one if isinstance(row, dict) and "id" in row and "title" in row]
    return [Block(str(row["id"]), str(row["title"])) for row in rows[:BLOCKS_MAX]]
