# SPDX-License-Identifier: MIT

"""
The screen: a real X server, the kernel's folder, and servers that lie.
"""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import tempfile
import threading
import time

from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from consentkit.collectors.screen import ScreenSource
from consentkit.collectors.source import Unavailable
from tests.collectors.trees import grow
from tests.needs import need_tool


TYPES = (
    "screen_resolution",
    "screen_size",
    "screen_density",
    "screen_orientation",
)


def read_all(source, make_permit):
    """
    Read each fact of the screen.
    """
    return {t: source.read(make_permit(t)) for t in TYPES}


@contextmanager
def x_server(*options):
    """
    Run a server that nobody sees, and give the name of its display.
    """
    need_tool("Xvfb")
    reading, writing = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-noreset", "-displayfd", str(writing), *options],
        pass_fds=[writing],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(writing)
    try:
        with os.fdopen(reading) as told:
            number = told.readline().strip()
        assert number, "Xvfb did not start"
        yield f":{number}"
    finally:
        server.terminate()
        server.wait(60)


class TestX11:
    """
    A real X server.
    """

    def test_facts(self, make_permit):
        """
        Dots and size are those that the server was started with, and the
        ones that another client of it is told.
        """
        need_tool("xdpyinfo")
        with x_server("-screen", "0", "1280x720x24", "-dpi", "144") as display:
            source = ScreenSource(environ={"DISPLAY": display})
            facts = read_all(source, make_permit)
            other = subprocess.run(
                ["xdpyinfo", "-display", display],
                capture_output=True,
                text=True,
                check=True,
                timeout=60,
            ).stdout

        assert facts["screen_resolution"] == "1280x720"
        assert facts["screen_orientation"] == "landscape"
        assert facts["screen_density"] == 144
        size = str(facts["screen_size"]).replace("x", " by ")
        width, _, height = size.partition(" by ")
        line = f"1280x720 pixels ({width}x{height} millimeters)"
        assert line in other

    def test_second_screen(self, make_permit):
        """
        A display with several screens is asked for the one that is named.
        """
        screens = ("-screen", "0", "640x480x8", "-screen", "1", "480x800x24")
        with x_server(*screens) as display:
            found = {
                n: ScreenSource(environ={"DISPLAY": f"{display}.{n}"}).read(
                    make_permit("screen_resolution")
                )
                for n in range(3)
            }
            turned = ScreenSource(environ={"DISPLAY": f"{display}.1"}).read(
                make_permit("screen_orientation")
            )

        assert (found[0], found[1], turned) == (
            "640x480",
            "480x800",
            "portrait",
        )
        assert isinstance(found[2], Unavailable)

    def test_key(self, make_permit, tmp_path):
        """
        A server that asks for a key opens to who has it, and to nobody else.
        """
        need_tool("xauth")
        keys = tmp_path / "keys"
        add = ["xauth", "-f", str(keys), "add"]
        # The server looks at the key alone, not at what display it is for.
        subprocess.run(
            [*add, ":99", ".", "ab" * 16],
            check=True,
            capture_output=True,
            timeout=60,
        )
        with x_server("-auth", str(keys)) as display:
            subprocess.run(
                [*add, display, ".", "ab" * 16],
                check=True,
                capture_output=True,
                timeout=60,
            )
            having = ScreenSource(
                environ={"DISPLAY": display, "XAUTHORITY": str(keys)}
            ).read(make_permit("screen_resolution"))
            without = ScreenSource(environ={"DISPLAY": display}).read(
                make_permit("screen_resolution")
            )

        assert isinstance(having, str)
        assert "x" in having
        assert isinstance(without, Unavailable)
        assert "turned us away" in without.reason

    @pytest.mark.parametrize(
        "display", ["localhost:10.0", "192.0.2.7:0", "wide", ":", ":1.2.3"]
    )
    def test_far_away(self, make_permit, display):
        """
        The screen of another machine is not this device's.
        """
        source = ScreenSource(environ={"DISPLAY": display})
        answer = source.read(make_permit("screen_resolution"))

        assert answer == Unavailable(
            "screen_resolution", "the display is another machine's"
        )

    def test_gone(self, make_permit, tmp_path):
        """
        A display that nobody serves is unavailable.
        """
        source = ScreenSource(environ={"DISPLAY": ":0"}, sockets=tmp_path)
        answer = source.read(make_permit("screen_resolution"))

        assert isinstance(answer, Unavailable)
        assert "cannot be reached" in answer.reason


