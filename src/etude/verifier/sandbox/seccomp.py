"""A filter of system calls for the program, as a BPF program of a few dozen instructions.

It is written out here and handed to ``prctl``: the binding of libseccomp is no package that can be
installed with pip alone. What is refused fails with EPERM, so an honest program sees an exception;
a call in another architecture's numbering kills the process.
"""

from __future__ import annotations

import ctypes
import errno
from dataclasses import dataclass

from etude.verifier.sandbox import kernel

PR_SET_SECCOMP = 22
_FILTER_MODE = 2
_ALLOW = 0x7FFF0000
_KILL = 0x80000000
_ERRNO = 0x00050000

# struct seccomp_data: int nr; u32 arch; u64 instruction_pointer; u64 args[6] (little-endian).
_NUMBER, _ARCH, _ARGUMENTS = 0, 4, 16

_LOAD = 0x20  # BPF_LD | BPF_W | BPF_ABS
_EQUAL = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_AT_LEAST = 0x35  # BPF_JMP | BPF_JGE | BPF_K
_ANY_BIT = 0x45  # BPF_JMP | BPF_JSET | BPF_K
_RETURN = 0x06  # BPF_RET | BPF_K

_AF_UNIX = 1
#: The bit that SOCK_DGRAM and, of the types a local pair can have, nothing else has: such a socket
#: can be sent to others yet.
_DATAGRAM = 2
#: What has the kernel send signals to another process when a file is ready: commands of fcntl
#: (F_SETOWN, F_SETSIG, F_SETOWN_EX) and of ioctl (FIOSETOWN, SIOCSPGRP).
_OWNING = {"fcntl": (8, 10, 15), "ioctl": (0x8901, 0x8902)}
#: Calls whose first argument is a process, 0 for the caller's own.
_OF_PROCESSES = ("prlimit64", "sched_setaffinity", "sched_setparam", "sched_setattr")
_CLONE_THREAD = 0x00010000
_NEW_NAMESPACES = 0x7E020080  # every CLONE_NEW… flag
_WRITING = (
    0o1 | 0o2 | 0o100 | 0o1000 | 0o20000000
)  # O_WRONLY O_RDWR O_CREAT O_TRUNC O_TMPFILE's bit


@dataclass(frozen=True)
class Calls:
    """The numbers of one architecture's system calls."""

    arch: int
    numbers: dict[str, int]


_X86 = (
    "open:2 socket:41 socketpair:53 clone:56 fork:57 vfork:58 kill:62 tkill:200 tgkill:234 "
    "rename:82 mkdir:83 rmdir:84 creat:85 link:86 unlink:87 symlink:88 chmod:90 chown:92 "
    "lchown:94 truncate:76 mknod:133 utime:132 utimes:235 setsid:112 setpgid:109 ptrace:101 "
    "syslog:103 mlock:149 mlockall:151 sched_setscheduler:144 setpriority:141 "
    "pivot_root:155 chroot:161 acct:163 settimeofday:164 mount:165 umount2:166 swapon:167 "
    "swapoff:168 reboot:169 sethostname:170 setdomainname:171 iopl:172 ioperm:173 init_module:175 "
    "delete_module:176 quotactl:179 "
    "personality:135 setxattr:188 lsetxattr:189 clock_settime:227 add_key:248 request_key:249 "
    "keyctl:250 openat:257 mkdirat:258 mknodat:259 fchownat:260 futimesat:261 unlinkat:263 "
    "renameat:264 linkat:265 symlinkat:266 fchmodat:268 unshare:272 utimensat:280 "
    "move_pages:279 migrate_pages:256 mbind:237 set_mempolicy:238 get_mempolicy:239 "
    "perf_event_open:298 fanotify_init:300 name_to_handle_at:303 open_by_handle_at:304 "
    "setns:308 process_vm_readv:310 process_vm_writev:311 kcmp:312 finit_module:313 renameat2:316 "
    "memfd_create:319 kexec_load:246 kexec_file_load:320 bpf:321 userfaultfd:323 "
    "shmget:29 shmat:30 semget:64 msgget:68 mq_open:240 fcntl:72 ioctl:16 rt_sigqueueinfo:129 "
    "rt_tgsigqueueinfo:297 prlimit64:302 sched_setaffinity:203 sched_setparam:142 "
    "sched_setattr:314 ioprio_set:251"
)
_ARM = (
    "socket:198 socketpair:199 clone:220 kill:129 tkill:130 tgkill:131 setsid:157 setpgid:154 "
    "ptrace:117 syslog:116 mlock:228 mlockall:230 sched_setscheduler:119 setpriority:140 "
    "pivot_root:41 chroot:51 acct:89 settimeofday:170 mount:40 umount2:39 swapon:224 swapoff:225 "
    "reboot:142 sethostname:161 setdomainname:162 init_module:105 delete_module:106 quotactl:60 "
    "personality:92 setxattr:5 lsetxattr:6 clock_settime:112 add_key:217 request_key:218 "
    "keyctl:219 openat:56 mkdirat:34 mknodat:33 fchownat:54 unlinkat:35 renameat:38 linkat:37 "
    "symlinkat:36 fchmodat:53 truncate:45 unshare:97 utimensat:88 move_pages:239 migrate_pages:238 "
    "mbind:235 set_mempolicy:237 get_mempolicy:236 perf_event_open:241 "
    "fanotify_init:262 name_to_handle_at:264 open_by_handle_at:265 setns:268 process_vm_readv:270 "
    "process_vm_writev:271 kcmp:272 finit_module:273 renameat2:276 memfd_create:279 kexec_load:104 "
    "kexec_file_load:294 bpf:280 userfaultfd:282 shmget:194 shmat:196 semget:190 msgget:186 "
    "mq_open:180 fcntl:25 ioctl:29 rt_sigqueueinfo:138 rt_tgsigqueueinfo:240 prlimit64:261 "
    "sched_setaffinity:122 sched_setparam:118 sched_setattr:274 ioprio_set:30"
)
#: Newer calls have one number on every architecture.
_COMMON = (
    "pidfd_send_signal:424 io_uring_setup:425 io_uring_enter:426 io_uring_register:427 "
    "open_tree:428 move_mount:429 fsopen:430 fsconfig:431 fsmount:432 fspick:433 pidfd_open:434 "
    "clone3:435 openat2:437 pidfd_getfd:438 process_madvise:440 mount_setattr:442 fchmodat2:452"
)


