# SPDX-License-Identifier: MIT
"""
``consentkit consent``: see and make a person's choices.
"""

from __future__ import annotations

import argparse
import sys

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import date
from typing import Any, TextIO

from consentkit.cli._common import (
    add_group,
    add_json,
    add_place,
    count,
    kit_of,
    near,
    print_json,
    print_table,
    terminal_width,
    warn,
)
from consentkit.consent.age import AgeBand
from consentkit.consent.environment import SignalReader
from consentkit.consent.notice import notice
from consentkit.consent.prompt import Answer, ask
from consentkit.consent.results import Withdrawal
from consentkit.consent.signals import Signals
from consentkit.consent.state import OPEN, State, Status
from consentkit.exceptions import RegistryError
from consentkit.kit import Kit
from consentkit.ledger.entries import Act, Entry, text_digest
from consentkit.policy.model import Category, Policy, split_element
from consentkit.policy.vocabulary import load_vocabulary


__all__ = ["add_parser"]

_ELEMENT = (
    "a function, or a separate decision as 'consentkit consent list' shows it"
)

# Years before this are slips of the keyboard.
_OLDEST = 1900

_ACTIONS: Mapping[str, tuple[str, str]] = {
    "list": (
        "show where the person stands",
        (
            "Show everything that can be decided on, and where the person "
            "stands. What permits something is 'granted', 'renewed', "
            "'narrowed' and 'inherited', and 'widened' for what was agreed to."
        ),
    ),
    "ask": (
        "ask in this terminal",
        (
            "Ask in this terminal, one decision at a time, and record the "
            "answers. An empty line, the end of the input and an interrupt are "
            "no answer: nothing changes, and the question stays open. A separate "
            "decision is asked about once its function is granted."
        ),
    ),
    "grant": (
        "record a yes",
        (
            "Record that the person said yes. Use it for an act of the person, "
            "and for nothing else."
        ),
    ),
    "deny": (
        "record a no",
        (
            "Record that the person said no. A no to what was granted is a "
            "withdrawal."
        ),
    ),
    "withdraw": (
        "take a consent back, at once",
        (
            "Take a consent back, at once and in every process of the app: "
            "nothing more is read, what waits is destroyed, and an erasure "
            "request is queued for whoever got something."
        ),
    ),
    "accept": (
        "record that the policy is accepted",
        (
            "Record that the person accepted the policy. It opens the core "
            "functions, whose texts it shows, and nothing else: no additional "
            "function, no third party, no separate decision."
        ),
    ),
    "decline": (
        "record a no to what a new version adds",
        (
            "Record a no to what a new version of the policy adds. What was "
            "agreed to before stays, on the terms of then."
        ),
    ),
    "acknowledge": (
        "record that a text was read first",
        (
            "Record that the person read what the policy says before a "
            "function is used. It shows the text, and grants nothing."
        ),
    ),
    "pause": (
        "stop for a while",
        (
            "Stop a function, or everything, for a while. Nothing is read and "
            "nothing is sent; what waits is kept."
        ),
    ),
    "resume": ("take a pause back", "Take a pause back."),
    "refuse-all": (
        "record a no to everything",
        (
            "Record a no to everything. What was granted is withdrawn, at once "
            "and in every process of the app."
        ),
    ),
    "age": (
        "record what the person said of their age",
        (
            "Record what the person said of their age. The birthday itself is "
            "not kept, only the days on which something changes. Of a child "
            "that the policy bars nothing is kept, and the code is 1."
        ),
    ),
    "history": (
        "show the ledger",
        "Show the entries of the ledger, oldest first.",
    ),
}


#: Are done though nobody sees what is printed. What shows a text first, such
#: as ``grant``, is not: it would be on record as shown.
_UNSEEN = frozenset(
    {"age", "decline", "deny", "pause", "refuse-all", "resume", "withdraw"}
)


