# take-identity: lets a guest that was booted as a template become somebody. Static, no library; x86-64 Linux.
#
# Waits until the firmware has the file opt/org.innkeeper/identity, which only a guest that was begun from the template
# is given, and takes what it says, in this order:
#   entropy   goes into the kernel's pool, and the generator is seeded anew from it at once
#   clock     the wall clock; the machine's own clock goes before it where that is seconds ahead
#   names     host name, and /etc/machine-id (the uid without its dashes)
#   MAC       of eth0, which must not be up yet
# Then it says so on standard output. Exit status: 0, 3 if the firmware also has a seed, 1 when something was refused.
#
# T1 Nothing is forked or executed between the wake-up and the word: an emulated machine has to translate all code anew.
# T2 The poll reads ports of the firmware that no driver of the kernel uses: the template has not loaded that driver.
#
# The file, little-endian:  0 "INNID 1\n"   8 entropy, 64 bytes   72 seconds, 8   80 nanoseconds, 8
#                          88 MAC, 6   94 seed follows: 1, else 0   95 zero   96 host name, 64, ends in zeros
#                         160 uid as text, 36, and 4 zeros

.set FILE_BYTES, 200
.set ENTRY_BYTES, 64
.set POLL_NS, 2000000

.set SYS_read, 0
.set SYS_write, 1
.set SYS_open, 2
.set SYS_close, 3
.set SYS_ioctl, 16
.set SYS_nanosleep, 35
.set SYS_socket, 41
.set SYS_exit, 60
.set SYS_sethostname, 170
.set SYS_iopl, 172
.set SYS_clock_gettime, 228
.set SYS_clock_settime, 227

.set RNDADDENTROPY, 0x40085203
.set RNDRESEEDCRNG, 0x5207
.set RTC_RD_TIME, 0x80247009
.set SIOCSIFHWADDR, 0x8924
.set O_WRITE_NEW, 01101

.set PORT_SELECT, 0x510
.set PORT_DATA, 0x511
.set KEY_DIRECTORY, 0x19
.set DAY_SECONDS, 86400

.globl _start
.text
_start:
        mov     $3, %edi
        mov     $SYS_iopl, %eax
        call    must

# The directory: a count, then entries of size, key, two bytes, and a name of 56 bytes; big-endian.
look:
        mov     $KEY_DIRECTORY, %eax
        mov     $PORT_SELECT, %edx
        out     %ax, %dx
        lea     entry(%rip), %rdi
        mov     $4, %ecx
        call    take
        mov     entry(%rip), %ebx
        bswap   %ebx
next_entry:
        sub     $1, %ebx
        js      wait
        lea     entry(%rip), %rdi
        mov     $ENTRY_BYTES, %ecx
        call    take
        lea     entry+8(%rip), %rsi
        lea     wanted(%rip), %rdi
        mov     $wanted_bytes, %ecx
        repe cmpsb
        jne     next_entry
        jmp     found
wait:
        lea     pause(%rip), %rdi
        xor     %esi, %esi
        mov     $SYS_nanosleep, %eax
        syscall
        jmp     look

found:
        mov     entry(%rip), %eax
        bswap   %eax
        cmp     $FILE_BYTES, %eax
        jne     refused
        movzwl  entry+4(%rip), %eax
        xchg    %al, %ah
        mov     $PORT_SELECT, %edx
        out     %ax, %dx
        lea     file(%rip), %rdi
        mov     $FILE_BYTES, %ecx
        call    take
        mov     file(%rip), %rax
        cmp     magic(%rip), %rax
        jne     refused

# Entropy: struct rand_pool_info { int bits; int bytes; bytes }.
        lea     random(%rip), %rdi
        mov     $1, %esi
        mov     $SYS_open, %eax
        call    must
        mov     %eax, %r12d
        lea     file+8(%rip), %rsi
        lea     pool+8(%rip), %rdi
        mov     $64, %ecx
        rep movsb
        lea     pool(%rip), %rdx
        mov     $RNDADDENTROPY, %esi
        call    control
        xor     %edx, %edx
        mov     $RNDRESEEDCRNG, %esi
        call    control