def setup_of(vendor=b"Any", screens=((800, 600, 0, 0),)):
    """
    Write the setup of a server, without depths.
    """
    body = struct.pack(
        "=IIIIHHBB10x", 1, 0, 0, 0, len(vendor), 65_535, len(screens), 0
    )
    body += vendor + bytes(-len(vendor) % 4)
    for sizes in screens:
        body += bytes(20) + struct.pack("=HHHH", *sizes) + bytes(12)
    head = struct.pack("=BxHHH", 1, 11, 0, len(body) // 4)
    return head + body


class TestBadServers:
    """
    Whatever listens there, the app goes on.
    """

    @pytest.fixture
    def served(self):
        """
        Answer the next client with what is given, and then hang or hang up.
        """
        with tempfile.TemporaryDirectory(prefix="x") as name:
            folder = Path(name)
            listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            listening.bind(str(folder / "X7"))
            listening.listen()
            over = threading.Event()

            def serve(answer: bytes, *, hangs: bool) -> None:
                with suppress(OSError):
                    client, _ = listening.accept()
                    with client:
                        client.recv(4096)
                        client.sendall(answer)
                        if hangs:
                            over.wait(60)

            threads = []

            def start(answer, *, hangs=False):
                thread = threading.Thread(
                    target=serve, args=(answer,), kwargs={"hangs": hangs}
                )
                thread.start()
                threads.append(thread)
                return ScreenSource(
                    environ={"DISPLAY": ":7"},
                    sockets=folder,
                    timeout_seconds=0.3 if hangs else 30,
                )

            yield start
            over.set()
            # Wakes an accept() that nobody came to.
            listening.shutdown(socket.SHUT_RDWR)
            listening.close()
            for thread in threads:
                thread.join(60)
                assert not thread.is_alive()

    def test_plain(self, make_permit, served):
        """
        The twin: a sound answer is taken, without a size where none is told.
        """
        source = served(setup_of())
        assert source.read(make_permit("screen_resolution")) == "800x600"

        source = served(setup_of())
        size = source.read(make_permit("screen_size"))
        assert isinstance(size, Unavailable)

    @pytest.mark.parametrize(
        "answer",
        [
            b"",
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
            setup_of()[:20],
            setup_of(screens=()),
            setup_of(screens=((0, 0, 0, 0),)),
            struct.pack("=BxHHH", 1, 11, 0, 0),
            struct.pack("=BxHHH", 1, 11, 0, 8) + b"\xff" * 32,
            struct.pack("=BxHHH", 0, 11, 0, 8) + b"no protocol specified",
            struct.pack("=BxHHH", 2, 11, 0, 8) + bytes(32),
        ],
    )
    def test_nonsense(self, make_permit, served, answer):
        """
        An answer that is none, or is cut off, is unavailable.
        """
        read = served(answer).read(make_permit("screen_resolution"))

        assert isinstance(read, Unavailable)
        assert "source failed" not in read.reason

    @pytest.mark.parametrize("answer", [b"", setup_of()[:30]])
    def test_hanging(self, make_permit, served, answer):
        """
        A server that goes silent costs the deadline and no more.
        """
        source = served(answer, hangs=True)
        begun = time.monotonic()
        read = source.read(make_permit("screen_resolution"))

        assert isinstance(read, Unavailable)
        assert "in time" in read.reason
        assert time.monotonic() - begun < 20

    @pytest.mark.parametrize("seconds", [0, -1, float("nan")])
    def test_no_deadline(self, seconds):
        """
        A source without a deadline is not made.
        """
        with pytest.raises(ValueError, match="timeout_seconds"):
            ScreenSource(timeout_seconds=seconds)


#: An EDID up to its size in centimetres; bytes 12 to 15 are a serial number.
EDID = bytes.fromhex("00ffffffffffff0010acd0a04c573041") + bytes(5)

ONE_SCREEN = {
    "card0/": "",
    "card0-DP-1/status": "disconnected\n",
    "card0-DP-1/modes": "",
    "card0-HDMI-A-1/status": "connected\n",
    "card0-HDMI-A-1/enabled": "disabled\n",
    "card0-HDMI-A-1/modes": "640x480\n",
    "card0-eDP-1/status": "connected\n",
    "card0-eDP-1/enabled": "enabled\n",
    "card0-eDP-1/modes": "1920x1080\n1280x720\n",
    "card0-eDP-1/edid": EDID + bytes([31, 17]) + bytes(105),
    "version": "drm 1.1.0 20060810\n",
}


class TestKernel:
    """
    The folder in which Linux shows its screens.
    """

    def facts(self, make_permit, tmp_path, files, **environ):
        """
        Read each fact with these files in the place of the system's.
        """
        source = ScreenSource(environ=environ, drm=grow(tmp_path, files))
        return read_all(source, make_permit)

    def test_first_that_is_on(self, make_permit, tmp_path):
        """
        The screen that is on counts, with the mode that it prefers.
        """
        assert self.facts(make_permit, tmp_path, ONE_SCREEN) == {
            "screen_resolution": "1920x1080",
            "screen_size": "310x170",
            "screen_density": 157,
            "screen_orientation": "landscape",
        }

    def test_wayland(self, make_permit, tmp_path):
        """
        Under Wayland the kernel is asked, though there is an X server for
        older programs.
        """
        facts = self.facts(
            make_permit,
            tmp_path,
            ONE_SCREEN,
            DISPLAY=":0",
            WAYLAND_DISPLAY="wayland-0",
        )

        assert facts["screen_resolution"] == "1920x1080"

    def test_no_size(self, make_permit, tmp_path):
        """
        A projector has no size; the rest is told.
        """
        files = {**ONE_SCREEN, "card0-eDP-1/edid": EDID + bytes([16, 0])}
        facts = self.facts(make_permit, tmp_path, files)

        assert facts["screen_resolution"] == "1920x1080"
        assert isinstance(facts["screen_size"], Unavailable)
        assert isinstance(facts["screen_density"], Unavailable)

    @pytest.mark.parametrize(
        "files",
        [
            {},
            {"card0-DP-1/status": "disconnected\n"},
            {"card0-DP-1/status": "connected\n"},
            {
                "card0-DP-1/status": "connected\n",
                "card0-DP-1/modes": "wide\n",
            },
        ],
    )
    def test_none(self, make_permit, tmp_path, files):
        """
        Without a screen there is nothing, and nothing is made up.
        """
        facts = self.facts(make_permit, tmp_path, files)

        assert {type(one) for one in facts.values()} == {Unavailable}

    def test_no_folder(self, make_permit, tmp_path):
        """
        A machine without graphics has no screen.
        """
        source = ScreenSource(environ={}, drm=tmp_path / "none")

        assert isinstance(source.read(make_permit("screen_size")), Unavailable)
