# SPDX-License-Identifier: MIT
"""
What it costs to undo a protection: the second axis beside the class.

The class says what a value is in law; an MD5 and a keyed pseudonym are both
pseudonymised. The strength says what parts them: how many values there can
be, who can list them, what trying all of them costs, and whose records it
joins. It is computed from two tables, the sizes of the value spaces and the
rates of guessing, and from nothing that anybody asserts.

Costs are of *trying all*; half of it finds the value in the mean. They are
what somebody pays who uses what there is: compiled code, or a graphics card.
Plain Python takes some hundreds of times as long as the core.

Units: seconds; guesses a second; kilometres; epsilon in nats.

Source:
    One core: a program in C of ours (AVX-512, 16 digests at once, the
    candidates made with their check digit) that ran on one core of an AMD
    EPYC, and took 166 s for all listed IMEIs; it is no part of the package.
    One GPU: hashcat 6.2.6, mode 0 (MD5), an RTX 4090, 164.1 GH/s, as
    published by its users; not measured by us.
"""

from __future__ import annotations

import math

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Final

from attrs import field, frozen

from consentkit.anonymise.classes import PrivacyClass
from consentkit.anonymise.naming import class_of
from consentkit.anonymise.response import truth
from consentkit.exceptions import UnprotectedError
from consentkit.policy.model import EventSpec, Protection, ProtectionName
from consentkit.policy.vocabulary import load_vocabulary


__all__ = [
    "CORE_RATE",
    "DOMAINS",
    "GPU_RATE",
    "Domain",
    "Strength",
    "domain_of",
    "strength_of",
]

#: Guesses of an MD5 a second: compiled code on one core.
CORE_RATE: Final = 147e6

#: Guesses of an MD5 a second: one graphics card of 2022.
GPU_RATE: Final = 164.1e9

_LONG_SECONDS = 1000 * 365.25 * 86_400


@frozen(kw_only=True)
class Domain:
    """
    The values that an identifier can have.

    Attributes:
        size: How many there are, or ``None`` where nobody can say.

        values: What is counted.

        source: Where the number is from.
    """

    size: float | None
    values: str
    source: str

    def __str__(self) -> str:
        if self.size is None:
            return f"of nobody knows how many values: {self.values}"
        many = f"{self.size:,.0f}" if self.size < 1e15 else f"{self.size:.1e}"
        return f"of {many.replace('e+', 'e')} values: {self.values}"


_IMEI = Domain(
    size=24_391e6,
    values="a million serial numbers of each of 24,391 listed type codes",
    source="Osmocom TAC list; 3GPP TS 23.003, 6.2",
)
_MAC = Domain(
    size=6.8e11,
    values="the addresses of all registered makers",
    source="IEEE MA-L, MA-M and MA-S listings, 2026-10",
)
_PHONE = Domain(
    size=4e9,
    values="mobile numbers of mainland China; of any country, 1e15 at most",
    source="numbering plan; ITU-T E.164",
)
_IDENTITY = Domain(
    size=1.3e11,
    values="3,500 areas, 100 years of days, 1,000 serial numbers",
    source="GB 11643-1999",
)
_IP = Domain(size=2.0**32, values="all addresses of IPv4", source="RFC 791")
_RANDOM_64 = Domain(
    size=2.0**64, values="64 random bits", source="Android, Settings.Secure"
)
_UUID = Domain(size=2.0**122, values="122 random bits", source="RFC 9562, 5.4")
_LISTED = Domain(
    size=None,
    values="what lists, leaks and guesses hold",
    source="the vocabulary calls its digest reversible",
)
_OWN = Domain(
    size=None,
    values="whatever its issuer gave out",
    source="nobody publishes how it is made",
)

