# SPDX-License-Identifier: MIT
"""
Third-party SDKs behind the gate: an app changes the line that sets one up.

One module for each SDK; the extra of the same name installs it. An adapter
has the methods of the SDK's own client. What they are given is decided on
value by value, protected and scrubbed; the real client is made with the
first permit, and is ended by a withdrawal with all that waits in it.
"""

from __future__ import annotations


__all__: list[str] = []
