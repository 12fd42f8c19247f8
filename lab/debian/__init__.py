# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Debian as a guest image, with cloud-init, sshd and the guest agent, for what the tiny image can't show.

`lab.debian.build.debian_image` is the way in. Debian's own packages are installed as on any Debian; kernel, boot
loaders and the search for the root file system are the tiny image's. ``rootfs/`` is laid over the guest's root.
"""
