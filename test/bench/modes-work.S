# modes-work: what a shell cannot measure. Static, no library; x86-64 Linux, so that the same bytes run in every mode.
#
#   c COUNT                     COUNT rounds of a loop of seven instructions that depend on each other
#   m COUNT                     the same with a read, a write and an indirect call in each round
#   r PATH BLOCKS COUNT DEPTH   COUNT reads of 4 KiB past the cache, at random among BLOCKS, by DEPTH processes at once
#   f ADDRESS PORT              reads from a server (s) until that has sent all
#   p ADDRESS PORT COUNT        COUNT bytes to a server (s) and back, one after the other
#   s PORT BLOCKS               the server: sends BLOCKS of 64 KiB, or every byte back; says `ready` when it listens
#
# Prints the nanoseconds that it took, by the clock of the kernel that it runs on. Exit status: 0, or 1 when anything failed.
#
# W1 The time of starting a program is not in it, that of starting the readers is.

.set SYS_read, 0
.set SYS_write, 1
.set SYS_open, 2
.set SYS_close, 3
.set SYS_pread64, 17
.set SYS_socket, 41
.set SYS_connect, 42
.set SYS_accept, 43
.set SYS_bind, 49
.set SYS_listen, 50
.set SYS_setsockopt, 54
.set SYS_fork, 57
.set SYS_exit, 60
.set SYS_wait4, 61
.set SYS_clock_gettime, 228

.set O_DIRECT, 0x4000
.set BLOCK_BYTES, 4096
.set BUFFER_BYTES, 65536
.set NANOSECONDS, 1000000000

.globl _start
.text
_start:
        cmpq    $3, (%rsp)
        jl      fail
        lea     8(%rsp), %rbp
        mov     8(%rbp), %rax
        movzbl  (%rax), %eax
        cmp     $'c', %al
        je      compute
        cmp     $'m', %al
        je      move
        cmpq    $4, (%rsp)
        jl      fail
        cmp     $'r', %al
        je      random
        cmp     $'f', %al
        je      fetch
        cmp     $'p', %al
        je      ping
        cmp     $'s', %al
        je      serve
fail:
        mov     $1, %edi
        jmp     quit
done:
        xor     %edi, %edi
quit:
        mov     $SYS_exit, %eax
        syscall

compute:
        mov     16(%rbp), %rdi
        call    number
        mov     %rax, %r14
        call    now
        mov     %rax, %rbx
        mov     $0x9e3779b97f4a7c15, %r8
next_round:
        mov     %r8, %rax
        shl     $13, %rax
        xor     %rax, %r8
        mov     %r8, %rax
        shr     $7, %rax
        xor     %rax, %r8
        dec     %r14
        jnz     next_round
        jmp     tell

move:
        mov     16(%rbp), %rdi
        call    number
        mov     %rax, %r14
        call    now
        mov     %rax, %rbx
        mov     $0x9e3779b97f4a7c15, %r8
        lea     buffer(%rip), %rsi
        lea     even(%rip), %r9
        lea     odd(%rip), %r10
next_move:
        mov     %r8, %rax
        shl     $13, %rax
        xor     %rax, %r8
        mov     %r8, %rax
        shr     $7, %rax
        xor     %rax, %r8
        movzwl  %r8w, %edx
        and     $0xfff8, %edx
        add     (%rsi, %rdx), %rax
        mov     %r9, %rdi
        test    $16, %dl
        cmovnz  %r10, %rdi
        call    *%rdi
        mov     %rax, (%rsi, %rdx)
        dec     %r14
        jnz     next_move
        jmp     tell
even:
        inc     %rax
        ret
odd:
        dec     %rax
        ret