def add_parser(commands: Any) -> None:
    """
    Add the command.
    """
    actions = add_group(commands, "consent", "see and make a person's choices")
    listed = _action(actions, "list", _list)
    listed.add_argument(
        "--granted", action="store_true", help="only what is granted"
    )
    asking = _action(actions, "ask", _ask)
    asking.add_argument(
        "elements",
        nargs="*",
        metavar="ELEMENT",
        help=f"{_ELEMENT}; all that are undecided by default",
    )
    for name, run in (
        ("grant", _grant),
        ("deny", _deny),
        ("withdraw", _withdraw),
        ("decline", _decline),
    ):
        action = _action(actions, name, run)
        action.add_argument("element", metavar="ELEMENT", help=_ELEMENT)
    for name, run in (("pause", _pause), ("resume", _resume)):
        action = _action(actions, name, run)
        action.add_argument(
            "element",
            nargs="?",
            default="",
            metavar="ELEMENT",
            help=f"{_ELEMENT}; everything by default",
        )
    read = _action(actions, "acknowledge", _acknowledge)
    read.add_argument("element", metavar="FUNCTION", help="a function's id")
    _action(actions, "accept", _accept)
    _action(actions, "refuse-all", _refuse_all)
    age = _action(actions, "age", _age)
    said = age.add_mutually_exclusive_group(required=True)
    said.add_argument(
        "--born",
        type=_day,
        metavar="DATE",
        help="the birthday, such as 2009-05-31",
    )
    said.add_argument("--adult", action="store_true", help="of age")
    history = _action(actions, "history", _history)
    history.add_argument(
        "element", nargs="?", metavar="ELEMENT", help=f"only of {_ELEMENT}"
    )


def _day(text: str) -> date:
    msg = f"{text!r} is no date such as 2009-05-31"
    with suppress(ValueError):
        day = date.fromisoformat(text)
        if day.year >= _OLDEST:
            return day
        msg = f"{text!r} is nobody's birthday any more; check the year"
    raise argparse.ArgumentTypeError(msg)


def _action(actions: Any, name: str, run: Any) -> argparse.ArgumentParser:
    help_, description = _ACTIONS[name]
    parser: argparse.ArgumentParser = actions.add_parser(
        name, help=help_, description=description
    )
    add_place(parser)
    add_json(parser)
    parser.set_defaults(run=run, acts=name in _UNSEEN)
    return parser


def _check(kit: Kit, *elements: str) -> None:
    """
    Refuse what the policy does not have, before anything is done.
    """
    known = kit.policy.elements
    for element in elements:
        if element not in known:
            cure = near(element, known, where="'consentkit consent list'")
            msg = (
                f"{kit.policy.id}: nothing is named {element!r} in this "
                f"policy; {cure}"
            )
            raise ValueError(msg)


def _list(arguments: argparse.Namespace) -> int:
    with kit_of(arguments) as kit:
        state = kit.consent.state()
        rows = _rows(kit.policy, state, only_granted=arguments.granted)
    if arguments.json:
        print_json({"choices": rows, "problem": state.problem})
    elif arguments.granted and not rows:
        print("Nothing is granted.")
    else:
        head = ("ELEMENT", "CATEGORY", "STATUS", "SINCE (UTC)", "METHOD")
        # On a terminal whole minutes, so that it fits.
        end = 16 if terminal_width() else 19
        print_table(
            head,
            [tuple({**r, "since": r["since"][:end]}.values()) for r in rows],
        )
    if state.problem:
        warn(state.problem)
    return 2 if state.problem else 0


def _rows(
    policy: Policy, state: State, *, only_granted: bool
) -> list[dict[str, str]]:
    return [
        {
            "element": choice.element,
            "category": policy.functions[
                split_element(choice.element)[0]
            ].category.value,
            "status": choice.status.value,
            "since": _when(choice.entry),
            "method": choice.entry.method if choice.entry else "",
        }
        for choice in state.choices.values()
        if choice.status in OPEN or not only_granted
    ]


def _when(entry: Entry | None) -> str:
    return f"{entry.at:%Y-%m-%d %H:%M:%S}" if entry else ""


_ASKED_ELSEWHERE = (
    "another process of this app asks already; answer there, and try again"
)


