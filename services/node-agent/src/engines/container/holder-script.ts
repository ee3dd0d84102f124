/**
 * The holder of one container: a small process that outlives the agent, and does the three system
 * calls for which Node has no name (unshare, mount, prctl). Perl, because `perl-base` is on every
 * Debian, and two of it hold a container in less than 1 MiB of their own; ADR 0008 has the figures.
 *
 * Runs inside the copy's directory: mounts the root file system in a mount namespace of its own, so
 * that the mount is gone with the last process; starts the container; keeps its output; notes how
 * its first process ended.
 *
 * H1 The console takes at most {@link CONSOLE_PART_BYTES} times two and one read, whatever the
 *    guest prints and whether an agent runs or not.
 * H2 The file `exit` is there, whole, before the holder lets go of `alive`.
 * H3 A full disk costs console output, never the guest.
 *
 * ARGV: name of the container, runtime, where to mount, 1 for an overlay or 0 for a plain
 * directory, the program that makes its network or nothing, the first user id of the images and
 * that of the container, where to mount its terminal or nothing, the list of processes of a control
 * group that it is to begin in or nothing, and for each of its disks the file and where to mount
 * it. Standard output: the process id of the guest's first
 * process in one line, once it runs.
 *
 * What the container prints comes through a pipe, or through a terminal if it has one; what the
 * runtime complains about goes to the file of errors, to which the container has no way.
 *
 * An overlay has the image below, mounted so that its files belong to the container's ids, and
 * above it a file system in a file, which is as large as what the container may write. Its disks
 * are mounted so that what belongs to its root belongs to the first id in the file: its ids are
 * others each time.
 *
 * H4 Two holders never have one disk.
 */

/** Names inside the copy's directory that the holder knows. */
export const HOLDER_FILES = {
  /** A pipe that the holder keeps open: its reader sees the end of the holder. */
  alive: "alive",
  /** JSON: exit code and signal of the first process. */
  exit: "exit",
  pid: "pid",
  /** A pipe: the container's standard input, which never ends. */
  input: "input",
  /** Where the container's network takes orders, if it has one. */
  networkSocket: "network.sock",
  runtimeState: "runc",
  /** An overlay: the image, where it is mounted, and what the container writes. */
  lower: "lower",
  image: "image",
  disk: "disk",
  diskFile: "disk.ext4",
  /** Followed by the offset of its first byte. */
  consolePrefix: "console.",
} as const;

/** The console is kept in parts of this size: the newest and the one before it. */
export const CONSOLE_PART_BYTES = 512 * 1024;

/** First word of the holder's command line; the copy's directory is the second. */
export const HOLDER_TITLE = "innkeeper-holder";

