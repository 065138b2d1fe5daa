# SPDX-License-Identifier: MIT
"""
Log lines with made-up personal values, each value labelled.

``python -m tests.vectors.scrub.lines > lines.jsonl`` writes them as the
benchmarks read them. README.md says what is what.
"""

from __future__ import annotations

import itertools
import json
import random
import re
import sys

from collections.abc import Iterator, Mapping
from random import Random
from typing import Any, Final

from tests.vectors.scrub import values as v


__all__ = ["KINDS", "LABELS", "PLAIN", "labelled_lines"]

#: What stands around a line: no value of a person is in it.
FRAMES: Final = (
    "⟦⟧",
    "⟦⟧",
    "2026-03-14T09:26:53.589Z INFO  [http-nio-8080-exec-3] OrderService - ⟦⟧",
    "Mar 14 09:26:53 web01 app[⟦pid⟧]: ⟦⟧",
    "03-14 09:26:53.589  1702  ⟦pid⟧ D NetService: ⟦⟧",
    "I0314 09:26:53.589310   ⟦pid⟧ main.go:88] ⟦⟧",
    "2026-03-14 09:26:53,589 - app.web - WARNING - ⟦⟧ (took ⟦small⟧ ms)",
    "[2026/03/14 09:26:53] 业务日志 ⟦⟧",
    "[2026-03-14 09:26:53] production.ERROR: ⟦⟧",
    "ts=⟦millis⟧ level=info trace=⟦hex32⟧ ⟦⟧",
    "20260314-9:26:53:589|Step_LSC|⟦count⟧|⟦⟧",
    "⟦⟧ 耗时⟦small⟧毫秒",
    "⟦⟧ status=200 len=⟦small⟧",
)

#: By label and slot: what makes the value that is put into the slot.
KINDS: Final[Mapping[str, Mapping[str, v.Maker]]] = {
    "MOBILE_CN": {"mobile": v.mobile, "mobile_bare": v.mobile_bare},
    "PHONE_INTL": {
        "phone_intl": v.phone_intl,
        "phone_e164": v.phone_e164,
        "phone_trunk": v.phone_trunk,
        "phone_00": v.phone_00,
    },
    "PHONE": {
        "phone_us": v.phone_us,
        "phone_us_bare": v.phone_us_bare,
        "phone_us_blanks": v.phone_us_blanks,
        "phone_uk": v.phone_uk,
        "phone_cn": v.phone_cn,
        "phone_eu": v.phone_eu,
    },
    "RESIDENT_ID_CN": {
        "resident_id": v.resident_id,
        "resident_id_old": v.resident_id_old,
    },
    "BANK_CARD": {"card": v.card, "card_diners": v.card_diners},
    "IBAN": {"iban": v.iban},
    "PLATE_CN": {"plate": v.plate, "plate_border": v.plate_border},
    "IMEI": {"imei": v.imei, "imei_parted": v.imei_parted},
    "MAC": {"mac": v.mac, "mac_dotted": v.mac_dotted, "mac_bare": v.mac_bare},
    "IPV4": {"ipv4": v.ipv4},
    "IPV6": {"ipv6": v.ipv6, "ipv6_local": v.ipv6_local},
    "HOST_IP": {
        "ip_dashes": v.ip_dashes,
        "ip_dots": v.ipv4,
        "ip_padded": v.ip_padded,
    },
    "EMAIL": {
        "email": v.email,
        "email_apostrophe": v.email_apostrophe,
        "email_encoded": v.email_encoded,
    },
    "JWT": {"jwt": v.jwt},
    "API_KEY": {
        **v.API_KEYS,
        "private_key": v.private_key,
        "slack_hook": v.slack_hook,
    },
    "SECRET_VALUE": {
        "password": v.password,
        "password_plain": v.password_plain,
        "token": v.token,
        "basic": v.basic,
        "session": v.session,
        "passcode": v.passcode,
    },
    "URL_CREDENTIALS": {"url_password": v.password_plain},
    "USERNAME_PATH": {"user": v.word_name},
    "GEO_POINT": {
        "geo": v.geo,
        "latitude": v.latitude,
        "longitude": v.longitude,
        "geo_east_first": v.geo_east_first,
        "geo_iso6709": v.geo_iso6709,
        "geo_degrees": v.geo_degrees,
        "geo_nmea": v.geo_nmea,
    },
    "DEVICE_ID": {
        "android_id": v.android_id,
        "idfa": v.idfa,
        "oaid": v.oaid,
        "udid": v.udid,
        "serial": v.serial,
        "iccid": v.iccid,
        "imsi": v.imsi,
    },
    "US_SSN": {"ssn": v.ssn, "ssn_loose": v.ssn_loose, "itin": v.itin},
    "DRIVER_LICENSE": {
        "license_us": v.license_us,
        "license_uk": v.license_uk,
    },
    "NATIONAL_ID": {
        "nino": v.nino,
        "nhs": v.nhs,
        "nhs_bare": v.nhs_bare,
        "dni": v.dni,
        "nie": v.nie,
        "codice_fiscale": v.codice_fiscale,
        "nir": v.nir,
        "hetu": v.hetu,
        "personnummer": v.personnummer,
        "rijksregister": v.rijksregister,
        "rijksregister_bare": v.rijksregister_bare,
        "steuer_id": v.steuer_id,
        "steuer_id_bare": v.steuer_id_bare,
        "pps": v.pps,
        "bsn": v.bsn,
        "pesel": v.pesel,
        "nif_pt": v.nif_pt,
        "cpr": v.cpr,
        "oib": v.oib,
        "svnr": v.svnr,
        "cnp": v.cnp,
        "isikukood": v.isikukood,
    },
}