#: The value spaces of data types, by id; others are not known.
DOMAINS: Final[Mapping[str, Domain]] = MappingProxyType(
    {
        "imei": _IMEI,
        "imei_md5": _IMEI,
        "imsi": Domain(
            size=1e10,
            values="subscribers of one operator",
            source="3GPP TS 23.003, 2.2",
        ),
        "iccid": Domain(
            size=1e12,
            values="cards of one issuer, without the check digit",
            source="ITU-T E.118",
        ),
        "mac_address": _MAC,
        "mac_md5": _MAC,
        "bluetooth_mac": _MAC,
        "smart_device_mac": _MAC,
        "bssid": _MAC,
        "phone_number": _PHONE,
        "sim_phone_number": _PHONE,
        "telephone_number": _PHONE,
        "fax_number": _PHONE,
        "id_card_number": _IDENTITY,
        "ip_address": _IP,
        "lan_ip_address": _IP,
        "android_id": _RANDOM_64,
        "oaid": _UUID,
        "gaid": _UUID,
        "idfa": _UUID,
        "idfv": _UUID,
        "advertising_id": _UUID,
        "guid": _UUID,
        "system_id": _UUID,
    }
)


def domain_of(data_type: str) -> Domain:
    """
    Tell what values a data type can have.

    Args:
        data_type: Id of the vocabulary.
    """
    if data_type in DOMAINS:
        return DOMAINS[data_type]
    term = load_vocabulary().data_types.get(data_type)
    return _LISTED if term is not None and term.hash_reversible else _OWN


def _is_of_a_value(
    _: object, __: object, privacy_class: PrivacyClass | None
) -> None:
    if privacy_class is PrivacyClass.ANONYMOUS:
        msg = "no protection of one value makes it anonymous"
        raise UnprotectedError(msg)


@frozen(kw_only=True)
class Strength:
    """
    What undoing a protection takes, and whom its result joins.

    Attributes:
        privacy_class: What a value may be called; ``None`` where no value
            comes out. It is never ``anonymous``.

        domain: The values that there are to try, for a digest.

        undone_by: Who can undo it, in words.

        core_seconds: What trying all takes on one core; 0 where there is
            nothing to undo, infinite where nobody can, and ``None`` where
            nobody can say.

        gpu_seconds: The same on one graphics card.

        joins: Whose records the result can join, in words.
    """

    privacy_class: PrivacyClass | None = field(validator=_is_of_a_value)
    domain: Domain | None
    undone_by: str
    core_seconds: float | None
    gpu_seconds: float | None
    joins: str

    @property
    def cost(self) -> str:
        """
        What trying all takes, in words.
        """
        if self.core_seconds is None or self.gpu_seconds is None:
            return "not known"
        if math.isinf(self.core_seconds):
            return "not by trying"
        if not self.core_seconds:
            return "nothing to try"
        return (
            f"{_in_words(self.core_seconds)} on one core, "
            f"{_in_words(self.gpu_seconds)} on one GPU"
        )

    def __str__(self) -> str:
        if self.privacy_class is None:
            return "no value comes out"
        said = [self.privacy_class.value.replace("_", "-")]
        if self.domain is not None:
            said.append(str(self.domain))
        said.append(f"undone by {self.undone_by}")
        if self.core_seconds is None:
            said.append("what trying all of them takes is not known")
        elif 0 < self.core_seconds < math.inf:
            said.append(
                f"trying all of them takes {self.cost}, in compiled code"
            )
        return "; ".join((*said, f"joins {self.joins}"))


def strength_of(
    data_type: str, protection: Protection, *, events: Iterable[EventSpec] = ()
) -> Strength:
    """
    Tell what undoing *protection* of a data type takes.

    Args:
        data_type: Id of the vocabulary.

        protection: What is done, with its parameters.

        events: The app's own that are of this type: what answers at random
            give away depends on how many fields share epsilon.
    """
    name = protection.name
    domain: Domain | None = None
    core = gpu = math.inf
    joins = "what is told beside it"
    match name:
        case ProtectionName.DROP:
            return Strength(
                privacy_class=None,
                domain=None,
                undone_by="nobody",
                core_seconds=math.inf,
                gpu_seconds=math.inf,
                joins="nothing",
            )
        case ProtectionName.NONE | ProtectionName.LOCAL_ONLY:
            undone, core, gpu = "whoever has it", 0.0, 0.0
            joins = _JOINS.get(_kind(data_type), joins)
            if name is ProtectionName.LOCAL_ONLY:
                undone, joins = "the app that reads it", "nothing: it stays"
        case ProtectionName.MD5:
            domain = domain_of(data_type)
            undone = "whoever lists them"
            joins = "everybody's records, for ever"
            return Strength(
                privacy_class=class_of(data_type, name),
                domain=domain,
                undone_by=undone,
                core_seconds=_over(domain.size, CORE_RATE),
                gpu_seconds=_over(domain.size, GPU_RATE),
                joins=joins,
            )
        case ProtectionName.KEYED:
            domain = domain_of(data_type)
            undone = "who has the grant's secret, until it is destroyed"
            joins = _by_pseudonym(protection)
        case ProtectionName.GRID:
            undone, joins = _place(protection)
        case ProtectionName.KRR:
            undone = _odds(protection, tuple(events))
            joins = "nothing by itself"
        case ProtectionName.TAKE:
            undone, core, gpu = "whoever has it: the part stands", 0.0, 0.0
        case _:
            undone = _COARSE[name]
    return Strength(
        privacy_class=class_of(data_type, name),
        domain=domain,
        undone_by=undone,
        core_seconds=core,
        gpu_seconds=gpu,
        joins=joins,
    )


