# SPDX-License-Identifier: MIT

"""
Write quay.nmea: what a receiver would say around midnight, with faults.
"""

from __future__ import annotations

import functools
import operator

from pathlib import Path


def sentence(body: str) -> str:
    """
    Add what stands around the body of a sentence.
    """
    total = functools.reduce(operator.xor, body.encode(), 0)
    return f"${body}*{total:02X}"


def angle(value: float, digits: int, letters: str) -> str:
    """
    Write degrees as NMEA does.
    """
    degrees = int(abs(value))
    minutes = (abs(value) - degrees) * 60
    return f"{degrees:0{digits}d}{minutes:07.4f},{letters[value < 0]}"


def epoch(
    clock: str,
    day: str,
    place: tuple[float, float],
    *,
    kinds: str,
    talker: str,
) -> list[str]:
    """
    Say one position in the sentences *kinds*.
    """
    where = f"{angle(place[0], 2, 'NS')},{angle(place[1], 3, 'EW')}"
    bodies = {
        "RMC": f"RMC,{clock},A,{where},1.2,84.4,{day},,,A",
        "GGA": f"GGA,{clock},{where},1,08,0.9,12.4,M,46.9,M,,",
        "GLL": f"GLL,{where},{clock},A,A",
    }
    return [sentence(talker + bodies[kind]) for kind in kinds.split()]


def lines() -> list[str]:
    """
    Give the file's lines; what is odd in it is told in the README.
    """
    wrong = sentence("GPGGA,000004.00,3351.4,S,15112.8,E,1,08,,,M,,M,,")
    (tagged,) = epoch(
        "000006.00", "010126", (-33.8574, 151.2138), kinds="RMC", talker="GP"
    )
    return [
        ".9,M,46.9,M,,*47",
        sentence("GPRMC,235955.00,V,,,,,,,311225,,,N"),
        sentence("GPGGA,235955.00,,,,,0,00,99.99,,,,,,"),
        sentence("GPGSV,1,1,02,01,40,083,46,02,17,308,41"),
        *epoch(
            "235956.00",
            "311225",
            (-33.856784, 151.215297),
            kinds="RMC GGA GLL",
            talker="GP",
        ),
        *epoch(
            "235958.00",
            "311225",
            (-33.856801, 151.215011),
            kinds="RMC GGA GLL",
            talker="GN",
        ),
        *epoch(
            "000000.00",
            "010126",
            (-33.85685, 151.2147),
            kinds="GGA RMC GLL",
            talker="GP",
        ),
        *epoch(
            "000002.00",
            "010126",
            (-33.857, 151.2144),
            kinds="RMC GGA GLL",
            talker="GP",
        ),
        wrong.replace(",3351.4,", ",3951.4,"),
        "!AIVDM,1,1,,A,15M67FC000G?ufbE`FepT@3n00Sa,0*5C",
        "",
        f"\\s:rx,c:1767225606*1E\\{tagged}",
    ]


if __name__ == "__main__":
    file = Path(__file__).with_name("quay.nmea")
    file.write_text("\r\n".join(lines()), encoding="ascii", newline="")