def _ask(arguments: argparse.Namespace) -> int:
    # With --json, standard output is for the one value.
    screen = sys.stderr if arguments.json else sys.stdout
    seen = SignalReader(streams=(sys.stdin, screen, sys.stderr))
    with kit_of(arguments, signals=seen.read) as kit:
        _check(kit, *arguments.elements)
        if not kit.signals().may_prompt():
            raise ValueError(_nobody_there(kit.signals()))
        state = kit.consent.state()
        if state.problem:
            raise ValueError(state.problem)
        chosen = arguments.elements or _undecided(state)
        with kit.asking() as is_first:
            if not is_first:
                raise ValueError(_ASKED_ELSEWHERE)
            answers = ask(
                kit.consent,
                kit.policy,
                chosen,
                read=lambda prompt: _read(prompt, screen),
                write=lambda text: print(text, file=screen, flush=True),
                sdks=_about_sdks(kit.policy),
            )
        state = kit.consent.state()
        effects = {e: _effect(kit.policy, state, e) for e in answers}
    if arguments.json:
        print_json({e: answer.value for e, answer in answers.items()})
    else:
        _sum_up(answers, effects)
    granted = {c.element for c in state.choices.values() if c.epoch}
    if not arguments.elements:
        _tell_age(state, granted)
    return _not_reached(arguments.elements, answers, granted)


def _effect(policy: Policy, state: State, element: str) -> str:
    """
    Say why a yes to *element* opens nothing yet; empty if it does.
    """
    choice, function = state.choices[element], policy.function_of(element)
    missing = []
    if state.at is not None and state.at < policy.in_force_from:
        missing.append(f"until the policy holds, on {policy.effective}")
    match choice.status:
        case Status.AGE_UNKNOWN:
            missing.append(
                "until the person's age is known ('consentkit consent age')"
            )
        case Status.GUARDIAN_NEEDED:
            missing.append("until a guardian decides")
        case Status.MASKED:
            missing.append(f"while {', '.join(choice.cause)} stops it")
        case Status.PAUSED:
            missing.append("while it is paused ('consentkit consent resume')")
    if element != function.id and not state.choices[function.id].epoch:
        missing.append(f"until {function.id} is granted")
    read = state.acknowledged.get(function.id)
    if function.acknowledge and (
        read is None or read.notice != text_digest(function.acknowledge)
    ):
        missing.append(
            "until the app has the person acknowledge "
            f"{function.acknowledge!r}"
        )
    return f"; of no effect {', and '.join(missing)}" if missing else ""


def _tell_age(state: State, granted: set[str]) -> None:
    """
    Tell which separate decisions wait for the person's age.
    """
    waiting = [
        c.element
        for c in state.choices.values()
        if c.status is Status.AGE_UNKNOWN
        and split_element(c.element)[0] in granted
    ]
    if waiting:
        warn(
            f"not asked, as the person's age is not known: "
            f"{', '.join(waiting)}; 'consentkit consent age' records it"
        )


def _nobody_there(signals: Signals) -> str:
    """
    Say why nobody can be asked, and what to do.
    """
    why = (
        "this machine builds software" if signals.ci else "this is no terminal"
    )
    return (
        f"there is nobody to ask: {why}; "
        "use 'consentkit consent grant' or 'deny'"
    )


def _is_unrecorded(kit: Kit) -> bool:
    """
    Tell, and say why, if what opens something is not recorded here.
    """
    if kit.signals().may_record(kit.policy):
        return False
    named = f"{kit.policy.id}@{kit.policy.version}"
    warn(
        "not recorded: this machine builds software, and nobody reads a "
        f"notice here; set CONSENTKIT_CI={named} to record it all the same"
    )
    return True


def _undecided(state: State) -> list[str]:
    open_ = (
        Status.UNKNOWN,
        Status.OTHER_BASIS,
        Status.ASKED,
        Status.DEFERRED,
        Status.EXPIRED,
        Status.INHERITED,
        Status.INVALIDATED,
        Status.WIDENED,
    )
    return [
        e
        for e, c in state.choices.items()
        # What a new version adds was perhaps declined.
        if c.status in open_
        and (c.status is not Status.WIDENED or c.ask_from is not None)
    ]


def _read(prompt: str, screen: TextIO) -> str:
    # Not `input`, which writes to standard output whatever that is.
    print(f"\n{prompt}", end="", file=screen, flush=True)
    line = sys.stdin.readline()
    if not line:
        raise EOFError
    return line