def _table(arch: int, text: str) -> Calls:
    pairs = (each.split(":") for each in f"{text} {_COMMON}".split())
    return Calls(arch, {name: int(number) for name, number in pairs})


CALLS = {"x86_64": _table(0xC000003E, _X86), "aarch64": _table(0xC00000B7, _ARM)}

#: Refused at every level: what reaches other processes, the kernel's settings or other namespaces,
#: and memory that no limit of a process counts.
_NEVER = [
    "ptrace",
    "syslog",
    "mlock",
    "mlockall",
    "sched_setscheduler",
    "pivot_root",
    "chroot",
    "acct",
    "settimeofday",
    "mount",
    "umount2",
    "swapon",
    "swapoff",
    "reboot",
    "sethostname",
    "setdomainname",
    "iopl",
    "ioperm",
    "init_module",
    "delete_module",
    "quotactl",
    "personality",
    "setxattr",
    "lsetxattr",
    "clock_settime",
    "add_key",
    "request_key",
    "keyctl",
    "unshare",
    "move_pages",
    "migrate_pages",
    "mbind",
    "set_mempolicy",
    "perf_event_open",
    "fanotify_init",
    "name_to_handle_at",
    "open_by_handle_at",
    "setns",
    "process_vm_readv",
    "process_vm_writev",
    "kcmp",
    "finit_module",
    "memfd_create",
    "kexec_load",
    "kexec_file_load",
    "bpf",
    "userfaultfd",
    "io_uring_setup",
    "io_uring_enter",
    "io_uring_register",
    "open_tree",
    "move_mount",
    "fsopen",
    "fsconfig",
    "fsmount",
    "fspick",
    "pidfd_getfd",
    "process_madvise",
    "mount_setattr",
    "shmget",
    "shmat",
]
#: Refused where no process namespace holds the program's children and its signals, and no
#: namespace of its own what it shares by name.
_ALONE = [
    "fork",
    "vfork",
    "setsid",
    "setpgid",
    "tkill",
    "rt_sigqueueinfo",
    "rt_tgsigqueueinfo",
    "pidfd_send_signal",
    "pidfd_open",
    "setpriority",
    "ioprio_set",
    "semget",
    "msgget",
    "mq_open",
]
#: Refused where nothing else keeps the program's files apart.
_CHANGING = [
    "rename",
    "mkdir",
    "rmdir",
    "creat",
    "link",
    "unlink",
    "symlink",
    "chmod",
    "chown",
    "lchown",
    "truncate",
    "mknod",
    "utime",
    "utimes",
    "mkdirat",
    "mknodat",
    "fchownat",
    "futimesat",
    "unlinkat",
    "renameat",
    "renameat2",
    "linkat",
    "symlinkat",
    "fchmodat",
    "fchmodat2",
    "utimensat",
]


