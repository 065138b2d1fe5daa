# SPDX-License-Identifier: MIT

"""
Configuration of Sphinx.

Links into other projects' documentation are resolved only if
``CONSENTKIT_DOCS_ONLINE`` is set: the build must pass without a network.
"""

from __future__ import annotations

import os
import sys

from importlib import metadata
from pathlib import Path


sys.path.insert(0, str(Path(__file__).parent / "_ext"))


project = "consentkit"
author = "consentkit contributors"
copyright = "2026, consentkit contributors"
release = metadata.version("consentkit")
version = release.rpartition(".")[0]

extensions = [
    "consentkit_docs",
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
]
exclude_patterns = ["_build", "adr/template.md"]

html_theme = "furo"
html_title = "consentkit"
html_copy_source = False
html_static_path = ["_static"]
html_css_files = ["tables.css"]

myst_enable_extensions = ["colon_fence", "deflist", "fieldlist", "smartquotes"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
# As fields, so that an attribute is not described twice.
napoleon_use_ivar = True
napoleon_custom_sections = [
    ("Source", "notes_style"),
    ("Sources", "notes_style"),
    ("Units", "notes_style"),
    ("Duties", "notes_style"),
    ("What leaks", "notes_style"),
]

nitpicky = True
nitpick_ignore_regex: list[tuple[str, str]] = [
    # Variables of types, and what only stands for a type.
    ("py:class", r"consentkit\..*\.(T|_\w+)"),
    # Tables of a policy document have a page of their own, made from them.
    ("py:class", r"consentkit\.policy\.tables\.\w+"),
]

if os.environ.get("CONSENTKIT_DOCS_ONLINE"):
    extensions.append("sphinx.ext.intersphinx")
    intersphinx_mapping = {
        "attrs": ("https://www.attrs.org/en/stable/", None),
        "httpx": ("https://www.python-httpx.org/", None),
        "python": ("https://docs.python.org/3", None),
    }
else:
    # What lives in other projects' inventories cannot be checked offline.
    nitpick_ignore_regex.append((r"py:.*", r"(?!consentkit\b).*"))
