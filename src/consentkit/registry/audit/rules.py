# SPDX-License-Identifier: MIT
"""
What an audit looks for.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from consentkit.policy.lint.model import Rule, Severity


__all__ = ["RULES"]


def _rule(
    id_: str, severity: Severity, title: str, reason: str, *source: str
) -> Rule:
    return Rule(
        id=id_,
        severity=severity,
        title=title,
        reason=reason,
        source=source,
        check=lambda _: (),
    )


#: The rules of an audit, by id, each with its highest severity.
RULES: Final[Mapping[str, Rule]] = MappingProxyType(
    {
        rule.id: rule
        for rule in (
            _rule(
                "sdk-undeclared",
                Severity.ERROR,
                "an SDK that is used, and that no function of the policy "
                "names",
                "People cannot decide on what they are not told of, and "
                "nothing keeps it from sending before they do.",
                "WP-LIST3P-1",
                "PIPL Article 23",
                "GDPR Article 13(1)(e)",
            ),
            _rule(
                "sdk-observed-undeclared",
                Severity.ERROR,
                "an SDK that was seen at work, and that no function names",
                "What runs without a function has no decision behind it.",
                "WP-SDK-1",
                "WP-LIST3P-1",
                "PIPL Article 23",
            ),
            _rule(
                "sdk-observed-before-consent",
                Severity.ERROR,
                "an SDK that reached out while it had no permit",
                "It did, or tried, what the person had not agreed to.",
                "WP-SDK-1",
                "WP-TP-1",
                "GDPR Article 6(1)",
            ),
            _rule(
                "sdk-observed-undeclared-host",
                Severity.WARNING,
                "an SDK that reached a host which its entry does not name",
                "Whom it sends to is more than what is known and told.",
                "WP-SDK-1",
                "WP-SDK-3",
                "GDPR Article 13(1)(e)",
            ),
            _rule(
                "sdk-observed-unseen",
                Severity.NOTE,
                "an SDK that ran code which nobody sees into",
                "What a program or a library of C sends is neither seen nor "
                "stopped, and a no does not end it.",
                "WP-SDK-1",
                "GDPR Article 7(3)",
            ),
            _rule(
                "sdk-less",
                Severity.WARNING,
                "an SDK that is declared with less than is known of it",
                "The person decides on what is told, and the SDK does more.",
                "WP-SDK-3",
                "T-25",
                "PIPL Articles 14, 23",
            ),
            _rule(
                "sdk-unused",
                Severity.WARNING,
                "an SDK that is declared, and of which nothing was found",
                "People are asked about something that is not there, or it "
                "came in by a way that was not read.",
                "WP-SDK-0",
                "GDPR Article 5(1)(a)",
            ),
        )
    }
)
