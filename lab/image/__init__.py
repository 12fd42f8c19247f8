# SPDX-License-Identifier: GPL-3.0-or-later
"""The tiny bootable guest image, built from Debian packages.

`lab.image.build.tiny_image` is the way in. What the guest does stands in the plain files beside this one:
``initramfs/`` finds the root file system, ``boot/`` are the boot loaders' settings, ``rootfs/`` is laid over the
guest's root.
"""