export const HOLDER_SCRIPT = String.raw`
use strict;
use warnings;
use Fcntl (":flock");
use POSIX ();

my ($name, $runtime, $rootfs, $is_overlay, $network, $image_id, $own_id) = splice @ARGV, 0, 7;
my ($console, $group, @disks) = @ARGV;
my @held;
my %SYSCALL = (prctl => 157, mount => 165, unshare => 272);
@SYSCALL{"open_tree", "move_mount", "mount_setattr"} = (428, 429, 442);
my ($NEW_USERS, $IDS, $HERE, $EMPTY_PATH) = (0x10000000, 65536, -100, 0x1000);
my ($CLONE_AND_CLOSE, $FROM_EMPTY_PATH, $MAP_IDS) = (0x80001, 4, 0x100000);
my ($SET_SUBREAPER, $NEW_MOUNTS) = (36, 0x20000);
my ($RECURSIVE_PRIVATE, $BIND, $NO_SUID_NO_DEVICES) = (0x44000, 0x1000, 0x6);
my ($PART, $READ) = (512 * 1024, 64 * 1024);
my ($UNLOCK_TERMINAL, $NUMBER_OF_TERMINAL, $TTY_GROUP) = (0x40045431, 0x80045430, 5);

my $alive;

sub call {
  my ($what, @args) = @_;
  die "$what: $!\n" if syscall($SYSCALL{$what}, @args) < 0;
}

# A user namespace in which what begins at an id is the container's.
sub id_map {
  my ($from) = @_;
  pipe my $is_apart, my $apart or die "pipe: $!\n";
  pipe my $is_mapped, my $mapped or die "pipe: $!\n";
  my $child = fork // die "fork: $!\n";
  if ($child == 0) {
    close $_ for $mapped, $alive;
    call("unshare", $NEW_USERS);
    close $apart;
    sysread $is_mapped, my $go, 1;
    POSIX::_exit(0);
  }
  close $apart;
  sysread $is_apart, my $end, 1;
  for my $map ("uid_map", "gid_map") {
    open my $to, ">", "/proc/$child/$map" or die "$map: $!\n";
    syswrite $to, "$from $own_id $IDS\n" or die "$map: $!\n";
  }
  open my $namespace, "<", "/proc/$child/ns/user" or die "user namespace: $!\n";
  close $mapped;
  waitpid $child, 0;
  return $namespace;
}

sub mount_mapped {
  my ($from, $first_id, $to) = @_;
  my $empty = "";
  my $namespace = id_map($first_id);
  my $tree = syscall($SYSCALL{open_tree}, $HERE, $from, $CLONE_AND_CLOSE);
  die "open_tree: $!\n" if $tree < 0;
  my $attributes = pack "QQQQ", $MAP_IDS, 0, 0, fileno $namespace;
  call("mount_setattr", $tree, $empty, $EMPTY_PATH, $attributes, length $attributes);
  call("move_mount", $tree, $empty, $HERE, $to, $FROM_EMPTY_PATH);
  POSIX::close($tree);
}

sub mount_disk {
  my @mount = ("mount", "-n", "-o", "loop,nosuid,nodev,noatime", "disk.ext4", "disk");
  system(@mount) == 0 or die "the disk of the container cannot be mounted\n";
  mkdir "disk/$_" or die "disk/$_: $!\n" for "upper", "work";
  chmod 0755, "disk/upper" or die "disk/upper: $!\n";
  chown $own_id, $own_id, "disk/upper" or die "disk/upper: $!\n";
}

sub mount_data {
  my ($file, $to) = @_;
  open my $held, "+<", $file or die "$file: $!\n";
  flock $held, Fcntl::LOCK_EX() | Fcntl::LOCK_NB() or die "another container has the disk\n";
  push @held, $held;
  my $how = "loop,nosuid,nodev,noatime,discard,noinit_itable,errors=remount-ro";
  system("mount", "-n", "-o", $how, $file, $to) == 0 or die "a disk cannot be mounted\n";
  mount_mapped($to, 0, $to);
}

sub mount_root {
  my ($none, $all) = ("none", "/");
  call("unshare", $NEW_MOUNTS);
  call("mount", $none, $all, 0, $RECURSIVE_PRIVATE, 0);
  my $layers = "lowerdir=image,upperdir=disk/upper,workdir=disk/work";
  my ($type, $plain) = ("overlay", "root");
  return call("mount", $plain, $rootfs, 0, $BIND, 0) unless $is_overlay;
  mount_mapped("lower", $image_id, "image");
  mount_disk();
  mount_data(splice @disks, 0, 2) while @disks;
  call("mount", $type, $rootfs, $type, $NO_SUID_NO_DEVICES, $layers);
}

# Its own end stays open with us, so that the container may close and open the other one.
sub make_terminal {
  my ($none, $unlock, $number) = ("none", pack("i", 0), pack("i", 0));
  open my $master, "+<", "/dev/ptmx" or die "ptmx: $!\n";
  ioctl $master, $UNLOCK_TERMINAL, $unlock or die "ptmx: $!\n";
  ioctl $master, $NUMBER_OF_TERMINAL, $number or die "ptmx: $!\n";
  my $path = "/dev/pts/" . unpack "i", $number;
  my $flags = Fcntl::O_RDWR() | Fcntl::O_NOCTTY();
  sysopen my $terminal, $path, $flags or die "$path: $!\n";
  chown $own_id, $own_id + $TTY_GROUP, $path or die "$path: $!\n";
  chmod 0620, $path or die "$path: $!\n";
  call("mount", $path, $console, $none, $BIND, 0);
  return ($master, $terminal);
}

# What is typed goes on its way; ends when nobody can type any more.
sub feed {
  my ($to) = @_;
  open my $from, "<", "input" or die "input: $!\n";
  while (my $count = sysread $from, my $bytes, $READ) {
    my $at = 0;
    while ($at < $count) {
      my $written = syswrite $to, $bytes, $count - $at, $at or return;
      $at += $written;
    }
  }
}

sub helper {
  my ($run, @arguments) = @_;
  my $child = fork // die "fork: $!\n";
  return $child if $child;
  be_silent();
  close $alive;
  $run->(@arguments);
  POSIX::_exit(0);
}

sub keep_output {
  my ($from) = @_;
  my ($at, $size, $to, $older, $newest) = (0, $PART);
  while (my $count = sysread $from, my $bytes, $READ) {
    if ($size >= $PART) {
      unlink $older if defined $older;
      ($older, $newest, $size) = ($newest, "console.$at", 0);
      close $to if $to;
      open $to, ">", $newest or undef $to;
    }
    my $written = $to ? syswrite($to, $bytes) : 0;
    $at += $count;
    $size += $count;
    $size = $PART if ($written // 0) < $count;
  }
}

# Ends by itself when the holder does: its pipe breaks then.
sub start_network {
  my ($pid) = @_;
  pipe my $ready, my $tell or die "pipe: $!\n";
  pipe my $end, my $hold or die "pipe: $!\n";
  my $child = fork // die "fork: $!\n";
  if ($child == 0) {
    close $alive;
    fcntl $_, Fcntl::F_SETFD(), 0 for $tell, $end;
    my @safe = ("--configure", "--disable-host-loopback", "--enable-sandbox", "--enable-seccomp");
    my @pipes = ("--ready-fd", fileno $tell, "--exit-fd", fileno $end);
    open STDOUT, ">", "/dev/null";
    exec { $network } $network, @safe, @pipes, "--api-socket", "network.sock", $pid, "eth0";
    die "$network: $!\n";
  }
  close $_ for $tell, $end;
  sysread $ready, my $is_ready, 1 or return;
  return ($child, $hold);
}

sub note_in {
  my ($file, $text) = @_;
  open my $to, ">", $file or die "$file: $!\n";
  syswrite $to, $text or die "$file: $!\n";
}

sub note {
  my ($file, $text) = @_;
  open my $to, ">", "$file.new" or return;
  syswrite $to, $text;
  close $to;
  rename "$file.new", $file;
}

sub be_silent {
  open STDOUT, ">", "/dev/null";
  open STDERR, ">", "/dev/null";
}

$0 = "innkeeper-holder " . POSIX::getcwd();
POSIX::mkfifo("alive", 0600) or die "alive: $!\n";
open $alive, "+<", "alive" or die "alive: $!\n";
call("prctl", $SET_SUBREAPER, 1, 0, 0, 0);
mount_root();

POSIX::mkfifo("input", 0600) or die "input: $!\n";
chmod 0666, "input" or die "input: $!\n";
open my $kept, "+<", "input" or die "input: $!\n";
my ($output, $input, $feeder);
if ($console) { ($output, $input) = make_terminal() }
else { pipe $output, $input or die "pipe: $!\n" }
my $starter = fork // die "fork: $!\n";
if ($starter == 0) {
  note_in($group, $$) if $group;
  if ($console) { open STDIN, "<&", $input or die "input: $!\n" }
  else { open STDIN, "<", "input" or die "input: $!\n" }
  open STDOUT, ">&", $input or die "output: $!\n";
  open my $errors, ">&", \*STDERR or die "errors: $!\n";
  open STDERR, ">&", $input or die "output: $!\n";
  my @run = ("run", "--detach", "--bundle", ".", "--pid-file", "pid", $name);
  exec { $runtime } $runtime, "--root", "runc", "--log", "errors", @run;
  print $errors "$runtime: $!\n";
  POSIX::_exit(1);
}
close $input unless $console;
my $keeper = helper(sub { close $input if $console; keep_output($output) });
$feeder = helper(sub { close $_ for $input, $kept; feed($output) }) if $console;
close $output;

waitpid $starter, 0;
exit 1 if $? != 0;
open my $file, "<", "pid" or die "pid: $!\n";
my $pid = <$file>;
close $file;
chomp $pid;
my ($networker, $hold);
if ($network) {
  ($networker, $hold) = start_network($pid);
  kill("KILL", $pid), die "$network did not start\n" unless $networker;
}
syswrite STDOUT, "$pid\n";
be_silent();
waitpid $pid, 0;
my ($code, $signal) = ($? >> 8, $? & 127);
close $input if $console;
kill "KILL", $feeder if $feeder;
waitpid $feeder, 0 if $feeder;
waitpid $keeper, 0;
close $hold if $hold;
waitpid $networker, 0 if $networker;
note("exit", qq({"code":$code,"signal":$signal}));
`;