def _about_sdks(policy: Policy) -> dict[str, str]:
    """
    Say of each SDK of *policy* what the registry has been told.
    """
    from consentkit.registry import load_registry

    known, words, said = load_registry(), load_vocabulary(), {}
    for sdk in (f.sdk for f in policy.functions.values() if f.sdk):
        try:
            found = known[sdk]
        except (KeyError, RegistryError):
            continue
        types = [words.data_types[t].name for t in found.types]
        purposes = [words.purposes[p].name for p in found.purposes]
        said[sdk] = (
            f"said to read {', '.join(types) or 'nothing'}; for "
            f"{', '.join(purposes)}; its own privacy policy: "
            f"{found.privacy_policy or 'none is known'}"
        )
    return said


def _sum_up(answers: Mapping[str, Answer], effects: Mapping[str, str]) -> None:
    if not answers:
        print("Nothing to ask; see 'consentkit consent list'.")
        return
    print()
    for element, answer in answers.items():
        more = {
            Answer.YES: effects[element],
            Answer.LATER: " (no answer; ask again whenever you like)",
        }.get(answer, "")
        print(f"{element}: {answer.value}{more}")


def _not_reached(
    named: Sequence[str],
    answers: Mapping[str, Answer],
    granted: set[str],
) -> int:
    """
    Tell what was named and not asked about, and why.
    """
    code = 0
    for element in named:
        function, data_type = split_element(element)
        if element in answers or not data_type or function in granted:
            continue
        warn(
            f"{element}: not asked, as {function} is not granted; ask about "
            f"{function} first"
        )
        code = 1
    return code


def _grant(arguments: argparse.Namespace) -> int:
    with kit_of(arguments) as kit:
        _check(kit, arguments.element)
        if _is_unrecorded(kit):
            return 1
        # Whoever decides sees what on; with --json, beside the one value.
        text = notice(
            kit.policy, arguments.element, sdks=_about_sdks(kit.policy)
        )
        print(text, file=sys.stderr if arguments.json else sys.stdout)
        kit.consent.show(arguments.element, method="command_line", text=text)
        entry = kit.consent.grant(arguments.element, method="command_line")
        effect = _effect(kit.policy, kit.consent.state(), arguments.element)
    if arguments.json:
        print_json(_plain(entry))
    else:
        print(f"\n{entry.element}: granted, entry {entry.seq}{effect}")
    return 0


def _accept(arguments: argparse.Namespace) -> int:
    with kit_of(arguments) as kit:
        if _is_unrecorded(kit):
            return 1
        screen = sys.stderr if arguments.json else sys.stdout
        for function in kit.policy.functions.values():
            if function.category is not Category.CORE:
                continue
            text = notice(
                kit.policy, function.id, sdks=_about_sdks(kit.policy)
            )
            print(f"{text}\n", file=screen)
            kit.consent.show(function.id, method="command_line", text=text)
        made = kit.consent.accept(method="command_line")
    opened = [e.element for e in made if e.act is Act.GRANTED]
    if arguments.json:
        print_json({"entries": [_plain(entry) for entry in made]})
    else:
        print(f"accepted; granted: {', '.join(opened) or 'nothing more'}")
    return 0


def _decline(arguments: argparse.Namespace) -> int:
    with kit_of(arguments) as kit:
        _check(kit, arguments.element)
        status = kit.consent.state().choices[arguments.element].status
        if status not in (Status.WIDENED, Status.UNREADABLE):
            msg = (
                f"{arguments.element}: the policy asks for nothing more than "
                "before; 'consentkit consent deny' records a no to all of it"
            )
            raise ValueError(msg)
        entry = kit.consent.decline(arguments.element, method="command_line")
    return _done(arguments, entry, "declined; what was agreed to stays")


def _acknowledge(arguments: argparse.Namespace) -> int:
    with kit_of(arguments) as kit:
        _check(kit, arguments.element)
        if _is_unrecorded(kit):
            return 1
        text = kit.policy.function_of(arguments.element).acknowledge
        entry = kit.consent.acknowledge(
            arguments.element, method="command_line"
        )
    if not arguments.json:
        print(text)
    return _done(arguments, entry, "acknowledged")


