# SPDX-License-Identifier: MIT
"""
Which purposes can need which data: a table to hold policies against.

It is coarse on purpose and names only what is far from a purpose: a type or
permission that is not in it is not looked at. Who has a good reason ignores
the rule, and that is seen in the output.

Source: PIPL Article 6 (least data for the purpose), GB/T 41391-2022 and the
Chinese provisions on necessary data of common apps (2021), read generously.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final


__all__ = [
    "BLANKET",
    "IDENTIFYING",
    "OF_TYPES",
    "PERMISSIONS",
    "SECONDARY",
    "family",
]

_FOR_USER: Final = frozenset({"data_processing_for_user", "legal_request"})
_SAFETY: Final = frozenset(
    {
        "security_risk_control",
        "fraud_prevention",
        "device_identification",
        "ad_anti_fraud",
        "account_security",
    }
)
_ADVERTISING: Final = frozenset(
    {
        "advertising_delivery",
        "advertising_targeting",
        "advertising_attribution",
        "advertising_statistics",
        "ad_anti_fraud",
    }
)
_MONEY: Final = frozenset(
    {
        "payment",
        "bank_transfer",
        "order_management",
        "coupon_redemption",
        "logistics",
        "dispute_resolution",
        "cloud_storage",
        "iot_data_plan",
        "identity_authentication",
        "fraud_prevention",
        "security_risk_control",
        "activity_participation",
    }
)
_PLACE: Final = frozenset(
    {
        "wifi_connection",
        "device_binding",
        "location_service",
        "contextual_push",
        "logistics",
        "advertising_targeting",
    }
)
_IDENTITY: Final = frozenset(
    {
        "identity_authentication",
        "student_authentication",
        "infringement_notice",
        "bank_transfer",
        "iot_data_plan",
    }
)
_TALK: Final = frozenset(
    {
        "correspondence",
        "customer_support",
        "mail_and_customers",
        "dispute_resolution",
        "infringement_notice",
        "public_display",
    }
)
_FILES: Final = frozenset(
    {
        "cloud_storage",
        "correspondence",
        "customer_support",
        "data_storage",
        "design_tools",
        "device_upgrade",
        "infringement_notice",
        "local_save",
        "marketing_tools",
        "profile",
        "recording_playback",
        "screenshot_sync",
        "share_content",
    }
)

#: Purposes that can need a type, by type.
OF_TYPES: Final[Mapping[str, frozenset[str]]] = {
    **dict.fromkeys(
        (
            "facial_features",
            "voiceprint",
            "fingerprint_biometric",
            "biometric_info",
            "person_list",
            "person_annotation",
        ),
        frozenset(
            {
                "person_alert",
                "ai_event_description",
                "ai_model_training",
                "identity_authentication",
                "account_login",
                "account_security",
                "payment",
            }
        )
        | _FOR_USER,
    ),
    "health_info": frozenset({"academic_research"}) | _FOR_USER,
    "address_book": frozenset(
        {"correspondence", "mail_and_customers", "device_sharing"}
    )
    | _FOR_USER,
    **dict.fromkeys(
        ("sms_content", "communication_content", "call_history"),
        _TALK | _FOR_USER,
    ),
    **dict.fromkeys(
        (
            "accelerometer",
            "linear_acceleration",
            "gyroscope",
            "magnetometer",
            "rotation_vector",
            "gravity_sensor",
            "sensor_info",
        ),
        frozenset({"screen_rotation"}) | _SAFETY,
    ),
    **dict.fromkeys(
        ("installed_apps", "running_processes"),
        frozenset({"detect_installed_app", "crash_analysis"}) | _SAFETY,
    ),
    **dict.fromkeys(
        ("location_precise", "location_track"), _PLACE | _FOR_USER
    ),
    **dict.fromkeys(
        (
            "bank_account",
            "bank_card_type",
            "bank_branch",
            "payment_account_id",
            "payment_credential",
            "payment_record",
            "property_info",
            "virtual_property",
        ),
        _MONEY | _FOR_USER,
    ),
    **dict.fromkeys(
        (
            "id_card_number",
            "id_document_copy",
            "passport_number",
            "military_id",
            "drivers_license",
            "social_security_card",
        ),
        _IDENTITY | _FOR_USER,
    ),
    "credit_info": _MONEY | _FOR_USER,
}

#: Purposes that can need a permission, by the permission's family.
PERMISSIONS: Final[Mapping[str, frozenset[str]]] = {
    "phone": frozenset({"telephone_alarm", "iot_data_plan", "one_tap_login"}),
    "location": _PLACE,
    "storage": _FILES,
    "camera": frozenset(
        {
            "correspondence",
            "customer_support",
            "device_binding",
            "device_sharing",
            "identity_authentication",
            "live_intercom",
            "profile",
            "qr_scan",
        }
    ),
    "microphone": frozenset({"correspondence", "live_intercom"}),
    "installed_apps_query": frozenset(
        {"detect_installed_app", "share_content", "payment"}
    ),
    "running_tasks": frozenset(),
    "app_tracking": _ADVERTISING,
    "motion_sensors": frozenset({"screen_rotation"}),
    "clipboard": frozenset(
        {"activity_participation", "clipboard_redirect", "share_content"}
    ),
    "self_start": frozenset(
        {"message_centre", "push_notification", "self_start_push"}
    ),
}

_FAMILIES: Final = {
    "location_coarse": "location",
    "location_fine": "location",
    "phone_state": "phone",
    "storage_read": "storage",
    "storage_write": "storage",
}

#: What no product is there for: the operator's ends, not the person's.
SECONDARY: Final = (
    _SAFETY
    | _ADVERTISING
    | frozenset(
        {
            "academic_research",
            "ai_model_training",
            "contextual_push",
            "marketing_messages",
            "personalised_experience",
            "product_improvement",
            "survey_invitation",
            "targeted_push",
            "usage_statistics",
            "user_research",
        }
    )
) - {"account_security"}

#: Purposes that need an identifier of the device.
IDENTIFYING: Final = (
    _SAFETY
    | _ADVERTISING
    | frozenset(
        {
            "device_binding",
            "device_control",
            "device_info_view",
            "iot_data_plan",
            "cloud_storage",
            "push_notification",
            "message_centre",
            "self_start_push",
        }
    )
)

#: Purposes that serve anything, where a function cuts across all others.
BLANKET: Final = _ADVERTISING | frozenset(
    {
        "affiliate_one_stop",
        "ai_model_training",
        "contextual_push",
        "marketing_messages",
        "personalised_experience",
        "product_improvement",
        "targeted_push",
        "user_research",
    }
)


def family(permission: str) -> str:
    """
    Give the permission that *permission* is a part of, or itself.
    """
    return _FAMILIES.get(permission, permission)
