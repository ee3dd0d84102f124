/**
 * Unpacks an archive inside a user namespace, so that all that it makes belongs to the range of
 * guests: a hostile archive can own, write and run nothing of the host, and makes no device.
 *
 * ARGV: first id of the range, size of the range, the program to run and its arguments. Standard
 * input: the archive. Working directory: where to. Exit code: the program's.
 */
export const UNPACK_SCRIPT = String.raw`
use strict;
use warnings;

my ($first, $count, @program) = @ARGV;
my ($UNSHARE, $NEW_USERS) = (272, 0x10000000);
pipe my $is_apart, my $apart or die "pipe: $!\n";
pipe my $is_mapped, my $mapped or die "pipe: $!\n";
my $child = fork // die "fork: $!\n";
if ($child == 0) {
  close $mapped;
  die "unshare: $!\n" if syscall($UNSHARE, $NEW_USERS) < 0;
  close $apart;
  sysread($is_mapped, my $go, 1) or exit 1;
  ($(, $)) = (0, "0 0");
  ($<, $>) = (0, 0);
  exec { $program[0] } @program;
  die "$program[0]: $!\n";
}
close $apart;
sysread $is_apart, my $end, 1;
for my $map ("uid_map", "gid_map") {
  open my $to, ">", "/proc/$child/$map" or die "$map: $!\n";
  syswrite $to, "0 $first $count\n" or die "$map: $!\n";
  close $to;
}
syswrite $mapped, "1";
waitpid $child, 0;
exit($? == 0 ? 0 : 1);
`;