# Clock. What was told is as old as this machine is; its own clock counts whole seconds of each day.
        lea     rtc(%rip), %rdi
        xor     %esi, %esi
        mov     $SYS_open, %eax
        syscall
        test    %eax, %eax
        js      set_clock
        mov     %eax, %r12d
        lea     now(%rip), %rdx
        mov     $RTC_RD_TIME, %esi
        mov     %r12d, %edi
        mov     $SYS_ioctl, %eax
        syscall
        test    %eax, %eax
        js      set_clock
        imul    $3600, now+8(%rip), %ebx
        imul    $60, now+4(%rip), %ecx
        add     %ecx, %ebx
        add     now(%rip), %ebx
        mov     file+72(%rip), %rax
        xor     %edx, %edx
        mov     $DAY_SECONDS, %ecx
        div     %rcx
        sub     %edx, %ebx
        jns     same_day
        add     $DAY_SECONDS, %ebx
same_day:
        test    %ebx, %ebx
        jz      set_clock
        cmp     $DAY_SECONDS / 2, %ebx
        jae     set_clock
        mov     %ebx, %ebx
        add     %rbx, file+72(%rip)
        movq    $0, file+80(%rip)
set_clock:
        xor     %edi, %edi
        lea     file+72(%rip), %rsi
        mov     $SYS_clock_settime, %eax
        call    must

# Names.
        lea     file+96(%rip), %rdi
        mov     $-1, %esi
length: add     $1, %esi
        cmpb    $0, (%rdi,%rsi)
        jne     length
        mov     $SYS_sethostname, %eax
        call    must
        lea     file+160(%rip), %rsi
        lea     machine(%rip), %rdi
        mov     $36, %ecx
copy:   lodsb
        cmp     $'-', %al
        je      skip
        stosb
skip:   loop    copy
        lea     machine_id(%rip), %rdi
        mov     $O_WRITE_NEW, %esi
        mov     $0444, %edx
        mov     $SYS_open, %eax
        call    must
        mov     %eax, %edi
        lea     machine(%rip), %rsi
        mov     $33, %edx
        mov     $SYS_write, %eax
        call    must
        mov     $SYS_close, %eax
        call    must

# MAC: struct ifreq { char name[16]; struct sockaddr { family 1 = ethernet; bytes } }.
        mov     $2, %edi
        mov     $2, %esi
        xor     %edx, %edx
        mov     $SYS_socket, %eax
        call    must
        mov     %eax, %r12d
        mov     file+88(%rip), %eax
        mov     %eax, card+18(%rip)
        movzwl  file+92(%rip), %eax
        mov     %ax, card+22(%rip)
        lea     card(%rip), %rdx
        mov     $SIOCSIFHWADDR, %esi
        call    control

        mov     $1, %edi
        lea     said(%rip), %rsi
        mov     $said_bytes, %edx
        mov     $SYS_write, %eax
        call    must
        movzbl  file+94(%rip), %edi
        imul    $3, %edi, %edi
        jmp     exit

# `must` ends the program when the system refuses; `control` is an ioctl of r12.
control:
        mov     %r12d, %edi
        mov     $SYS_ioctl, %eax
must:
        syscall
        test    %rax, %rax
        js      refused
        ret
refused:
        mov     $1, %edi
exit:
        mov     $SYS_exit, %eax
        syscall

# ecx bytes of what is selected go to rdi.
take:
        mov     $PORT_DATA, %edx
        rep insb
        ret

.section .rodata
wanted: .asciz  "opt/org.innkeeper/identity"
.set wanted_bytes, . - wanted
magic:  .ascii  "INNID 1\n"
random: .asciz  "/dev/urandom"
rtc:    .asciz  "/dev/rtc0"
machine_id:
        .asciz  "/etc/machine-id"
said:   .ascii  "innkeeper-guest: identity taken\n"
.set said_bytes, . - said
pause:  .quad   0, POLL_NS

.data
machine:
        .fill   32, 1, '0'
        .ascii  "\n"
        .balign 8
pool:   .long   64 * 8, 64
        .fill   64
card:   .asciz  "eth0"
        .fill   11
        .word   1
        .fill   14
        .balign 8
entry:  .fill   ENTRY_BYTES
file:   .fill   FILE_BYTES
now:    .fill   40
