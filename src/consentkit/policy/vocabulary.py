# SPDX-License-Identifier: MIT
"""
The words that a policy document may use, shipped with the package.

They are data files, each with its keys explained on top:
``data/data_types.toml`` and ``data/vocabulary.toml``.
"""

from __future__ import annotations

import tomllib

from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Final, Literal, Protocol, TypeVar

from attrs import frozen
from cattrs import Converter

from consentkit.policy.model import ProtectionName


__all__ = [
    "PROTECTIONS_FOR",
    "DataType",
    "LawfulBasis",
    "PermissionTerm",
    "Purpose",
    "RecipientMode",
    "Vocabulary",
    "load_vocabulary",
]

_NAME = ProtectionName

#: The protections that carry out each treatment. A treatment with none is
#: not offered yet.
PROTECTIONS_FOR: Final[Mapping[str, frozenset[ProtectionName]]] = (
    MappingProxyType(
        {
            "none": frozenset({_NAME.NONE, _NAME.KRR}),
            "drop": frozenset({_NAME.DROP}),
            "local_only": frozenset({_NAME.LOCAL_ONLY}),
            "extract": frozenset({_NAME.TAKE}),
            "allowlist_match": frozenset(),
            "keyed_hash": frozenset({_NAME.KEYED}),
            "md5_legacy": frozenset({_NAME.MD5}),
            # A keyed pseudonym stands in for a token; it needs no vault.
            "tokenise": frozenset({_NAME.KEYED}),
            "truncate": frozenset({_NAME.TRUNCATE}),
            "coarsen": frozenset({_NAME.GRID}),
            "bucket": frozenset({_NAME.BUCKET}),
            "generalise": frozenset({_NAME.GENERALISE, _NAME.KRR}),
            "redact": frozenset({_NAME.SCRUB}),
            # Every envelope is encrypted, so the value itself is left alone.
            "encrypt": frozenset({_NAME.NONE}),
            # Answers at random are made to be counted over many people. A
            # record that somebody may have as it is, as an analytics SDK
            # does, is scrubbed: it stays personal.
            "k_aggregate": frozenset({_NAME.KRR, _NAME.SCRUB}),
        }
    )
)

# A promise to let out less is always allowed.
_ALWAYS: Final = frozenset({_NAME.DROP, _NAME.LOCAL_ONLY, _NAME.PRESENT})


@frozen(kw_only=True)
class DataType:
    """
    One kind of data that may be collected.

    Attributes:
        id: Stable name, in ``snake_case``.

        name, name_zh: What people call it, in English and Chinese.

        category: Family of the type, for lists.

        sensitive: Whether it asks for a decision of its own.

        sensitive_under: The grounds that make it sensitive, maybe empty.

        persistence: How long a value follows its holder.

        identifiability: Whom a value points to by itself.

        hash_reversible: Whether an unkeyed digest is undone by guessing.

        treatments: What may be done to it, the preferred first; the keys of
            `PROTECTIONS_FOR`.

        platforms: Where it exists; ``any`` means everywhere.

        fideslang, dpv_pd, google_play, apple: The closest terms of other
            vocabularies, or empty.
    """

    id: str
    name: str
    name_zh: str
    category: str
    sensitive: bool
    persistence: Literal[
        "persistent", "resettable", "ephemeral", "not_identifier"
    ]
    identifiability: Literal[
        "direct", "device", "quasi", "alone_no", "content", "aggregate"
    ]
    hash_reversible: bool
    treatments: tuple[str, ...]
    platforms: tuple[str, ...]
    sensitive_under: tuple[str, ...] = ()
    fideslang: str = ""
    dpv_pd: str = ""
    google_play: str = ""
    apple: str = ""
    note: str = ""

    @property
    def protections(self) -> frozenset[ProtectionName]:
        """
        The protections that a policy may name for this type.

        They are those of its treatments, and always the ones that let out
        less: ``drop``, ``local_only`` and ``present``.
        """
        return _ALWAYS.union(*(PROTECTIONS_FOR[t] for t in self.treatments))