def _twin(make: v.Maker) -> v.Maker:
    """
    Make values whose last sign, the check, is a wrong one.
    """

    def wrong(rng: Random) -> str:
        value = make(rng).replace(" ", "").replace("-", "").upper()
        rest, check = value[:-1], value[-1]
        signs = "0123456789" if check.isdigit() else "ABCDEFGHJKLM"
        right = {check, v.with_luhn(rest)[-1] if rest.isdigit() else check}
        return rest + rng.choice([it for it in signs if it not in right])

    return wrong


def _twin_iban(rng: Random) -> str:
    code = v.iban(rng).replace(" ", "")
    return f"{code[:2]}{(int(code[2:4]) + 10) % 97:02}{code[4:]}"


def _nodigit(make: v.Maker, first: str) -> v.Maker:
    """
    Make values that do not begin with any of *first*.
    """

    def other(rng: Random) -> str:
        while (value := make(rng))[0] in first:
            pass
        return value

    return other


#: Slots whose values are nobody's.
PLAIN: Final[Mapping[str, v.Maker]] = {
    "pid": v.shaped("2[#3]", "1[#4]"),
    "small": v.shaped("[#2]", "4[#2]"),
    "count": v.shaped("3[#7]"),
    "millis": v.shaped("17734[#8]"),
    "micros": v.shaped("17734[#11]"),
    "hex32": v.shaped("[~32]"),
    "hex7": v.shaped("a[~6]"),
    "sha1": v.shaped("[~40]"),
    "sha256": v.shaped("[~64]"),
    "uuid": v.uuid,
    "port": v.shaped("5[#4]"),
    "order": v.shaped("20260314[#10]"),
    "snowflake": v.shaped("17[#17]"),
    "four": v.shaped("[#1].[#1].[#2].[#1]", "10.0.190[#2].[#4]"),
    "float": v.shaped("0.[#4]", "-2.[#6]", "9.[#6]"),
    "card_twin": _twin(v.card),
    "imei_twin": _twin(v.imei),
    "resident_twin": _twin(v.resident_id),
    "iban_twin": _twin_iban,
    "dni_twin": _twin(v.dni),
    "fiscale_twin": _twin(v.codice_fiscale),
    "nhs_twin": _twin(v.nhs),
    "personnummer_twin": _twin(v.personnummer),
    "hetu_twin": _twin(v.hetu),
    "steuer_twin": _nodigit(_twin(v.steuer_id), "1"),
    "oui": v.shaped("[~2]:[~2]:[~2]"),
    "fingerprint": v.shaped(":".join(["[~2]"] * 16)),
    "no_mobile": v.shaped("10[#9]", "11[#9]", "12[#9]"),
}

#: The label of each slot.
LABELS: Final[Mapping[str, str]] = {
    slot: label for label, slots in KINDS.items() for slot in slots
}

