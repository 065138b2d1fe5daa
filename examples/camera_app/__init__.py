# SPDX-License-Identifier: MIT
"""
An app for cameras and doorbells that lives by its privacy policy.
"""
