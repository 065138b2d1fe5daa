# SPDX-License-Identifier: MIT

"""
Tests for ``consentkit scrub``.
"""

from __future__ import annotations

import base64
import json
import os
import random
import shlex
import subprocess
import sys
import time

from pathlib import Path

import pytest

from consentkit.anonymise.scrub import LIMIT_CHARACTERS, PACKS
from consentkit.cli import main
from tests.cli.shell import COMMAND, Terminal, environment, run


PHONE = "13812345678"
LINES = f"user phone={PHONE} ok\nmail ann@example.com\n\nnothing here\n"
CLEAN = "user phone=<MOBILE_CN> ok\nmail <EMAIL>\n\nnothing here\n"

RULES = """\
[[rules]]
name = "badge"
type = "BADGE"
pattern = 'badge ([A-Z]{2}[0-9]+)'
group = 1
"""


def scrubbed(data: bytes, *arguments: str) -> subprocess.CompletedProcess:
    """
    Run the command on bytes, and give bytes.
    """
    return subprocess.run(
        [*COMMAND, "scrub", *arguments],
        input=data,
        capture_output=True,
        env=environment(PYTHONUTF8="1"),
        timeout=60,
        check=False,
    )


class TestText:
    """
    Lines in, lines out.
    """

    @pytest.mark.obligation("WP-LOG-1")
    @pytest.mark.parametrize("arguments", [(), ("-",)])
    def test_standard_input(self, arguments: tuple[str, ...]) -> None:
        """
        Without a file, the standard input is read.
        """
        ran = scrubbed(LINES.encode(), *arguments)

        assert ran.stdout.decode() == CLEAN
        assert (ran.returncode, ran.stderr) == (0, b"")

    def test_file(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        A file is read by its name, and is not changed.
        """
        file = tmp_path / "a.log"
        file.write_text(LINES)

        assert main(["scrub", str(file)]) == 0
        assert capsys.readouterr().out == CLEAN
        assert file.read_text() == LINES

    @pytest.mark.parametrize("end", [b"", b"\n", b"\r\n", b"\n\n"])
    def test_ends_of_lines_stay(self, end: bytes) -> None:
        """
        What ends a line is as it was, at the end of the text too.
        """
        ran = scrubbed(b"a\r\nto ann@example.com" + end)

        assert ran.stdout == b"a\r\nto <EMAIL>" + end

    def test_nothing(self) -> None:
        """
        An empty input gives an empty output.
        """
        ran = scrubbed(b"")

        assert (ran.stdout, ran.stderr, ran.returncode) == (b"", b"", 0)

    def test_a_line_comes_out_before_the_next_goes_in(self) -> None:
        """
        Who follows a log sees each line at once.
        """
        with subprocess.Popen(
            [*COMMAND, "scrub"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment(),
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            for _ in range(2):
                process.stdin.write(b"to ann@example.com\n")
                process.stdin.flush()
                assert process.stdout.readline() == b"to <EMAIL>\n"
            process.stdin.close()
            assert process.wait(30) == 0


class TestJson:
    """
    One JSON object a line.
    """

    def test_shape(self) -> None:
        """
        Each line gives text and spans, in characters of what was read.
        """
        ran = scrubbed(
            "用户 a@example.com 手机 13812345678\n\n".encode(), "--json"
        )

        first, second = map(json.loads, ran.stdout.decode().splitlines())
        assert first == {
            "text": "用户 <EMAIL> 手机 <MOBILE_CN>",
            "spans": [
                {"start": 3, "end": 16, "type": "EMAIL"},
                {"start": 20, "end": 31, "type": "MOBILE_CN"},
            ],
        }
        assert second == {"text": "", "spans": []}

    def test_cut_and_dropped_are_told(self) -> None:
        """
        A line that was cut or dropped says so.
        """
        ran = scrubbed(b"a " * LIMIT_CHARACTERS + b"\na\0b\n", "--json")

        first, second = map(json.loads, ran.stdout.splitlines())
        assert first["cut"] is True
        assert second == {
            "text": "<UNSCRUBBED LINE DROPPED>",
            "spans": [],
            "dropped": True,
            "reason": "it holds a NUL",
        }


class TestBadInput:
    """
    What is no clean text.
    """

    @pytest.mark.obligation("WP-LOG-1")
    @pytest.mark.parametrize(
        "encoding",
        [
            *("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"),
            *("utf-32", "utf-32-le", "utf-32-be"),
        ],
    )
    @pytest.mark.parametrize(
        ("text", "clean"),
        [
            (f"phone={PHONE}\n", "phone=<MOBILE_CN>\n"),
            (f"phone={PHONE}", "phone=<MOBILE_CN>"),
            (
                f"用户登录手机{PHONE}一切正常\n",
                "用户登录手机<MOBILE_CN>一切正常\n",
            ),
            ("密码：hunter2abc 用户登录\n", "密码：<SECRET_VALUE> 用户登录\n"),
            ("手机１３８１２３４５６７８ 完\n", "手机<MOBILE_CN> 完\n"),
            ("вошёл\nвошёл ann@a.example\n", "вошёл\nвошёл <EMAIL>\n"),
            (f"😀 {PHONE} 😀\n", "😀 <MOBILE_CN> 😀\n"),
        ],
        ids=["line", "no end", "zh", "secret", "wide", "ru", "emoji"],
    )
    def test_encodings_are_known(
        self,
        encoding: str,
        text: str,
        clean: str,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """
        No encoding of Unicode is a way past the rules, marked or not.
        """
        file = tmp_path / "a.log"
        file.write_bytes(text.encode(encoding))

        assert main(["scrub", str(file)]) == 0
        assert capsys.readouterr() == (clean, "")

    def test_named_encoding(self) -> None:
        """
        Another encoding is named.
        """
        ran = scrubbed("手机 13812345678".encode("gbk"), "--encoding", "gbk")

        assert ran.stdout.decode() == "手机 <MOBILE_CN>"

    @pytest.mark.parametrize("order", ["le", "be"])
    @pytest.mark.parametrize("width", ["utf-16", "UTF_32"])
    def test_named_without_a_mark(self, width: str, order: str) -> None:
        """
        Where no mark tells the order of bytes, the text does; it is never
        read the wrong way round.
        """
        data = f"to {PHONE}\n".encode(f"{width}-{order}")

        ran = scrubbed(data, "--encoding", width)

        assert ran.stdout == b"to <MOBILE_CN>\n"

    @pytest.mark.parametrize(
        ("data", "arguments", "cure"),
        [
            ("密码是开门大吉用户".encode("gbk"), (), "--encoding gbk"),
            (bytes(range(128, 256)), (), "--encoding gbk"),
            (
                "口令\u2010".encode("utf-16-be"),
                ("--encoding", "utf-16"),
                "--encoding utf-16-be",
            ),
        ],
    )
    def test_what_nobody_can_tell_is_refused(
        self, data: bytes, arguments: tuple[str, ...], cure: str
    ) -> None:
        """
        Text in no known encoding is not passed on: one line of error says
        what to name.
        """
        ran = scrubbed(data, *arguments)

        assert (ran.stdout, ran.returncode) == (b"", 2)
        assert ran.stderr.startswith(b"consentkit: standard input: ")
        assert cure in ran.stderr.decode()
        assert ran.stderr.count(b"\n") == 1

    @pytest.mark.parametrize(
        "data",
        [
            b"A=1\0B=2\0phone=13800138000\0C=3\n",
            b"id=7\x0013800138000\x009\n",
            b"\0" * 64 + b"phone 13800138000\n",
            b"x" + b"\0" * 4 + b"y" + b"\0" * 4 + b"13800138000\n",
        ],
    )
    def test_zeros_between_fields(self, data: bytes) -> None:
        """
        A text with zeros between its fields is not taken for UTF-16, in
        which it would be other letters; the line is dropped.
        """
        ran = scrubbed(data)

        assert ran.stdout == b"<UNSCRUBBED LINE DROPPED>\n"
        assert ran.returncode == 1

    def test_broken_bytes(self) -> None:
        """
        Bytes that are no text are shown as such; the rest is scrubbed.
        """
        ran = scrubbed(b"\xff\xfe\xfd a@example.com \x80\xc3\n")

        assert b"example" not in ran.stdout
        ran = scrubbed(b"x \xfd a@example.com \x80\xc3\n")
        assert ran.stdout.decode() == "x � <EMAIL> ��\n"
        assert ran.returncode == 0

    def test_binary(self) -> None:
        """
        A line with a NUL is dropped and counted: what stands between its
        zeros would not be found.
        """
        data = "\0".join(PHONE).encode()
        ran = scrubbed(
            b"plain text to tell it by\n" * 9 + b"a" + data + b"\nz"
        )

        assert ran.stdout.splitlines()[-2:] == [
            b"<UNSCRUBBED LINE DROPPED>",
            b"z",
        ]
        assert ran.stderr == (
            b"consentkit: 1 line could not be scrubbed and was dropped "
            b"(1 line: it holds a NUL)\n"
        )
        assert ran.returncode == 1

    @pytest.mark.obligation("WP-LOG-1")
    @pytest.mark.parametrize("filler", ["x ", "y", "1", "1 ", "a@"])
    def test_long_lines(self, filler: str) -> None:
        """
        Of a line of 1 MB nothing past the limit comes out, whatever stands
        there, and the next line is read as its own.
        """
        long = filler * (1_000_000 // len(filler))
        ran = scrubbed(f"{long} {PHONE}{PHONE}\nnext {PHONE}\n".encode())

        first, second = ran.stdout.decode().splitlines()
        assert len(first) <= LIMIT_CHARACTERS + len(" <CUT>")
        assert first.endswith("<CUT>")
        assert "138" not in first
        assert second == "next <MOBILE_CN>"

    @pytest.mark.parametrize("extra", [-1, 0, 1, 2, 3])
    @pytest.mark.parametrize("end", ["\n", "\r\n", ""])
    def test_lines_about_as_long_as_the_limit(
        self, extra: int, end: str
    ) -> None:
        """
        Up to the limit a line is whole; over it, it is cut, and nothing is
        lost of what follows.
        """
        size = LIMIT_CHARACTERS + extra
        text = ("ab " * size)[: size - 1] + "c"
        out = scrubbed(f"{text}{end}{'z' * bool(end)}".encode()).stdout

        head, _, rest = out.decode().partition(end or "\n")
        assert (head == text) == (extra <= 0)
        assert head.endswith("<CUT>") == (extra > 0)
        assert rest == "z" * bool(end)

    def test_memory_is_bounded(self) -> None:
        """
        A line of 200 MB takes no 200 MB.
        """
        program = (
            "import sys\n"
            "from pathlib import Path\n"
            "from consentkit.cli import main\n"
            "code = main(['scrub'])\n"
            # Not ru_maxrss: that begins with what the parent had.
            "said = Path('/proc/self/status').read_text()\n"
            "peak = said.partition('VmHWM:')[2].split()[0]\n"
            "print(int(peak) // 1024, file=sys.stderr)\n"
            "raise SystemExit(code)\n"
        )
        with subprocess.Popen(
            [sys.executable, "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(),
        ) as process:
            assert process.stdin is not None
            for _ in range(200):
                process.stdin.write(b"x " * 500_000)
            out, err = process.communicate(timeout=120)

        assert out.endswith(b" <CUT>")
        assert int(err) < 150

    @pytest.mark.obligation("WP-LOG-1")
    def test_a_mark_without_a_key(self) -> None:
        """
        A line that only speaks of a private key hides no line after it.
        """
        mark = "parser: expected -----BEGIN RSA PRIVATE KEY----- here"
        log = f"{mark}\nuser logged in ok\nphone=13812345678 used\n"

        ran = scrubbed(log.encode())

        assert ran.stdout == log.replace("13812345678", "<MOBILE_CN>").encode()

    def test_a_key_over_several_lines(self) -> None:
        """
        All lines of a private key go, though none but the first has a form.
        """
        key = "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n\nabcd\n"
        end = "-----END RSA PRIVATE KEY-----"
        ran = scrubbed(f"a\n{key}{end}\nb\n{key}".encode())

        secret = "<SECRET_VALUE>\n"
        one = f"{secret}{secret}\n{secret}"
        assert ran.stdout.decode() == f"a\n{one}{secret}b\n{one}"

    @pytest.mark.obligation("WP-LOG-1")
    @pytest.mark.parametrize(
        "form",
        [
            "{}",
            "2026-11-22 12:00:01,123 INFO app.tls: {}",
            '{{"level":"info","msg":"{}"}}',
            "    '{}\\n' +",
            "key_pem = '{}'",
        ],
        ids=["plain", "prefix", "json", "quoted", "name"],
    )
    @pytest.mark.parametrize("size", [33, 47, 48, 49, 58, 97, 300])
    def test_a_key_behind_what_the_log_writes(
        self,
        form: str,
        size: int,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """
        All lines of a key go, also the short last one without a form of its
        own, whatever the log writes before and after each; lines of the log
        between them stay, and so does what follows.
        """
        body = base64.b64encode(random.Random(size).randbytes(size)).decode()
        body = body.rstrip("=")
        lines = [body[at : at + 64] for at in range(0, len(body), 64)]
        marks = "-----{} EC PRIVATE KEY-----"
        log = [marks.format("BEGIN"), *lines, marks.format("END")]
        written = [form.format(line) for line in log]
        written[2:2] = ["GET /index ok"]
        file = tmp_path / "a.log"
        file.write_text("\n".join([*written, "user in", ""]))

        assert main(["scrub", str(file)]) == 0

        text = capsys.readouterr().out
        assert not any(line in text for line in lines)
        assert "GET /index ok\n" in text
        assert text.endswith("\nuser in\n")

    def test_paths_after_a_mark_without_a_key(self) -> None:
        """
        Long paths and names are no lines of a key.
        """
        mark = "parser: expected -----BEGIN RSA PRIVATE KEY----- here"
        log = (
            f"{mark}\nload /usr/local/share/python/site/packages\n"
            "call getTheLongestNameThatAnybodyEverGave ok\n"
        )

        assert scrubbed(log.encode()).stdout == log.encode()

    def test_a_key_that_never_ends(self) -> None:
        """
        After so many lines as no key has, a log is read as one again.
        """
        mark = b"-----BEGIN RSA PRIVATE KEY-----\n"

        out = scrubbed(mark + b"abcd\n" * 600).stdout

        assert out.count(b"abcd\n") == 100


class TestOptions:
    """
    Packs, rules, engines.
    """

    def test_packs(self) -> None:
        """
        Only the packs that are named are used; several may be.
        """
        text = f"{PHONE} ann@example.com password=hunter2".encode()

        one = scrubbed(text, "--pack", "china").stdout.decode()
        two = scrubbed(text, "--pack", "china", "--pack", "secrets")
        assert one == "<MOBILE_CN> ann@example.com password=hunter2"
        assert two.stdout.decode() == (
            "<MOBILE_CN> ann@example.com password=<SECRET_VALUE>"
        )

    def test_unknown_pack(self, capsys: pytest.CaptureFixture[str]) -> None:
        """
        A pack that is none is answered with those that there are.
        """
        with pytest.raises(SystemExit) as caught:
            main(["scrub", "--pack", "usa"])

        assert caught.value.code == 2
        assert all(name in capsys.readouterr().err for name in ["china"])

    def test_help_names_the_packs(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        The help says what each pack finds, and the exit codes.
        """
        with pytest.raises(SystemExit) as caught:
            main(["scrub", "--help"])

        said = " ".join(capsys.readouterr().out.split())
        assert caught.value.code == 0
        assert all(pack.about in said for pack in PACKS.values())
        assert "exit codes" in said

    @pytest.mark.need_extra("re2")
    def test_rules(self, tmp_path: Path) -> None:
        """
        Rules of one's own are used beside the packs.
        """
        file = tmp_path / "rules.toml"
        file.write_text(RULES)
        ran = scrubbed(b"badge AB12 a@example.com", "--rules", str(file))

        assert ran.stdout == b"badge <BADGE> <EMAIL>"

    @pytest.mark.need_extra("re2")
    def test_rules_of_several_files(self, tmp_path: Path) -> None:
        """
        Rules of all files hold.
        """
        one, two = tmp_path / "a.toml", tmp_path / "b.toml"
        one.write_text(RULES)
        two.write_text(RULES.replace("badge", "room").replace("BADGE", "ROOM"))

        ran = scrubbed(
            b"badge AB12 room CD34", "--rules", str(one), "--rules", str(two)
        )

        assert ran.stdout == b"badge <BADGE> room <ROOM>"

    @pytest.mark.need_extra("re2")
    def test_rules_of_one_name_in_two_files(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        Two rules of one name are one line of error that names both files.
        """
        one, two = tmp_path / "a.toml", tmp_path / "b.toml"
        one.write_text(RULES)
        two.write_text(RULES.replace("BADGE", "ROOM"))

        assert main(["scrub", "--rules", str(one), "--rules", str(two)]) == 2
        assert capsys.readouterr().err == (
            f"consentkit: {two}: $.rules[0].name (rule 'badge'): {one} has a "
            "rule of this name; give it another\n"
        )

    @pytest.mark.need_extra("re2")
    def test_faults_of_all_files_at_once(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        Each fault of each file is told, with file, table and key.
        """
        one, two = tmp_path / "a.toml", tmp_path / "b.toml"
        one.write_text(RULES.replace("BADGE", "badge").replace("+)", ")("))
        two.write_text(RULES.replace("group = 1", "group = 2"))

        assert main(["scrub", "--rules", str(one), "--rules", str(two)]) == 2
        err = capsys.readouterr().err
        assert f"{one}: $.rules[0].type (rule 'badge'): must be " in err
        assert "; $.rules[0].pattern (rule 'badge'): RE2 does not " in err
        assert f"; {two}: $.rules[0].group (rule 'badge'): pattern has" in err
        assert err.count("\n") == 1

    @pytest.mark.need_extra("re2")
    def test_a_rule_that_raises_is_named(
        self,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """
        What is dropped is counted by rule, and nothing of it is shown.
        """

        def fail(text: str) -> int:
            raise LookupError(text)

        monkeypatch.setattr(
            "consentkit.anonymise.rulefile.VALIDATORS", {"luhn": fail}
        )
        rules, log = tmp_path / "a.toml", tmp_path / "a.log"
        rules.write_text(f'{RULES}validator = "luhn"\n')
        log.write_text("badge AB12\nok\nbadge CD34\n")

        assert main(["scrub", "--rules", str(rules), str(log)]) == 1

        said = capsys.readouterr()
        dropped = "<UNSCRUBBED LINE DROPPED>"
        assert said.out.splitlines() == [dropped, "ok", dropped]
        assert said.err.splitlines()[-1] == (
            "consentkit: 2 lines could not be scrubbed and were dropped "
            "(2 lines: rule 'badge' raised LookupError)"
        )
        assert "AB12" not in said.err

    @pytest.mark.need_extra("re2")
    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("[[rules]]", "$.rules[0].name: missing"),
            (RULES.replace("+)", "+"), "'badge'"),
            ("\ufeff=", "no TOML"),
        ],
    )
    def test_wrong_rules(
        self,
        text: str,
        said: str,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """
        A wrong file is one line that names file, place and fault.
        """
        file = tmp_path / "rules.toml"
        file.write_text(text)

        assert main(["scrub", "--rules", str(file)]) == 2
        err = capsys.readouterr().err
        assert err.startswith(f"consentkit: {file}: ")
        assert said in err
        assert err.count("\n") == 1

    @pytest.mark.need_extra("re2")
    def test_engines_agree(self) -> None:
        """
        Either engine gives the same output.
        """
        outs = {
            scrubbed(LINES.encode(), "--engine", name).stdout
            for name in ("re", "re2", "auto")
        }

        assert outs == {CLEAN.encode()}

    def test_engine_that_is_missing(self) -> None:
        """
        Where RE2 is asked for and missing, the extra is named.
        """
        code = (
            "import importlib.util as u\n"
            "find = u.find_spec\n"
            "u.find_spec = lambda n: None if n == 're2' else find(n)\n"
            "from consentkit.cli import main\n"
            "raise SystemExit(main(['scrub', '--engine', 're2']))"
        )
        ran = run(command=(COMMAND[0], "-c", code))

        assert ran.returncode == 2
        assert "pip install 'consentkit[re2]'" in ran.stderr

    @pytest.mark.parametrize(
        "arguments",
        [
            ["/no/such/file"],
            ["/"],
            ["--encoding", "klingon"],
            ["--rules", "/"],
        ],
    )
    def test_bad_usage(
        self, arguments: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        What cannot be read or is unknown is one line of error.
        """
        assert main(["scrub", *arguments]) == 2
        err = capsys.readouterr().err
        assert err.startswith("consentkit: ")
        assert err.count("\n") == 1
        assert arguments[-1] in err


class TestStreams:
    """
    Pipes that close, terminals that look.
    """

    def test_pipe_that_closes(self) -> None:
        """
        A reader that has seen enough leads to no message.
        """
        reader, writer = os.pipe()
        os.close(reader)
        ran = subprocess.run(
            [*COMMAND, "scrub"],
            input=LINES.encode() * 5000,
            stdout=writer,
            stderr=subprocess.PIPE,
            env=environment(),
            timeout=60,
            check=False,
        )
        os.close(writer)

        assert ran.stderr == b""
        assert ran.returncode == 141

    @pytest.mark.parametrize("source", ["-", "big.log"])
    def test_a_reader_that_has_seen_enough(
        self, source: str, tmp_path: Path
    ) -> None:
        """
        It ends as other tools do, from a file and in the middle of a pipe.
        """
        (tmp_path / "big.log").write_bytes(LINES.encode() * 20_000)
        command = " ".join([*map(shlex.quote, COMMAND), "scrub", source])

        ran = subprocess.run(
            ["bash", "-c", f"{command} <big.log | head -1; echo $PIPESTATUS"],
            cwd=tmp_path,
            capture_output=True,
            env=environment(),
            timeout=60,
            check=False,
        )

        assert ran.stdout.decode() == f"{CLEAN.splitlines()[0]}\n141\n"
        assert ran.stderr == b""

    @pytest.mark.parametrize("arguments", ["", "--json"])
    def test_output_that_is_closed(self, arguments: str) -> None:
        """
        Without a standard output nothing was scrubbed, and that is said.
        """
        command = " ".join([*map(shlex.quote, COMMAND), "scrub", arguments])
        ran = subprocess.run(
            ["sh", "-c", f"{command} >&-"],
            input=LINES.encode(),
            capture_output=True,
            env=environment(),
            timeout=60,
            check=False,
        )

        assert ran.returncode == 2
        assert ran.stderr.decode() == (
            "consentkit: the standard output is closed; send it to a file or "
            "a pipe\n"
        )

    def test_progress(self, tmp_path: Path) -> None:
        """
        On a terminal that shows nothing else, long input tells how far it
        is, and takes that away at the end.
        """
        file = tmp_path / "long.log"
        with file.open("w") as stream:
            stream.writelines(LINES * 100_000)
        with (
            (tmp_path / "out").open("w") as out,
            Terminal("scrub", file, stdout=out.fileno()) as terminal,
        ):
            assert terminal.end() == 0

        assert " %, " in terminal.screen
        assert " found" in terminal.screen
        assert PHONE not in terminal.screen
        assert terminal.screen.endswith("\x1b[K")

    def test_no_progress_where_nobody_looks(self, tmp_path: Path) -> None:
        """
        Without a terminal there is none.
        """
        ran = scrubbed(LINES.encode() * 2000)

        assert ran.stderr == b""

    def test_interrupt(self) -> None:
        """
        ^C ends it with 130 and no traceback.
        """
        with subprocess.Popen(
            [*COMMAND, "scrub"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(),
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(b"a\n")
            process.stdin.flush()
            assert process.stdout.readline() == b"a\n"
            time.sleep(0.05)
            process.send_signal(2)
            _, err = process.communicate(timeout=30)

        assert (process.returncode, err) == (130, b"")