@frozen(kw_only=True)
class Purpose:
    """
    Why data is processed.

    Attributes:
        name, name_zh: What people call it, in English and Chinese.

        fideslang, dpv: The closest terms of other vocabularies, or empty.
    """

    id: str
    name: str
    name_zh: str = ""
    fideslang: str = ""
    dpv: str = ""


@frozen(kw_only=True)
class PermissionTerm:
    """
    Something that an operating system guards.

    Attributes:
        android: Names of Android's permissions, maybe none.

        ios: Usage key of iOS, or empty.
    """

    id: str
    name: str
    name_zh: str = ""
    android: tuple[str, ...] = ()
    ios: str = ""


@frozen(kw_only=True)
class LawfulBasis:
    """
    What makes processing lawful.

    Attributes:
        name, name_zh: What people call it, in English and Chinese.

        automatic: Whether software may apply it to a declared function by
            itself. Where not, each use needs the word of a named person.

        applies_to: ``collection``, ``sharing`` or both.

        dpv: The closest legal basis of DPV, or empty.

        pipl: Articles of the Personal Information Protection Law of the
            PRC, or empty where that law has no such basis.
    """

    id: str
    name: str
    automatic: bool
    name_zh: str = ""
    applies_to: tuple[str, ...] = ()
    dpv: str = ""
    pipl: str = ""
    note: str = ""


@frozen(kw_only=True)
class RecipientMode:
    """
    How a recipient comes to the data, and what that asks for.

    Attributes:
        name, name_zh: What people call it, in English and Chinese.
    """

    id: str
    name: str
    meaning: str
    name_zh: str = ""


@frozen(kw_only=True, eq=False, repr=False)
class Vocabulary:
    """
    All words, each mapping by id and in the order of its file.

    Attributes:
        partner_categories: Kinds of third-party SDKs.
    """

    data_types: Mapping[str, DataType]
    purposes: Mapping[str, Purpose]
    permissions: Mapping[str, PermissionTerm]
    bases: Mapping[str, LawfulBasis]
    modes: Mapping[str, RecipientMode]
    partner_categories: tuple[str, ...]

    def __repr__(self) -> str:
        return (
            f"<Vocabulary: {len(self.data_types)} data types, "
            f"{len(self.purposes)} purposes>"
        )


@frozen(kw_only=True)
class _TypesFile:
    """
    What ``data_types.toml`` holds.
    """

    schema: Literal[1]
    data_types: tuple[DataType, ...]


@frozen(kw_only=True)
class _WordsFile:
    """
    What ``vocabulary.toml`` holds.
    """

    schema: Literal[1]
    partner_categories: tuple[str, ...]
    purposes: tuple[Purpose, ...]
    permissions: tuple[PermissionTerm, ...]
    bases: tuple[LawfulBasis, ...]
    modes: tuple[RecipientMode, ...]


class _Term(Protocol):
    """
    Something with an id.
    """

    @property
    def id(self) -> str:
        """
        Stable name.
        """
        ...


TermT = TypeVar("TermT", bound=_Term)
FileT = TypeVar("FileT")


@cache
def load_vocabulary() -> Vocabulary:
    """
    Return the shipped vocabulary; its files are read once a process.
    """
    types = _read("data_types.toml", _TypesFile)
    words = _read("vocabulary.toml", _WordsFile)
    return Vocabulary(
        data_types=_by_id(types.data_types),
        purposes=_by_id(words.purposes),
        permissions=_by_id(words.permissions),
        bases=_by_id(words.bases),
        modes=_by_id(words.modes),
        partner_categories=words.partner_categories,
    )


def _read(name: str, cls: type[FileT]) -> FileT:
    file = resources.files("consentkit.policy") / "data" / name
    raw = tomllib.loads(file.read_text(encoding="utf-8"))
    # The files are ours and a test reads them in detail; this is the quick
    # way, which still refuses an unknown key.
    converter = Converter(forbid_extra_keys=True, detailed_validation=False)
    return converter.structure(raw, cls)


def _by_id(terms: Iterable[TermT]) -> Mapping[str, TermT]:
    return MappingProxyType({term.id: term for term in terms})