#: Lines in which each slot of a label is found; None: nobody's values.
TEMPLATES: Final[Mapping[str | None, str]] = {
    "MOBILE_CN": """
        login ok phone=⟦mobile⟧ from app
        sms code sent to ⟦mobile⟧
        {"mobile":"⟦mobile⟧","channel":"sms"}
        POST /v1/login?mobile=⟦mobile_bare⟧&remember=1 HTTP/1.1
        call from ⟦mobile⟧ was rejected
        user ⟦mobile_bare⟧ not found
        msisdn=86⟦mobile_bare⟧ delivered
        [⟦mobile_bare⟧] bind success
        tel:⟦mobile_bare⟧
        caller (+86)⟦mobile_bare⟧ hung up
        uid_⟦mobile_bare⟧_profile.json
        用户⟦mobile⟧登录成功
        手机号：⟦mobile⟧，验证码已发送
        手机号码为⟦mobile⟧的用户已注册
        联系电话:⟦mobile⟧
        收件人 王先生 ⟦mobile⟧ 北京市朝阳区
        请致电⟦mobile_bare⟧。
        phone=%2B86⟦mobile_bare⟧&code=⟦small⟧
        body="{\\"mobile\\":\\"⟦mobile_bare⟧\\"}"
        {"phone":"⟦mobile_bare⟧","password":"⟦password⟧","ip":"⟦ipv4⟧"}
        短信发送失败，目标号码⟦mobile_bare⟧，错误码⟦small⟧
    """,
    "PHONE_INTL": """
        dial ⟦phone_intl⟧
        callback caller ⟦phone_intl⟧ accepted
        sms to ⟦phone_intl⟧ failed with code ⟦small⟧
        "phoneNumber": "⟦phone_intl⟧",
        INVITE sip:⟦phone_e164⟧ SIP/2.0
        tel:⟦phone_e164⟧
        office number ⟦phone_trunk⟧
        dial ⟦phone_00⟧
        telefon=⟦phone_00⟧
        WhatsApp message queued for ⟦phone_intl⟧.
        user (⟦phone_intl⟧) opted out
        Rückruf an ⟦phone_intl⟧ geplant
        appel vers ⟦phone_intl⟧ terminé
        国际号码⟦phone_intl⟧呼叫成功
        电话：⟦phone_intl⟧
    """,
    "PHONE": """
        phone=⟦phone_us⟧
        phone: ⟦phone_us_bare⟧
        {"phone_number":"⟦phone_us⟧","type":"home"}
        "customerPhone": "⟦phone_us_bare⟧"
        call me at ⟦phone_us⟧ after six
        Tel. ⟦phone_us⟧
        caller id ⟦phone_us⟧ blocked
        fax: ⟦phone_us⟧
        contact ⟦phone_us⟧ for the refund
        phone: ⟦phone_us_blanks⟧
        call ⟦phone_us_blanks⟧ now
        Tel. ⟦phone_us_blanks⟧
        caller id ⟦phone_us_blanks⟧ blocked
        tel: ⟦phone_uk⟧
        mobile=⟦phone_uk⟧ verified
        please ring ⟦phone_uk⟧ to rebook
        phone number is ⟦phone_uk⟧
        telephone=⟦phone_uk⟧
        Telefon: ⟦phone_eu⟧
        tel=⟦phone_eu⟧
        phone="⟦phone_eu⟧"
        电话：⟦phone_cn⟧
        联系电话 ⟦phone_cn⟧
        客户座机:⟦phone_cn⟧
        phone=⟦phone_cn⟧
        传真：⟦phone_cn⟧
    """,
    "RESIDENT_ID_CN": """
        realname verify idcard=⟦resident_id⟧
        {"idNo":"⟦resident_id⟧","name":"**"}
        id_card: ⟦resident_id⟧ ok
        GET /kyc/⟦resident_id⟧/result HTTP/1.1
        certNo=⟦resident_id⟧&certType=01
        applicant ⟦resident_id⟧ passed
        身份证号：⟦resident_id⟧
        身份证号码⟦resident_id⟧校验通过
        实名认证失败，证件号码：⟦resident_id⟧，原因：姓名不符
        用户(⟦resident_id⟧)已实名
        身份证号：⟦resident_id_old⟧
        旧身份证⟦resident_id_old⟧已升位
    """,
    "BANK_CARD": """
        pay cardNo=⟦card⟧ amount=12.5
        charge failed for card ⟦card⟧: insufficient funds
        {"pan":"⟦card⟧","exp":"12/29"}
        PAN ⟦card⟧ tokenised
        card_number: ⟦card⟧
        refund to ⟦card⟧ queued
        number=⟦card⟧&cvc=***
        银行卡号：⟦card⟧
        绑定银行卡⟦card⟧成功
        卡号 ⟦card⟧ 余额不足
        Kreditkarte ⟦card⟧ abgelehnt
        carte ⟦card⟧ refusée
        card ⟦card_diners⟧ expired
    """,
    "IBAN": """
        transfer to ⟦iban⟧ accepted
        iban=⟦iban⟧ bic=DEUTDEFF
        "iban": "⟦iban⟧"
        SEPA debit from ⟦iban⟧ returned
        Zahlung von ⟦iban⟧ eingegangen
        virement vers ⟦iban⟧ effectué
        bonifico su ⟦iban⟧ eseguito
        payout account ⟦iban⟧.
    """,
    "PLATE_CN": """
        parking entry plate=⟦plate⟧
        gate open for ⟦plate⟧ lane 2
        {"plateNo":"⟦plate⟧","color":"blue"}
        车牌号：⟦plate⟧
        车辆⟦plate⟧已入场
        识别结果 ⟦plate⟧ 置信度98
        口岸车辆⟦plate_border⟧放行
        车主您好，您的爱车⟦plate⟧有一条违章记录
    """,
    "IMEI": """
        bind device imei=⟦imei⟧
        getDeviceId() returned ⟦imei⟧
        imei:⟦imei⟧ imei2:⟦imei⟧
        {"imei":"⟦imei⟧","model":"M2012K11AC"}
        IMEI ⟦imei_parted⟧ on the label
        imei: ⟦imei_parted⟧
        device ⟦imei⟧ attached to cell ⟦count⟧
        modem: +CGSN: ⟦imei⟧
        设备IMEI：⟦imei⟧
        串号⟦imei⟧已激活
        终端 ⟦imei⟧ 上线
    """,
    "MAC": """
        wifi connected bssid=⟦mac⟧ ssid=Office
        hostapd: wlan0: STA ⟦mac⟧ IEEE 802.11: authenticated
        DHCPACK to ⟦mac⟧ via eth0
        link/ether ⟦mac⟧ brd ff:ff:ff:ff:ff:ff
        ? at ⟦mac⟧ [ether] on br0
        bluetooth peer ⟦mac⟧ bonded
        {"mac":"⟦mac⟧","vendor":"Intel"}
        Physical Address. . . . . . . . . : ⟦mac⟧
        %SW_MATM-4-MACFLAP_NOTIF: Host ⟦mac_dotted⟧ in vlan 20 is flapping
        arp ⟦mac_dotted⟧ ARPA Vlan10
        mac=⟦mac_bare⟧
        mac_address: "⟦mac_bare⟧"
        MAC地址：⟦mac⟧
        路由器⟦mac⟧离线
        mac地址为⟦mac_bare⟧
    """,
    "IPV4": """
        Failed password for root from ⟦ipv4⟧ port ⟦port⟧ ssh2
        ⟦ipv4⟧ - - [14/Mar/2026:09:26:53 +0000] "GET / HTTP/1.1" 200 612
        client=⟦ipv4⟧:⟦port⟧
        connect to http://⟦ipv4⟧:8080/health failed
        X-Forwarded-For: ⟦ipv4⟧, ⟦ipv4⟧
        UFW BLOCK IN=eth0 SRC=⟦ipv4⟧ DST=⟦ipv4⟧ LEN=40 TTL=241 PROTO=TCP
        peer ::ffff:⟦ipv4⟧ closed
        route add ⟦ipv4⟧/32 dev tun0
        java.net.ConnectException: /⟦ipv4⟧:6379 refused
        {"remote_addr":"⟦ipv4⟧"}
        tcp://⟦ipv4⟧:5432?timeout=3
        登录IP：⟦ipv4⟧
        来自⟦ipv4⟧的请求被拒绝
        客户端地址⟦ipv4⟧，端口⟦port⟧
        Anmeldung von ⟦ipv4⟧ abgelehnt
    """,
    "IPV6": """
        peer ⟦ipv6⟧ handshake done
        connect to [⟦ipv6⟧]:443 failed
        ⟦ipv6⟧ - - [14/Mar/2026:09:26:53 +0000] "GET / HTTP/2" 200 612
        inet6 ⟦ipv6⟧/64 scope global dynamic
        inet6 ⟦ipv6_local⟧/64 scope link
        neighbour ⟦ipv6_local⟧%eth0 is stale
        {"client_ip":"⟦ipv6⟧"}
        Accepted publickey for root from ⟦ipv6⟧ port ⟦port⟧ ssh2
        GET http://[⟦ipv6⟧]/index.html
        登录IP：⟦ipv6⟧
        来自⟦ipv6⟧的连接已关闭
    """,
    "HOST_IP": """
        rhost=adsl-⟦ip_dashes⟧.dsl.ksc2mo.swbell.net
        connect from ec2-⟦ip_dashes⟧.compute-1.amazonaws.com
        ip-⟦ip_dashes⟧.ec2.internal joined the cluster
        host c-⟦ip_dashes⟧.hsd1.il.comcast.net
        pool-⟦ip_dashes⟧.phlapa.fios.verizon.net:443
        cpe-⟦ip_dashes⟧.nyc.res.rr.com timed out
        rhost=⟦ip_dashes⟧.hinet-ip.hinet.net
        static.⟦ip_dashes⟧.clients.your-server.de
        dsl-⟦ip_padded⟧.arcor-ip.net
        host-⟦ip_dots⟧.example-isp.net
        rhost=⟦ip_dots⟧.nw.nuvox.net
        Mar 14 host kernel: calvisitor-⟦ip_dashes⟧ up
        ppp-⟦ip_dashes⟧.revip5.asianet.co.th
        ptr ⟦ip_dots⟧.in-addr.arpa
        反向解析为 ⟦ip_dashes⟧.adsl.example.cn
    """,
    "EMAIL": """
        mail queued to ⟦email⟧
        to=<⟦email⟧>, relay=mx.example.com[, delay=0.4
        user email=⟦email⟧ locked
        {"email":"⟦email⟧","verified":false}
        mailto:⟦email⟧?subject=hi
        invite sent from ⟦email⟧ to ⟦email⟧.
        "Ann Lee" <⟦email⟧> bounced
        No user with login '⟦email⟧'
        GET /unsubscribe?e=⟦email⟧ HTTP/1.1
        GET /join?email=⟦email_encoded⟧&ref=mail HTTP/1.1
        user ⟦email⟧ (⟦mobile⟧) signed in from ⟦ipv4⟧ on ⟦imei⟧
        {"level":"warn","msg":"{\\"to\\":\\"⟦email⟧\\"}"}
        邮箱：⟦email⟧
        已向⟦email⟧发送邮件
        用户邮箱⟦email⟧，未验证
        Benutzer ⟦email⟧ gesperrt
        mail queued to ⟦email_apostrophe⟧
    """,
    "JWT": """
        Authorization: Bearer ⟦jwt⟧
        token=⟦jwt⟧
        {"id_token":"⟦jwt⟧"}
        verify failed: ⟦jwt⟧ expired
        GET /cb?access_token=⟦jwt⟧&state=⟦hex7⟧
        令牌⟦jwt⟧无效
        jwt ⟦jwt⟧
    """,
    "API_KEY": """
        using key ⟦key⟧ from environment
        401 for ⟦key⟧
        credentials: ⟦key⟧
        push rejected: ⟦key⟧ found in config.py:12
        {"value":"⟦key⟧"}
        export KEY=⟦key⟧
        密钥⟦key⟧已加载
        loaded ⟦private_key⟧
        POST https://hooks.slack.com/services/⟦slack_hook⟧ 200
    """,
    "SECRET_VALUE": """
        POST /v1/login password=⟦password_plain⟧&remember=1
        {"user":"x","password":"⟦password⟧"}
        passwd: ⟦password⟧
        pwd=⟦password_plain⟧;Encrypt=yes
        DB_PASSWORD=⟦password⟧
        export PGPASSWORD='⟦password⟧'
        mysqld --password=⟦password_plain⟧ --port=3306
        client_secret=⟦token⟧
        refresh access_token=⟦token⟧
        "refreshToken": "⟦token⟧",
        api_key=⟦token⟧ accepted
        X-Api-Key: ⟦token⟧
        Authorization: Basic ⟦basic⟧
        Proxy-Authorization: Basic ⟦basic⟧
        Authorization: Token ⟦token⟧
        authorization: "Bearer ⟦token⟧"
        Cookie: sid=⟦session⟧; theme=dark
        "cookie": "sessionid=⟦session⟧"
        Set-Cookie: JSESSIONID=⟦session⟧; Path=/; HttpOnly
        secret: ⟦token⟧
        passphrase="⟦password⟧"
        auth_token=>⟦token⟧
        密码：⟦password⟧
        用户密码为⟦password_plain⟧
        口令=⟦password⟧
        密钥：⟦token⟧
        令牌:⟦token⟧
        验证码：⟦passcode⟧，5分钟内有效
    """,
    "URL_CREDENTIALS": """
        GET https://svc_app:⟦url_password⟧@cdn.example/a.js
        postgres://app:⟦url_password⟧@db.internal:5432/shop
        postgresql+psycopg://app:⟦url_password⟧@db/shop?sslmode=require
        mysql://root:⟦url_password⟧@db:3306/
        mongodb+srv://svc:⟦url_password⟧@cluster0.example.net/prod
        redis://:⟦url_password⟧@cache:6379/0
        amqp://guest:⟦url_password⟧@mq:5672/%2f
        ftp://backup:⟦url_password⟧@files.example.org
        fatal: unable to access 'https://ci:⟦url_password⟧@git.example/x.git/'
        数据库连接 postgres://app:⟦url_password⟧@db.internal/shop 失败
        {"dsn":"https://key:⟦url_password⟧@sentry.example/4"}
    """,
    "USERNAME_PATH": """
        open file /home/⟦user⟧/.config/app/settings.json
        File "/Users/⟦user⟧/src/app/main.py", line 12, in <module>
        C:\\Users\\⟦user⟧\\AppData\\Local\\Temp\\a.log
        "path":"C:\\\\Users\\\\⟦user⟧\\\\Desktop\\\\x.docx"
        file:///home/⟦user⟧/report.pdf not found
        cwd=/home/⟦user⟧
        HOME=/Users/⟦user⟧
        /mnt/c/Users/⟦user⟧/project
        at Object.<anonymous> (/Users/⟦user⟧/web/index.js:3:9)
        C:/Users/⟦user⟧/AppData/Roaming/x
        D:\\Documents and Settings\\⟦user⟧\\x.ini
        打开 /home/⟦user⟧/文档/a.txt 失败
        文件 C:\\Users\\⟦user⟧\\桌面\\a.txt 不存在
    """,
    "GEO_POINT": """
        geocode ⟦geo⟧ -> ok
        fix lat,lng=⟦geo⟧ acc=12m
        Location[gps ⟦geo⟧ hAcc=14 et=+1d2h]
        https://maps.example/?q=⟦geo⟧&z=15
        geo:⟦geo⟧;u=35
        position (⟦geo⟧) updated
        {"latitude": ⟦latitude⟧, "longitude": ⟦longitude⟧}
        lat=⟦latitude⟧&lon=⟦longitude⟧
        lat: ⟦latitude⟧ lng: ⟦longitude⟧ speed: 1.2
        "lat":"⟦latitude⟧","lng":"⟦longitude⟧"
        POINT(⟦geo_east_first⟧)
        exif place ⟦geo_iso6709⟧
        taken at ⟦geo_degrees⟧
        $GPGGA,092653.00,⟦geo_nmea⟧,1,08,0.9,15.2,M,8.1,M,,*5C
        当前位置：⟦geo⟧
        纬度：⟦latitude⟧，经度：⟦longitude⟧
        定位成功 纬度⟦latitude⟧ 经度⟦longitude⟧
    """,
    "DEVICE_ID": """
        android_id=⟦android_id⟧
        {"androidId":"⟦android_id⟧"}
        ANDROID_ID: ⟦android_id⟧
        idfa=⟦idfa⟧
        "idfv":"⟦idfa⟧"
        advertising id ⟦idfa⟧ reset
        gaid=⟦oaid⟧
        oaid: ⟦oaid⟧
        device_id=⟦oaid⟧
        "deviceId": "⟦android_id⟧"
        udid=⟦udid⟧
        serial=⟦serial⟧
        serialno: ⟦serial⟧
        iccid=⟦iccid⟧
        sim ⟦iccid⟧ inserted
        imsi=⟦imsi⟧ attach
        IMSI: ⟦imsi⟧
        设备号：⟦android_id⟧
        设备标识 OAID=⟦oaid⟧
        序列号：⟦serial⟧
    """,
    "US_SSN": """
        ssn=⟦ssn⟧
        SSN: ⟦ssn_loose⟧
        {"ssn":"⟦ssn⟧"}
        social security number is ⟦ssn⟧
        applicant ⟦ssn⟧ approved
        taxpayer ⟦itin⟧
        itin=⟦itin⟧
        ssn: ⟦ssn_loose⟧
        "socialSecurityNumber": "⟦ssn_loose⟧"
    """,
    "DRIVER_LICENSE": """
        driver_license=⟦license_us⟧
        driver's license number is ⟦license_us⟧
        {"driverLicense":"⟦license_us⟧","state":"CA"}
        drivers licence: ⟦license_uk⟧
        driving licence number ⟦license_uk⟧
        DL# ⟦license_us⟧
        driving_licence=⟦license_uk⟧
    """,
    "NATIONAL_ID": """
        nino=⟦nino⟧
        National Insurance number ⟦nino⟧
        payroll for ⟦nino⟧ failed
        NHS number ⟦nhs⟧
        nhs_number=⟦nhs_bare⟧
        NHS number ⟦nhs_bare⟧
        dni=⟦dni⟧
        cliente ⟦dni⟧ registrado
        NIE: ⟦nie⟧
        extranjero ⟦nie⟧ verificado
        codice fiscale ⟦codice_fiscale⟧
        utente ⟦codice_fiscale⟧ creato
        numéro de sécurité sociale ⟦nir⟧
        patient ⟦nir⟧ admis
        henkilötunnus ⟦hetu⟧
        asiakas ⟦hetu⟧ lisätty
        personnummer ⟦personnummer⟧
        kund ⟦personnummer⟧ skapad
        rijksregisternummer ⟦rijksregister⟧
        rijksregisternummer: ⟦rijksregister_bare⟧
        numéro national: ⟦rijksregister⟧
        numéro national: ⟦rijksregister_bare⟧
        Steuer-ID ⟦steuer_id⟧
        Steuer-ID: ⟦steuer_id_bare⟧
        steuer_id=⟦steuer_id_bare⟧
        PPS number ⟦pps⟧
        ppsn=⟦pps⟧
        bsn=⟦bsn⟧
        BSN: ⟦bsn⟧
        pesel=⟦pesel⟧
        PESEL: ⟦pesel⟧
        NIF: ⟦nif_pt⟧
        CPR-nummer ⟦cpr⟧
        cpr=⟦cpr⟧
        OIB: ⟦oib⟧
        SVNR ⟦svnr⟧
        Sozialversicherungsnummer: ⟦svnr⟧
        CNP: ⟦cnp⟧
        isikukood ⟦isikukood⟧
        {"national_id":"⟦pesel⟧"}
    """,
    None: """
        order=⟦order⟧ ts=⟦millis⟧ seq=⟦count⟧
        订单号：⟦order⟧，金额：128.50元，数量：⟦small⟧
        progress ⟦millis⟧##7214##549659##8661
        span start=⟦micros⟧ end=⟦micros⟧ ns
        message ⟦snowflake⟧ acked
        batch ⟦no_mobile⟧ closed
        batch ⟦steuer_twin⟧ done
        order_no=⟦card_twin⟧ created
        流水号⟦card_twin⟧已入账
        job ⟦imei_twin⟧ finished
        trace no ⟦resident_twin⟧
        reference ⟦iban_twin⟧ unknown
        article ⟦dni_twin⟧ in stock
        part ⟦fiscale_twin⟧ not found
        batch ⟦nhs_twin⟧ rows
        lot ⟦personnummer_twin⟧ packed
        slot ⟦hetu_twin⟧ free
        version ⟦four⟧ installed
        Mozilla/5.0 (X11; Linux x86_64) Chrome/120.0.6099.109 Safari/537.36
        Microsoft-Windows-Foundation-Package~amd64~~6.1.7601.17514
        snmp oid 1.3.6.1.4.1.311.21.20 = INTEGER: ⟦small⟧
        address 300.12.4.999 is not valid
        took 00:01:02:345 since 12:34:56
        std::vector<int>::push_back at core::fmt::Debug
        cache key a::b::c missed
        znode /leader 0:0:0:0:0:0:0:0:2181 elected
        MD5 ⟦fingerprint⟧ (RSA)
        ssh-rsa SHA256:nThbg6kXUpJWGl7E1IGOCspRomTxdCARLviKw6E5SY8
        oui ⟦oui⟧ belongs to a maker
        commit ⟦sha1⟧ by ci
        image sha256:⟦sha256⟧ pulled
        etag "⟦hex32⟧" matches
        instance: ⟦uuid⟧ spawned
        request_id=⟦uuid⟧ span_id=⟦hex7⟧
        systemd: Started user@1000.service - User Manager for UID 1000.
        getty@tty1.service: Deactivated successfully
        com.shop.Order@1b6d3586 rejected
        npm install lodash@4.17.21 react@18.2.0
        load icon@2x.png and icon@3x.png
        @app.route("/index") and @media print
        root@web01:~# ls
        max_tokens=4096 tokens used=812
        token count=128 limit=4096
        Failed password for invalid user from unknown host
        password changed for user ⟦count⟧
        Invalid password, 2 attempts left
        password authentication failed
        password_reset_sent=true secret_rotation=weekly
        token_type=Bearer expires_in=3600
        pass=31 fail=0 skip=2
        the password must have 12 characters
        密码错误，还可以尝试2次
        密码修改成功
        session timeout=30 cookie policy accepted
        GET /home/index.html HTTP/1.1
        GET /users/42/orders HTTP/1.1
        mkdir /home
        sensor v=(⟦float⟧, ⟦float⟧, ⟦float⟧)
        loss=⟦float⟧ acc=⟦float⟧ epoch=⟦small⟧
        Rect(0, 829 - 1695, 3968) scale=1.25,1.25
        cpu 12.50, 13.75, 9.25
        Alarm{⟦hex7⟧ type 3 when ⟦count⟧}
        Token{⟦hex7⟧ ActivityRecord{⟦hex7⟧}}
        苏A级景区门票⟦small⟧张
        川A4纸打印12份
        date 2026-03-14 to 2026-03-28, week 11-12
        ISBN 978-7-111-54742-6
        pages 100-200, 300-400 and 1000-1200
        exit code 139 (core dumped) at 0x00007f3b2c1d4e5f
        free memory 1048576 of 16777216 kB
        phone model M2012K11AC, build 20260314
        phone calls today: ⟦small⟧, total 1204
        电话会议将于14:30开始，会议室1203
        mobile data used 2048576 bytes
        carding machine 4 stopped
        imei list has ⟦small⟧ entries
        mac os 14.3.1 build 23D60
        nif: no such interface, cpr: command not found
        driver license server started on port ⟦port⟧
        license no longer valid
        serial console ttyS0 at 115200 baud
        device_id=0 vendor_id=0x8086
    """,
}

