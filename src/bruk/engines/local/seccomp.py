"""The system calls that no run needs and that have opened sandboxes before, refused by the kernel.

A classic BPF program (seccomp(2), Linux Documentation/userspace-api/seccomp_filter.rst) for x86-64
and 64-bit ARM; on other processors there is none, and the namespaces stand alone. It refuses, never
allows: everything not named works. Standard library only: the supervisor imports it.
"""

import errno
import platform
import struct

LOAD, EQUAL, AT_LEAST, RETURN = 0x20, 0x15, 0x35, 0x06  # <linux/bpf_common.h>
ALLOW, REFUSE, END_PROCESS = 0x7FFF0000, 0x00050000, 0x80000000  # <linux/seccomp.h>
NUMBER_AT, ARCHITECTURE_AT, ARGUMENT_AT = 0, 4, 16  # struct seccomp_data
X32_BIT = 0x40000000
FAMILIES = (1, 2, 10, 16)  # AF_UNIX, AF_INET, AF_INET6, AF_NETLINK <linux/socket.h>

# Calls with one number everywhere (asm-generic/unistd.h from 424 on): io_uring_setup, open_tree,
# move_mount, fsopen, fsconfig, fsmount, fspick, mount_setattr.
COMMON = (425, 428, 429, 430, 431, 432, 433, 442)
# By processor: AUDIT_ARCH, the number of socket, and in this order: mount, umount2, pivot_root, setns,
# unshare, add_key, request_key, keyctl, bpf, perf_event_open, userfaultfd, kexec_load,
# kexec_file_load, init_module, finit_module, delete_module, reboot, swapon, swapoff, syslog, acct,
# quotactl, name_to_handle_at, open_by_handle_at.
X86_64: tuple[int, ...] = (165, 166, 155, 308, 272, 248, 249, 250, 321, 298, 323, 246)
X86_64 += (320, 175, 313, 176, 169, 167, 168, 103, 163, 179, 303, 304)
ARM_64: tuple[int, ...] = (40, 39, 41, 268, 97, 217, 218, 219, 280, 241, 282, 104)
ARM_64 += (294, 105, 273, 106, 142, 224, 225, 116, 89, 60, 264, 265)
TABLES = {"x86_64": (0xC000003E, 41, X86_64), "aarch64": (0xC00000B7, 198, ARM_64)}


def program(machine: str = "") -> bytes:
    """The filter for a processor (this one's by default) as bubblewrap takes it; empty: there is none."""
    table = TABLES.get(machine or platform.machine())
    if table is None:
        return b""
    architecture, socket, calls = table
    refused = (*calls, *COMMON)
    code = [
        _step(LOAD, ARCHITECTURE_AT),
        _step(EQUAL, architecture, 1, 0),
        _step(RETURN, END_PROCESS),  # Another instruction set's numbers mean other calls.
        _step(LOAD, NUMBER_AT),
        _step(AT_LEAST, X32_BIT, 0, 1),
        _step(RETURN, REFUSE | errno.ENOSYS),
    ]
    for number in refused:
        code += [_step(EQUAL, number, 0, 1), _step(RETURN, REFUSE | errno.EPERM)]
    code += [_step(EQUAL, socket, 1, 0), _step(RETURN, ALLOW), _step(LOAD, ARGUMENT_AT)]
    for family in FAMILIES:
        code += [_step(EQUAL, family, 0, 1), _step(RETURN, ALLOW)]
    # Some families, the hypervisor's sockets among them, know no network namespaces.
    return b"".join([*code, _step(RETURN, REFUSE | errno.EAFNOSUPPORT)])


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    """One ``struct sock_filter``."""
    return struct.pack("=HBBI", code, if_true, if_false, value)
