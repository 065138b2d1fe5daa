# SPDX-License-Identifier: MIT
"""
The words of published lists, in Chinese and English.

Names of data types, purposes, permissions and modes are the vocabulary's;
these are the headings and sentences around them. What is done to a value is
named by what it gives: no value of one person is called anonymous, and of a
digest without a key it is said that guessing undoes it.

Source: PIPL Articles 4, 21, 23, 28 and 73 for the Chinese terms.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final, Literal

from attrs import frozen

from consentkit.anonymise.classes import PrivacyClass
from consentkit.policy.model import Category, Protection, ProtectionName
from consentkit.policy.period import Period
from consentkit.policy.vocabulary import load_vocabulary


__all__ = ["LANGUAGES", "Words", "words_in"]

Language = Literal["zh", "en"]

_UNITS: Final = ("years", "months", "days", "hours", "minutes", "seconds")


@frozen(kw_only=True, repr=False)
class Words:
    """
    All words of one language; none may be missing.

    Attributes:
        language: Its tag of BCP 47.

        joint: What stands between the items of a list.

        clause: What stands between parts of a sentence.

        colon: What stands between a heading and what it is of.

        brackets: What stands before and behind what is added to a text.

        protections: What is done to a value.

        classes: What a value is then.

        units: Of a period; the singular and the plural, each with what
            stands between it and its number.
    """

    language: str
    joint: str
    clause: str
    colon: str
    brackets: tuple[str, str]
    sharing_title: str
    collection_title: str
    sharing_intro: tuple[str, ...]
    collection_intro: tuple[str, ...]
    only_platform: str
    app: str
    version: str
    in_force: str
    controller: str
    contact: str
    address: str
    in_full: str
    digest: str
    overview: str
    number: str
    name: str
    operator: str
    category: str
    mode: str
    country: str
    abroad: str
    purpose: str
    scene: str
    condition: str
    permissions: str
    other_permissions: str
    site: str
    privacy_policy: str
    claims: str
    notes: str
    given: str
    given_nothing: str
    given_count: str
    said: str
    said_source: str
    said_count: str
    data_type: str
    platform: str
    everywhere: str
    need: str
    de_identified: str
    none: str
    not_given: str
    not_a_link: str
    sensitive: str
    separate: str
    local_only: str
    loose: str
    not_handed: str
    recipient: str
    retention: str
    frequency: str
    permission: str
    basis: str
    text: str
    to_nobody: str
    never_read: str
    by_sdk_title: str
    by_sdk: str
    nothing_collected: str
    no_legal_entity: str
    barred: str
    comes_with: str
    unknown_sdk: str
    not_started: str
    needs: Mapping[str, str]
    platforms: Mapping[str, str]
    categories: Mapping[str, str]
    sdk_categories: Mapping[str, str]
    countries: Mapping[str, str]
    protections: Mapping[ProtectionName, str]
    classes: Mapping[PrivacyClass, str]
    units: Mapping[str, tuple[str, str]]

    def __repr__(self) -> str:
        return f"<Words: {self.language}>"

    def listed(self, items: Iterable[str]) -> str:
        """
        Put *items* in a row.
        """
        return self.joint.join(items)

    def bracketed(self, text: str, *more: str) -> str:
        """
        Put *more* in brackets after *text*; what is empty is left out.
        """
        said = self.listed(m for m in more if m)
        before, after = self.brackets
        return f"{text}{before}{said}{after}" if said else text

    def of(
        self,
        kind: Literal[
            "data_types", "purposes", "permissions", "bases", "modes"
        ],
        id_: str,
    ) -> str:
        """
        Name a term of the vocabulary; what is not in it keeps its id.
        """
        term = getattr(load_vocabulary(), kind).get(id_)
        if term is None:
            return id_
        chinese = self.language.startswith("zh")
        name: str = (chinese and term.name_zh) or term.name
        return name

    def where(self, platforms: Iterable[str]) -> str:
        """
        Name platforms; everywhere, where there are none.
        """
        named = [self.platforms[p] for p in platforms]
        return self.listed(named) if named else self.everywhere

    def country_of(self, code: str, *, abroad: bool) -> str:
        """
        Name a country, and say whether the data leaves for it.
        """
        if not code:
            return ""
        name = self.countries.get(code, code)
        return self.bracketed(name, self.abroad if abroad else "")

    def period(self, period: Period) -> str:
        """
        Say a period.
        """
        years, months = divmod(period.months, 12)
        days, rest = divmod(period.seconds, 86_400)
        hours, rest = divmod(rest, 3600)
        minutes, seconds = divmod(rest, 60)
        numbers = (years, months, days, hours, minutes, seconds)
        return " ".join(
            f"{number}{self.units[unit][number != 1]}"
            for number, unit in zip(numbers, _UNITS, strict=True)
            if number
        )

    def form(
        self, protection: Protection, privacy_class: PrivacyClass | None
    ) -> str:
        """
        Say what is done to a value, and what it is then.
        """
        done = self.protections[protection.name]
        if protection.name is ProtectionName.GRID:
            done = done.format(side=f"{protection.cell_km:g}")
        if privacy_class is None:
            return done
        return f"{done}{self.clause}{self.classes[privacy_class]}"


_PLATFORMS: Final = {"android": "Android", "ios": "iOS"}

_EN: Final = Words(
    language="en",
    joint=", ",
    clause="; ",
    colon=": ",
    brackets=(" (", ")"),
    sharing_title="Personal information shared with third parties",
    collection_title="Personal information that is collected",
    sharing_intro=(
        (
            "A data type stands under “given by the app” if, and only if, "
            "the app's policy lets it be given once you have agreed to "
            "everything. Before you agree nothing is given, but for the "
            "cases without consent that the policy lists."
        ),
        (
            "What an SDK says it collects by itself is listed apart. The app "
            "starts an SDK only once you have agreed to it; from then on the "
            "SDK's own code can read what the system lets the app read, and "
            "nothing of what this list says of de-identification holds for "
            "that."
        ),
    ),
    collection_intro=(
        (
            "A data type is listed if, and only if, the app's policy lets it "
            "be collected once you have agreed to everything. Before you "
            "agree nothing is collected, but for the cases without consent "
            "that the policy lists."
        ),
    ),
    only_platform="Only for",
    app="Policy",
    version="Version",
    in_force="In force from",
    controller="Controller",
    contact="Contact",
    address="Address",
    in_full="Policy in full",
    digest="SHA-256 of the policy",
    overview="Third parties at a glance",
    number="No.",
    name="Name",
    operator="Operator",
    category="Kind",
    mode="Way of sharing",
    country="Country or region",
    abroad="abroad",
    purpose="Purpose",
    scene="Scenario",
    condition="Only when",
    permissions="Sensitive permissions",
    other_permissions="Other permissions",
    site="Official site",
    privacy_policy="Privacy policy",
    claims="Claims of the third party, not checked",
    notes="Notes",
    given="Given by the app",
    given_nothing="Nothing: the app's policy lets no data type be given.",
    given_count="Given by the app (types)",
    said="The SDK says that it also collects; the app's policy does not "
    "allow that it is given",
    said_source="As the SDK's published description has it; not a promise of "
    "the app.",
    said_count="Only said by the SDK (types)",
    data_type="Personal information",
    platform="Platform",
    everywhere="all platforms",
    need="Required or optional",
    de_identified="De-identified in transfer",
    none="none",
    not_given="not given",
    not_a_link="not a link",
    sensitive="sensitive personal information",
    separate="decided on by itself",
    local_only="on the device only",
    loose="widest reading of a loose term",
    not_handed="not handed to the SDK itself",
    recipient="Recipient",
    retention="Kept for",
    frequency="At most once in",
    permission="Permission",
    basis="Lawful basis",
    text="What you are told",
    to_nobody="nobody",
    never_read="Declared, and never read",
    by_sdk_title="Scenes in which a third-party SDK collects",
    by_sdk="The SDK collects by itself once you have agreed to it; what it "
    "is stands in the list of what is shared with third parties.",
    nothing_collected="Scenes in which nothing is collected",
    no_legal_entity="the full name of the legal entity is not given",
    barred="nothing is given to it",
    comes_with="comes inside or together with, and is not started by the app",
    unknown_sdk="nothing describes this SDK, so the app does not start it",
    not_started="the app does not start this SDK",
    needs={
        "required": "required",
        "optional": "optional",
        "user_authorised": "if the user authorises it",
    },
    platforms={
        **_PLATFORMS,
        "web": "web",
        "iot": "smart device",
        "desktop": "desktop",
    },
    categories={
        Category.CORE.value: "core function",
        Category.ADDITIONAL.value: "additional function",
        Category.THIRD_PARTY.value: "third party's function",
        Category.CROSS_CUTTING.value: "function that serves all others",
    },
    sdk_categories={
        "payment": "payment",
        "social": "social",
        "push": "push messages",
        "device_identification": "device identification",
        "storage": "storage",
        "analytics": "analytics",
        "advertising": "advertising",
        "advertising_aggregator": "advertising aggregator",
        "authentication": "authentication",
        "plugin": "plugin",
        "error_reporting": "error reporting",
        "observability": "observability",
        "feature_flags": "feature flags",
        "messaging": "messaging",
        "ai": "artificial intelligence",
        "data_tools": "data tools",
        "developer_tools": "developer tools",
    },
    countries={
        "CN": "China (mainland)",
        "DE": "Germany",
        "FR": "France",
        "GB": "United Kingdom",
        "HK": "Hong Kong, China",
        "IE": "Ireland",
        "JP": "Japan",
        "KR": "South Korea",
        "SG": "Singapore",
        "US": "United States",
    },
    protections={
        ProtectionName.NONE: "sent as it is",
        ProtectionName.DROP: "never read",
        ProtectionName.LOCAL_ONLY: "stays on the device",
        ProtectionName.PRESENT: "only whether there is one",
        ProtectionName.MD5: "MD5 digest without a key, which guessing undoes",
        ProtectionName.KEYED: "keyed digest",
        ProtectionName.GRID: "square of {side} km",
        ProtectionName.BUCKET: "range instead of the value",
        ProtectionName.TRUNCATE: "cut down to the network",
        ProtectionName.GENERALISE: "main version or broader value",
        ProtectionName.SCRUB: "text with personal details cut out",
        ProtectionName.TAKE: "only the part that you wanted to hand over",
        ProtectionName.KRR: "answer at random",
    },
    classes={
        PrivacyClass.PERSONAL: "not de-identified",
        PrivacyClass.LINKABLE: "identifies nobody alone, and is personal "
        "information beside what does",
        PrivacyClass.PSEUDONYMISED: "pseudonymised, still personal "
        "information",
        PrivacyClass.DE_IDENTIFIED: "de-identified, not anonymised",
        PrivacyClass.ANONYMOUS: "anonymised",
    },
    units={unit: (f" {unit[:-1]}", f" {unit}") for unit in _UNITS},
)

_ZH: Final = Words(
    language="zh-CN",
    joint="、",
    clause="；",
    colon="：",
    brackets=("（", "）"),
    sharing_title="与第三方共享个人信息清单",
    collection_title="个人信息收集清单",
    sharing_intro=(
        (
            "当且仅当隐私政策允许在您同意全部事项后向第三方提供某类个人信息时，"
            "该类信息才列入“本应用提供的个人信息”。在您同意之前不提供，"
            "隐私政策已列明的依法无需取得个人同意的情形除外。"
        ),
        (
            "SDK 自述自行收集的个人信息单独列出。仅在您同意后，本应用才启动相应 SDK；"
            "启动后，SDK 自身的代码能够读取系统允许本应用读取的信息，"
            "本清单所列的去标识化方式对其自行读取的信息不适用。"
        ),
    ),
    collection_intro=(
        (
            "当且仅当隐私政策允许在您同意全部事项后收集某类个人信息时，"
            "该类信息才列入本清单。在您同意之前不收集，"
            "隐私政策已列明的依法无需取得个人同意的情形除外。"
        ),
    ),
    only_platform="仅适用于",
    app="隐私政策",
    version="版本",
    in_force="生效日期",
    controller="个人信息处理者",
    contact="联系方式",
    address="地址",
    in_full="隐私政策全文",
    digest="隐私政策的 SHA-256",
    overview="第三方一览",
    number="序号",
    name="名称",
    operator="运营方",
    category="类别",
    mode="共享方式",
    country="接收方所在国家或地区",
    abroad="出境",
    purpose="使用目的",
    scene="使用场景",
    condition="仅当满足条件",
    permissions="敏感权限",
    other_permissions="其他权限",
    site="官方网站",
    privacy_policy="隐私政策链接",
    claims="第三方的声明（未经核实）",
    notes="说明",
    given="本应用提供的个人信息",
    given_nothing="无：本应用的隐私政策不允许向其提供任何类型的个人信息。",
    given_count="本应用提供（类）",
    said="SDK 自述还收集的个人信息（本应用的隐私政策未允许向其提供）",
    said_source="依据 SDK 公开的说明，并非本应用的承诺。",
    said_count="仅 SDK 自述（类）",
    data_type="个人信息类型",
    platform="平台",
    everywhere="全部平台",
    need="必选或可选",
    de_identified="传输时的去标识化",
    none="无",
    not_given="未提供",
    not_a_link="并非有效链接",
    sensitive="敏感个人信息",
    separate="须单独同意",
    local_only="仅在本机使用",
    loose="原文表述宽泛，按最宽含义列出",
    not_handed="不经由 SDK 提供",
    recipient="接收方",
    retention="保存期限",
    frequency="收集频率上限",
    permission="系统权限",
    basis="合法性基础",
    text="向您告知的内容",
    to_nobody="不提供给任何一方",
    never_read="已列明但从不读取",
    by_sdk_title="由第三方 SDK 收集的场景",
    by_sdk="经您同意后由 SDK 自行收集，内容见《与第三方共享个人信息清单》。",
    nothing_collected="不收集个人信息的场景",
    no_legal_entity="未给出运营方的法人全称",
    barred="不向其提供任何个人信息",
    comes_with="内嵌于以下 SDK 或随其引入，并非由本应用启动",
    unknown_sdk="没有该 SDK 的说明，本应用不予启动",
    not_started="本应用不启动该 SDK",
    needs={
        "required": "必选",
        "optional": "可选",
        "user_authorised": "经用户授权",
    },
    platforms={
        **_PLATFORMS,
        "web": "网页",
        "iot": "智能设备",
        "desktop": "桌面端",
    },
    categories={
        Category.CORE.value: "基本业务功能",
        Category.ADDITIONAL.value: "扩展业务功能",
        Category.THIRD_PARTY.value: "第三方功能",
        Category.CROSS_CUTTING.value: "服务于其他功能",
    },
    sdk_categories={
        "payment": "支付",
        "social": "社交",
        "push": "消息推送",
        "device_identification": "设备识别",
        "storage": "存储",
        "analytics": "统计分析",
        "advertising": "广告",
        "advertising_aggregator": "广告聚合",
        "authentication": "身份验证",
        "plugin": "插件",
        "error_reporting": "错误上报",
        "observability": "运行监测",
        "feature_flags": "功能开关",
        "messaging": "消息发送",
        "ai": "人工智能",
        "data_tools": "数据工具",
        "developer_tools": "开发工具",
    },
    countries={
        "CN": "中国（境内）",
        "DE": "德国",
        "FR": "法国",
        "GB": "英国",
        "HK": "中国香港",
        "IE": "爱尔兰",
        "JP": "日本",
        "KR": "韩国",
        "SG": "新加坡",
        "US": "美国",
    },
    protections={
        ProtectionName.NONE: "原样传输",
        ProtectionName.DROP: "从不读取",
        ProtectionName.LOCAL_ONLY: "仅存于本机",
        ProtectionName.PRESENT: "仅传输有或者无",
        ProtectionName.MD5: "未加密钥的 MD5 摘要，可以被穷举还原",
        ProtectionName.KEYED: "加密钥的摘要（去标识化）",
        ProtectionName.GRID: "边长 {side} 公里的网格",
        ProtectionName.BUCKET: "以区间代替具体数值",
        ProtectionName.TRUNCATE: "仅保留所在网络",
        ProtectionName.GENERALISE: "仅保留主版本或者更宽泛的值",
        ProtectionName.SCRUB: "删去个人信息后的文本",
        ProtectionName.TAKE: "仅取您要提交的部分",
        ProtectionName.KRR: "随机化应答",
    },
    classes={
        PrivacyClass.PERSONAL: "未去标识化",
        PrivacyClass.LINKABLE: "单独不能识别个人，与其他信息结合时属于个人信息",
        PrivacyClass.PSEUDONYMISED: "假名化处理，仍属于个人信息",
        PrivacyClass.DE_IDENTIFIED: "去标识化处理，并非匿名化",
        PrivacyClass.ANONYMOUS: "匿名化",
    },
    units={
        "years": (" 年", " 年"),
        "months": (" 个月", " 个月"),
        "days": (" 天", " 天"),
        "hours": (" 小时", " 小时"),
        "minutes": (" 分钟", " 分钟"),
        "seconds": (" 秒", " 秒"),
    },
)

_ALL: Final[Mapping[str, Words]] = MappingProxyType({"zh": _ZH, "en": _EN})

#: The languages that there are words in.
LANGUAGES: Final = tuple(_ALL)


def words_in(language: str) -> Words:
    """
    Give the words of *language*: ``zh`` or ``en``.

    Raises:
        ValueError: If there are none.
    """
    found = _ALL.get(language)
    if found is None:
        msg = f"no words in {language!r}; one of {', '.join(LANGUAGES)}"
        raise ValueError(msg)
    return found