_SLOT = re.compile(r"⟦(\w*)⟧")


def labelled_lines(
    each: int = 150, plain: int = 1500, seed: int = 1
) -> Iterator[dict[str, Any]]:
    """
    Make lines of each label and lines without any, in turn over templates.

    Args:
        each: How many for each label; more where it has many templates.

        plain: How many without a label.

        seed: Of the random numbers; the same seed gives the same lines.

    Yields:
        Mappings with `text`, `spans` (`start`, `end`, `type`), and
        `template`, to tell what a fault has in common with others.
    """
    rng = random.Random(seed)
    keys = itertools.cycle(v.API_KEYS)
    for label, block in TEMPLATES.items():
        templates = [it.strip() for it in block.strip().splitlines()]
        many = plain if label is None else max(each, 5 * len(templates))
        for number in range(many):
            template = templates[number % len(templates)]
            if "⟦key⟧" in template:
                template = template.replace("⟦key⟧", f"⟦{next(keys)}⟧")
            frame = rng.choice(FRAMES)
            yield {
                **_filled(frame.replace("⟦⟧", template), rng),
                "template": template,
            }


def _filled(template: str, rng: Random) -> dict[str, Any]:
    text, spans, at = "", [], 0
    for slot in _SLOT.finditer(template):
        name = slot[1]
        text += template[at : slot.start()]
        at = slot.end()
        label = LABELS.get(name)
        value = (KINDS[label] if label else PLAIN)[name](rng)
        if label:
            end = len(text) + len(value)
            spans.append({"start": len(text), "end": end, "type": label})
        text += value
    return {"text": text + template[at:], "spans": spans}


def main() -> None:
    """
    Write the lines.
    """
    for row in labelled_lines():
        sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