# r12 file, r13 blocks, r14 reads of each process, r15 processes, rbx when it began, rbp the number of a process
random:
        cmpq    $6, -8(%rbp)
        jne     fail
        mov     16(%rbp), %rdi
        mov     $O_DIRECT, %esi
        mov     $SYS_open, %eax
        call    must
        mov     %rax, %r12
        mov     24(%rbp), %rdi
        call    number
        mov     %rax, %r13
        mov     40(%rbp), %rdi
        call    number
        mov     %rax, %r15
        mov     32(%rbp), %rdi
        call    number
        xor     %edx, %edx
        div     %r15
        mov     %rax, %r14
        call    now
        mov     %rax, %rbx
        xor     %ebp, %ebp
begin_reader:
        mov     $SYS_fork, %eax
        call    must
        jz      reader
        inc     %rbp
        cmp     %r15, %rbp
        jl      begin_reader
await_reader:
        mov     $-1, %rdi
        lea     status(%rip), %rsi
        xor     %edx, %edx
        xor     %r10d, %r10d
        mov     $SYS_wait4, %eax
        call    must
        cmpl    $0, status(%rip)
        jne     fail
        dec     %r15
        jnz     await_reader
        jmp     tell

reader:
        inc     %rbp
        mov     $0x9e3779b97f4a7c15, %r8
        imul    %rbp, %r8
next_read:
        mov     %r8, %rax
        shl     $13, %rax
        xor     %rax, %r8
        mov     %r8, %rax
        shr     $7, %rax
        xor     %rax, %r8
        mov     %r8, %rax
        shl     $17, %rax
        xor     %rax, %r8
        mov     %r8, %rax
        xor     %edx, %edx
        div     %r13
        imul    $BLOCK_BYTES, %rdx, %r10
        mov     %r12, %rdi
        lea     buffer(%rip), %rsi
        mov     $BLOCK_BYTES, %edx
        mov     $SYS_pread64, %eax
        syscall
        cmp     $BLOCK_BYTES, %rax
        jne     fail
        dec     %r14
        jnz     next_read
        jmp     done

fetch:
        call    connect
        call    now
        mov     %rax, %rbx
        lea     fetch_word(%rip), %rsi
        call    send_byte
receive:
        mov     %r12, %rdi
        lea     buffer(%rip), %rsi
        mov     $BUFFER_BYTES, %edx
        mov     $SYS_read, %eax
        call    must
        jnz     receive
        jmp     tell

ping:
        cmpq    $5, -8(%rbp)
        jne     fail
        mov     32(%rbp), %rdi
        call    number
        mov     %rax, %r14
        call    connect
        lea     ping_word(%rip), %rsi
        call    send_byte
        call    now
        mov     %rax, %rbx
next_ping:
        lea     ping_word(%rip), %rsi
        call    send_byte
        mov     %r12, %rdi
        lea     buffer(%rip), %rsi
        mov     $1, %edx
        mov     $SYS_read, %eax
        call    must
        jz      fail
        dec     %r14
        jnz     next_ping
        jmp     tell

# r12 the server's socket, r13 a connection, r14 blocks to send
serve:
        mov     24(%rbp), %rdi
        call    number
        mov     %rax, %r14
        mov     16(%rbp), %rdi
        call    number
        xchg    %al, %ah
        mov     %ax, address_port(%rip)
        call    socket
        mov     %r12, %rdi
        lea     address(%rip), %rsi
        mov     $16, %edx
        mov     $SYS_bind, %eax
        call    must
        mov     %r12, %rdi
        mov     $64, %esi
        mov     $SYS_listen, %eax
        call    must
        mov     $1, %edi
        lea     ready(%rip), %rsi
        mov     $6, %edx
        mov     $SYS_write, %eax
        call    must
accept:
        mov     %r12, %rdi
        xor     %esi, %esi
        xor     %edx, %edx
        mov     $SYS_accept, %eax
        call    must
        mov     %rax, %r13
        mov     $SYS_fork, %eax
        call    must
        jz      answer
        mov     %r13, %rdi
        mov     $SYS_close, %eax
        call    must
        jmp     accept