def _pause(arguments: argparse.Namespace) -> int:
    with kit_of(arguments) as kit:
        _check(kit, *filter(None, [arguments.element]))
        entry = kit.consent.pause(arguments.element, method="command_line")
    return _done(arguments, entry, "paused")


def _resume(arguments: argparse.Namespace) -> int:
    with kit_of(arguments) as kit:
        _check(kit, *filter(None, [arguments.element]))
        if _is_unrecorded(kit):
            return 1
        entry = kit.consent.resume(arguments.element, method="command_line")
    return _done(arguments, entry, "resumed")


def _done(arguments: argparse.Namespace, entry: Entry, word: str) -> int:
    if arguments.json:
        print_json(_plain(entry))
    else:
        print(f"{entry.element or 'everything'}: {word}, entry {entry.seq}")
    return 0


def _refuse_all(arguments: argparse.Namespace) -> int:
    with kit_of(arguments) as kit:
        done = kit.consent.refuse_all(method="command_line")
    arguments.element = "everything"
    return _ended(arguments, done, "denied")


def _age(arguments: argparse.Namespace) -> int:
    with kit_of(arguments) as kit:
        if _is_unrecorded(kit):
            return 1
        band = kit.consent.declare_age(
            born=arguments.born, adult=arguments.adult, method="command_line"
        )
        minors = kit.policy.minors
    barred = band is AgeBand.CHILD and bool(minors and minors.child_barred)
    if arguments.json:
        print_json({"age": band.value, "barred": barred})
    elif minors is None:
        print("recorded; this policy makes no difference between ages")
    elif barred:
        print("too young for this policy: everything is refused")
    else:
        print(f"age: {band.value}")
    return int(barred)


def _deny(arguments: argparse.Namespace) -> int:
    with kit_of(arguments) as kit:
        _check(kit, arguments.element)
        done = kit.consent.deny(arguments.element, method="command_line")
    return _ended(arguments, done, "denied")


def _withdraw(arguments: argparse.Namespace) -> int:
    with kit_of(arguments) as kit:
        _check(kit, arguments.element)
        done = kit.consent.withdraw(arguments.element, method="command_line")
    return _ended(arguments, done, "withdrawn")


def _ended(arguments: argparse.Namespace, done: Withdrawal, word: str) -> int:
    destroyed = done.destroyed
    if arguments.json:
        print_json(
            {
                "entries": [_plain(entry) for entry in done.entries],
                "destroyed": destroyed.records,
                "in_flight": destroyed.in_flight,
                "erasures": destroyed.erasures,
            }
        )
        return 0
    before = "" if done.entries else " before"
    print(
        f"{arguments.element}: {word}{before}; "
        f"{count(destroyed.records, 'waiting record')} destroyed, "
        f"{count(destroyed.erasures, 'erasure request')} queued"
    )
    return 0


def _history(arguments: argparse.Namespace) -> int:
    with kit_of(arguments) as kit:
        entries = kit.consent.history(arguments.element)
        if arguments.element and not entries:
            # An element of an older policy may well have entries.
            _check(kit, arguments.element)
    if arguments.json:
        print_json({"entries": [_plain(entry) for entry in entries]})
        return 0
    if not entries:
        print("No entry yet.")
        return 0
    head = ("SEQ", "AT (UTC)", "ACT", "ELEMENT", "METHOD", "VERSION", "HASH")
    print_table(
        head,
        [
            (
                str(e.seq),
                _when(e),
                e.act.value,
                e.element,
                e.method,
                e.version,
                e.hash[:12],
            )
            for e in entries
        ],
    )
    return 0


def _plain(entry: Entry) -> dict[str, object]:
    return {
        "seq": entry.seq,
        "at": entry.at.isoformat(timespec="milliseconds"),
        "act": entry.act.value,
        "element": entry.element,
        "method": entry.method,
        "policy": entry.policy,
        "version": entry.version,
        "text": entry.text,
        "terms": entry.terms,
        "language": entry.language,
        "prev": entry.prev,
        "hash": entry.hash,
    }
