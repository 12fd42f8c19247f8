# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo: a lab of one host, the service beside it, and a guest that was made over REST."""