answer:
        mov     %r13, %r12
        call    no_delay
        mov     %r12, %rdi
        lea     buffer(%rip), %rsi
        mov     $1, %edx
        mov     $SYS_read, %eax
        call    must
        cmpb    $'f', buffer(%rip)
        jne     send_back
send_all:
        mov     $BUFFER_BYTES, %r15
send_rest:
        mov     %r12, %rdi
        lea     buffer(%rip), %rsi
        mov     %r15, %rdx
        mov     $SYS_write, %eax
        call    must
        sub     %rax, %r15
        jnz     send_rest
        dec     %r14
        jnz     send_all
        jmp     done
send_back:
        mov     %r12, %rdi
        lea     buffer(%rip), %rsi
        mov     $BUFFER_BYTES, %edx
        mov     $SYS_read, %eax
        call    must
        jz      done
        mov     %rax, %rdx
        mov     %r12, %rdi
        lea     buffer(%rip), %rsi
        mov     $SYS_write, %eax
        call    must
        jmp     send_back

# A socket to the address and port that were given, in r12.
connect:
        mov     24(%rbp), %rdi
        call    number
        xchg    %al, %ah
        mov     %ax, address_port(%rip)
        mov     16(%rbp), %rdi
        lea     address_ip(%rip), %r8
        mov     $4, %r9d
next_part:
        call    number
        mov     %al, (%r8)
        inc     %r8
        inc     %rdi
        dec     %r9d
        jnz     next_part
        call    socket
        mov     %r12, %rdi
        lea     address(%rip), %rsi
        mov     $16, %edx
        mov     $SYS_connect, %eax
        call    must
        ret

socket:
        mov     $2, %edi
        mov     $1, %esi
        xor     %edx, %edx
        mov     $SYS_socket, %eax
        call    must
        mov     %rax, %r12
no_delay:
        mov     %r12, %rdi
        mov     $6, %esi
        mov     $1, %edx
        lea     one(%rip), %r10
        mov     $4, %r8d
        mov     $SYS_setsockopt, %eax
        call    must
        ret

send_byte:
        mov     %r12, %rdi
        mov     $1, %edx
        mov     $SYS_write, %eax
        call    must
        ret

# Prints how long it is since rbx, and ends.
tell:
        call    now
        sub     %rbx, %rax
        lea     digits_end(%rip), %rsi
        movb    $'\n', -1(%rsi)
        dec     %rsi
        mov     $10, %ecx
next_digit:
        xor     %edx, %edx
        div     %rcx
        add     $'0', %dl
        dec     %rsi
        mov     %dl, (%rsi)
        test    %rax, %rax
        jnz     next_digit
        lea     digits_end(%rip), %rdx
        sub     %rsi, %rdx
        mov     $1, %edi
        mov     $SYS_write, %eax
        call    must
        jmp     done

# Nanoseconds of the monotonic clock.
now:
        mov     $1, %edi
        lea     time(%rip), %rsi
        mov     $SYS_clock_gettime, %eax
        call    must
        imul    $NANOSECONDS, time(%rip), %rax
        add     time + 8(%rip), %rax
        ret

# The number at rdi, which is moved behind it.
number:
        xor     %eax, %eax
next_figure:
        movzbl  (%rdi), %ecx
        sub     $'0', %ecx
        cmp     $9, %ecx
        ja      number_end
        imul    $10, %rax, %rax
        add     %rcx, %rax
        inc     %rdi
        jmp     next_figure
number_end:
        ret

# A system call that must not fail; the flags are those of its answer.
must:
        syscall
        test    %rax, %rax
        js      fail
        ret

.data
one:            .long   1
fetch_word:     .ascii  "f"
ping_word:      .ascii  "p"
ready:          .ascii  "ready\n"
address:        .word   2
address_port:   .word   0
address_ip:     .long   0
                .quad   0

.bss
                .balign 4096
buffer:         .space  BUFFER_BYTES
time:           .space  16
status:         .space  4
digits:         .space  24
digits_end:
