/**
 * The system calls that guests may make: what ordinary programs need. What is not named here is
 * refused with EPERM: everything that reaches past the namespaces of the guest (modules, kexec,
 * clocks, swap, quotas, keys, BPF, tracing of performance, raw I/O ports, namespaces, mounts), and
 * everything that is too new to be known.
 *
 * S1 New namespaces cannot be made: `clone` only without their flags, `clone3`, whose flags cannot
 *    be looked into, seems not to exist, so that programs fall back to `clone`.
 */

const FILES = `
  access chdir chmod chown close close_range copy_file_range creat dup dup2 dup3 faccessat
  faccessat2 fadvise64 fallocate fchdir fchmod fchmodat fchmodat2 fchown fchownat fcntl fdatasync
  fgetxattr flistxattr flock fremovexattr fsetxattr fstat fstatfs fsync ftruncate futimesat getcwd
  getdents getdents64 getxattr inotify_add_watch inotify_init inotify_init1 inotify_rm_watch ioctl
  lchown lgetxattr link linkat listxattr llistxattr lremovexattr lseek lsetxattr lstat mkdir mkdirat
  mknod mknodat newfstatat open openat openat2 pipe pipe2 pread64 preadv preadv2 pwrite64 pwritev
  pwritev2 read readahead readlink readlinkat readv removexattr rename renameat renameat2 rmdir
  sendfile setxattr splice stat statfs statx symlink symlinkat sync sync_file_range syncfs tee
  truncate umask unlink unlinkat utime utimensat utimes vmsplice write writev`;

const MEMORY = `
  brk get_mempolicy madvise map_shadow_stack membarrier memfd_create mincore mlock mlock2 mlockall
  mmap mprotect mremap mseal msync munlock munlockall munmap pkey_alloc pkey_free pkey_mprotect
  process_mrelease remap_file_pages`;

const PROCESSES = `
  arch_prctl capget capset chroot execve execveat exit exit_group fork get_robust_list getegid
  geteuid getrandom getgid getgroups getpgid getpgrp getpid getppid getpriority getresgid getresuid
  getrlimit
  getrusage getsid gettid getuid kill pidfd_open pidfd_send_signal prctl prlimit64 rseq
  sched_get_priority_max sched_get_priority_min sched_getaffinity sched_getattr sched_getparam
  sched_getscheduler sched_rr_get_interval sched_setaffinity sched_setattr sched_setparam
  sched_setscheduler sched_yield seccomp set_robust_list set_tid_address setfsgid setfsuid setgid
  setgroups setpgid setpriority setregid setresgid setresuid setreuid setrlimit setsid setuid
  sysinfo tgkill time times tkill uname vfork wait4 waitid ioprio_get ioprio_set getcpu
  landlock_add_rule landlock_create_ruleset landlock_restrict_self`;

const SIGNALS_AND_TIME = `
  alarm clock_getres clock_gettime clock_nanosleep getitimer gettimeofday nanosleep pause
  restart_syscall rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn
  rt_sigsuspend rt_sigtimedwait rt_tgsigqueueinfo setitimer sigaltstack signalfd signalfd4
  timer_create timer_delete timer_getoverrun timer_gettime timer_settime timerfd_create
  timerfd_gettime timerfd_settime`;

const WAITING = `
  epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait
  epoll_wait_old eventfd eventfd2 futex futex_requeue futex_wait futex_waitv futex_wake io_cancel
  io_destroy io_getevents io_pgetevents io_setup io_submit poll ppoll pselect6 select`;

const TALKING = `
  accept accept4 bind connect getpeername getsockname getsockopt listen mq_getsetattr mq_notify
  mq_open mq_timedreceive mq_timedsend mq_unlink msgctl msgget msgrcv msgsnd recvfrom recvmmsg
  recvmsg semctl semget semop semtimedop sendmmsg sendmsg sendto setsockopt shmat shmctl shmdt
  shmget
  shutdown socket socketpair`;

/** CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET. */
const NAMESPACE_FLAGS = 0x7e020000;
const EPERM = 1;
const ENOSYS = 38;

export const ALLOWED = [FILES, MEMORY, PROCESSES, SIGNALS_AND_TIME, WAITING, TALKING].flatMap(
  (group) => group.trim().split(/\s+/),
);

const CLONE_WITHOUT_NAMESPACES = {
  index: 0,
  value: NAMESPACE_FLAGS,
  valueTwo: 0,
  op: "SCMP_CMP_MASKED_EQ",
} as const;

/** `linux.seccomp` of the runtime specification. */
export const SECCOMP_PROFILE = {
  defaultAction: "SCMP_ACT_ERRNO",
  defaultErrnoRet: EPERM,
  architectures: ["SCMP_ARCH_X86_64"],
  syscalls: [
    { names: ALLOWED, action: "SCMP_ACT_ALLOW" },
    { names: ["clone"], action: "SCMP_ACT_ALLOW", args: [CLONE_WITHOUT_NAMESPACES] },
    { names: ["clone3"], action: "SCMP_ACT_ERRNO", errnoRet: ENOSYS },
    ...[0, 8, 0x20000, 0x20008, 0xffffffff].map((value) => ({
      names: ["personality"],
      action: "SCMP_ACT_ALLOW",
      args: [{ index: 0, value, op: "SCMP_CMP_EQ" }],
    })),
  ],
} as const;