def _kind(data_type: str) -> str:
    term = load_vocabulary().data_types.get(data_type)
    return "direct" if term is None else term.identifiability


_JOINS: Final[Mapping[str, str]] = {
    "direct": "everybody's records, for ever",
    "device": "everybody's records, as long as the device has it",
}

_COARSE: Final[Mapping[ProtectionName, str]] = {
    ProtectionName.PRESENT: "nobody",
    ProtectionName.BUCKET: "who knows more beside it",
    ProtectionName.TRUNCATE: "the provider, who knows its customers",
    ProtectionName.GENERALISE: "who knows more beside it",
    ProtectionName.SCRUB: "who reads what the rules do not know",
}


def _place(protection: Protection) -> tuple[str, str]:
    area = protection.cell_km**2
    undone = f"who knows more of about {area:g} km2"
    if protection.noise_km:
        undone += (
            f", moved by {protection.noise_km:g} km in the mean, or who has "
            "the secret of the person's places"
        )
    return undone, "a track, with its other places and their times"


def _odds(protection: Protection, events: tuple[EventSpec, ...]) -> str:
    odds = [
        f"{likely:.2f} ({name}, one of {count})"
        for event in events
        for name, count, likely in _fields(event, protection.epsilon)
    ]
    if not odds or protection.values:
        count = len(protection.values) or 2
        of = f"one of {count} values" if protection.values else "a yes or no"
        odds.insert(0, f"{truth(protection.epsilon, count):.2f} ({of})")
    return (
        "who has the grant's secret; for others an answer is true with a "
        f"probability of {', '.join(odds)}"
    )


def _fields(
    event: EventSpec, epsilon: float
) -> Iterator[tuple[str, int, float]]:
    """
    Give each field with how many values it has, and how likely it is true.
    """
    share = epsilon / max(len(event.fields), 1)
    for name, of in event.fields.items():
        count = 2 if of.kind == "bool" else len(of.values)
        if count > 1:
            yield f"{event.name}.{name}", count, truth(share, count)


def _by_pseudonym(protection: Protection) -> str:
    """
    Say what joins records that have a pseudonym: it, and what goes with it.
    """
    joins = "one recipient's records of a grant"
    if protection.epoch is not None:
        joins += (
            ", by the consent that they name; by the pseudonym alone those "
            f"within {protection.epoch.words}"
        )
    step = protection.time_step
    cut = "to the millisecond" if step is None else f"to {step.words}"
    return f"{joins}; two recipients' by their times, which are told {cut}"


def _over(size: float | None, rate: float) -> float | None:
    return None if size is None else size / rate


def _in_words(seconds: float) -> str:
    """
    Say a time with two digits.
    """
    if seconds >= _LONG_SECONDS:
        return "more than 1,000 years"
    for name, length in _LENGTHS.items():
        if seconds >= length:
            count = seconds / length
            return f"{count:.{int(count < 10)}f} {name}"
    return "less than 1 ms"


_LENGTHS: Final[Mapping[str, float]] = {
    "years": 365.25 * 86_400,
    "days": 86_400,
    "h": 3600,
    "min": 60,
    "s": 1,
    "ms": 0.001,
}