class _Instruction(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_uint16),
        ("if_true", ctypes.c_uint8),
        ("if_false", ctypes.c_uint8),
        ("value", ctypes.c_uint32),
    )


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.POINTER(_Instruction)))


Code = tuple[int, int, int, int]


def _refuse(error: int) -> Code:
    return (_RETURN, 0, 0, _ERRNO | error)


def _argument(index: int, *, high: bool = False) -> Code:
    return (_LOAD, 0, 0, _ARGUMENTS + 8 * index + (4 if high else 0))


def _rule(number: int, body: list[Code]) -> list[Code]:
    """Return instructions for one call; ``body`` ends by returning, or goes on to what follows."""
    return [(_LOAD, 0, 0, _NUMBER), (_EQUAL, 0, len(body), number), *body]


def instructions(calls: Calls, *, processes: bool, files: bool, pid: int) -> list[Code]:
    """Return the filter.

    ``processes``: the program may start some (a process namespace holds them). ``files``: it may
    change files (a mount namespace or Landlock holds them). ``pid``: its own, the only process that
    it may send signals and set limits without a namespace.
    """
    allow = (_RETURN, 0, 0, _ALLOW)
    eperm = _refuse(errno.EPERM)
    found: list[Code] = [
        (_LOAD, 0, 0, _ARCH),
        (_EQUAL, 1, 0, calls.arch),
        (_RETURN, 0, 0, _KILL),
    ]
    if calls.arch == CALLS["x86_64"].arch:
        found += [(_LOAD, 0, 0, _NUMBER), (_AT_LEAST, 0, 1, 0x40000000), (_RETURN, 0, 0, _KILL)]

    def rule(name: str, *body: Code) -> None:
        if name in calls.numbers:
            found.extend(_rule(calls.numbers[name], list(body)))

    # Its flags lie behind a pointer, which a filter cannot follow; libc then takes the older call.
    rule("clone3", _refuse(errno.ENOSYS))
    pair = [] if processes else [_argument(1), (_ANY_BIT, 0, 1, _DATAGRAM), eperm]
    rule("socketpair", _argument(0), (_EQUAL, 1, 0, _AF_UNIX), eperm, *pair, allow)
    if processes:
        rule("socket", _argument(0), (_EQUAL, 0, 1, _AF_UNIX), allow, eperm)
        rule("clone", _argument(0), (_ANY_BIT, 0, 1, _NEW_NAMESPACES), eperm, allow)
    else:
        rule("clone", _argument(0), (_ANY_BIT, 0, 1, _CLONE_THREAD), allow, eperm)
        rule("socket", eperm)  # what listens on this machine is not the program's to talk to
        for name in ("kill", "tgkill"):
            rule(name, _argument(0), (_EQUAL, 0, 1, pid), allow, eperm)
        for name in _OF_PROCESSES:
            rule(name, _argument(0), (_EQUAL, 1, 0, 0), (_EQUAL, 0, 1, pid), allow, eperm)
        for name, commands in _OWNING.items():
            for command in commands:
                rule(name, _argument(1), (_EQUAL, 0, 1, command), eperm)
        for name in _ALONE:
            rule(name, eperm)
    if not files:
        rule("openat2", _refuse(errno.ENOSYS))
        rule("open", _argument(1), (_ANY_BIT, 0, 1, _WRITING), eperm, allow)
        rule("openat", _argument(2), (_ANY_BIT, 0, 1, _WRITING), eperm, allow)
        for name in _CHANGING:
            rule(name, eperm)
    for name in _NEVER:
        rule(name, eperm)
    return [*found, allow]


def install(*, processes: bool, files: bool, pid: int) -> None:
    """Put the filter on this process for good; raises OSError where the kernel has none.

    ``no_new_privs`` has to be set before.
    """
    calls = CALLS.get(kernel.machine())
    if calls is None:
        raise OSError(errno.ENOSYS, f"no system-call filter for {kernel.machine()}")
    codes = instructions(calls, processes=processes, files=files, pid=pid)
    block = (_Instruction * len(codes))(*(_Instruction(*each) for each in codes))
    program = _Program(len(codes), block)
    kernel.prctl(PR_SET_SECCOMP, _FILTER_MODE, ctypes.byref(program))
