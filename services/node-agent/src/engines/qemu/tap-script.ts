/**
 * Opens a network device for QEMU, which as a user of its own may not, and becomes the program that
 * follows. Perl, because Node has no name for the system call (ioctl).
 *
 * ARGV: name of the device, number of the descriptor to leave it open on, the program and its
 * arguments.
 */
export const TAP_DESCRIPTOR = "9";

export const TAP_SCRIPT = String.raw`
use strict;
use warnings;
use POSIX ();

my ($name, $number, @program) = @ARGV;
my ($SET_INTERFACE, $TAP, $NO_HEADER, $OFFLOADS) = (0x400454ca, 0x2, 0x1000, 0x4000);
open my $device, "+<", "/dev/net/tun" or die "/dev/net/tun: $!\n";
my $request = pack "a16 S x22", $name, $TAP | $NO_HEADER | $OFFLOADS;
ioctl $device, $SET_INTERFACE, $request or die "$name: $!\n";
POSIX::dup2(fileno $device, $number) // die "$number: $!\n";
exec { $program[0] } @program;
die "$program[0]: $!\n";
`;
