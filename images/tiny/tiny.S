/*
 * tiny: the smallest guest that is worth orchestrating. It owns its whole machine: a 32-bit ELF program, entered
 * by the PVH boot protocol (QEMU `-kernel`, machines `microvm` and `q35`) or from a disk by the boot sector of images/disk
 * (machines `pc` and `q35`), without firmware calls, paging or devices beyond the first serial port, the interrupt controller and the interval timer.
 *
 * It prints `innkeeper-guest: up tiny`, then `innkeeper-guest: beat N`, N = 1, 2, ..., and sleeps (HLT) between timer ticks.
 * A power button press makes it power off, so a requested shutdown works as with any other guest.
 *
 * Command line: tokens parted by spaces; a token that is not exactly NAME=DIGITS with a known name is ignored.
 *   beat=N    beats per second, 0..1000, default 10
 *   dirty=N   MiB of memory written per second, one word per 4 KiB page, default 0
 *   span=N    MiB that `dirty` walks over again and again, default 16, cut to the memory there is
 *   fill=N    MiB of memory written once, one word per page, before the first beat, default 0, cut to the memory there is; read again and
 *             again afterwards: a word that is another one ends all beats with `innkeeper-guest: memory damaged`
 *   exit=N    power off after beat N
 *   reset=N   reset (triple fault) after beat N
 *   panic=N   report a panic through the pvpanic port after beat N, then halt
 *
 * T1 It touches no memory above its own image but the span and what it fills, which start at SPAN_START.
 * T2 It never spins: every wait but the one for the serial port's holding register is a HLT.
 */
        .set    SERIAL, 0x3f8
        .set    PIT_HZ, 1193182
        .set    TICK_HZ_MIN, 20         /* the timer's divisor has 16 bits: no less than 18.2 Hz */
        .set    TICK_HZ_DIRTY, 100      /* finer ticks while memory is dirtied, so that writes are spread */
        .set    BEAT_HZ_MAX, 1000
        .set    NUMBER_MAX, 1000000
        .set    COMMAND_LINE_MAX, 4096
        .set    SPAN_START, 0x01000000  /* 16 MiB */
        .set    FILL_OFFSET, 8          /* in its page, beside the word that `dirty` writes */
        .set    CHECKED_PAGES, 64       /* at each tick */
        .set    MEMORY_END_MAX, 0xc0000000
        .set    PM1_STATUS, 0x600       /* ACPI fixed hardware, as firmware places it on q35 */
        .set    PM1_ENABLE, 0x602
        .set    PM1_CONTROL, 0x604
        .set    PM1_POWER_BUTTON, 0x100
        .set    PM1_SLEEP_S5, 0x2000
        .set    GED_EVENT, 0xfea00000   /* ACPI generic event device of microvm: selector and sleep register */
        .set    GED_SLEEP_CONTROL, 0xfea00200
        .set    GED_POWER_DOWN, 2
        .set    GED_SLEEP_S5, 0x34
        .set    PVPANIC, 0x505
        .set    LAPIC_SPURIOUS, 0xfee000f0
        .set    LAPIC_LINT0, 0xfee00350
        .set    TIMER_VECTOR, 0x20
        .set    SPURIOUS_VECTOR, 0x27

        .section .note.pvh, "a", @note  /* XEN_ELFNOTE_PHYS32_ENTRY: where PVH enters */
        .align  4
        .long   4, 4, 18
        .asciz  "Xen"
        .long   start

        .text
        .code32
        .globl  start
start:                                  /* ebx: struct hvm_start_info */
        cli
        cld
        movl    $stack_end, %esp
        lgdt    gdt_pointer
        ljmp    $8, $1f
1:      movl    $16, %eax
        movw    %ax, %ds
        movw    %ax, %es
        movw    %ax, %ss
        call    serial_init
        movl    $text_up, %esi
        call    print
        call    read_memory_end
        movl    24(%ebx), %esi          /* cmdline_paddr */
        call    parse_command_line
        call    plan_ticks
        call    fill_memory
        call    interrupts_init
        movw    $PM1_ENABLE, %dx        /* ask for the power button's status bit; without effect on microvm */
        movw    $PM1_POWER_BUTTON, %ax
        outw    %ax, %dx
main_loop:
        sti
        hlt
        cli
        xorl    %eax, %eax
        xchgl   %eax, ticks_pending
        testl   %eax, %eax
        jz      main_loop
        call    check_power_button
        call    dirty_memory
        call    check_memory
        call    maybe_beat
        jmp     main_loop

/* ---- serial port ---- */
serial_init:                            /* 115200 8N1, FIFO on, no interrupts */
        movl    $serial_setup, %esi
        movl    $6, %ecx
1:      xorl    %edx, %edx
        lodsb
        movb    %al, %dl
        addw    $SERIAL, %dx
        lodsb
        outb    %al, %dx
        loop    1b
        ret
serial_setup:
        .byte   1, 0,  3, 0x80,  0, 1,  1, 0,  3, 3,  2, 7

print:                                  /* esi: text ended by 0 */
        lodsb
        testb   %al, %al
        jz      1f
        call    print_byte
        jmp     print
1:      ret

print_byte:                             /* al */
        movb    %al, %ah
        movw    $SERIAL + 5, %dx
1:      inb     %dx, %al
        testb   $0x20, %al
        jz      1b
        movb    %ah, %al
        movw    $SERIAL, %dx
        outb    %al, %dx
        ret

print_number:                           /* eax */
        movl    $number_end, %edi
        movl    $10, %ecx
1:      xorl    %edx, %edx
        divl    %ecx
        addb    $'0', %dl
        decl    %edi
        movb    %dl, (%edi)
        testl   %eax, %eax
        jnz     1b
        movl    %edi, %esi
        jmp     print

/* ---- start information ---- */
read_memory_end:                        /* the end of the memory that holds SPAN_START, from the map if there is one */
        movl    $SPAN_START, memory_end
        cmpl    $1, 4(%ebx)             /* version: the map came with 1 */
        jb      3f
        movl    40(%ebx), %esi          /* memmap_paddr */
        movl    48(%ebx), %ecx          /* memmap_entries, each: u64 address, u64 size, u32 type, u32 reserved */
        testl   %esi, %esi
        jz      3f
1:      jecxz   3f
        cmpl    $1, 16(%esi)
        jne     2f
        cmpl    $0, 4(%esi)
        jne     2f
        movl    (%esi), %eax
        cmpl    $SPAN_START, %eax
        ja      2f
        movl    $MEMORY_END_MAX, %edx
        cmpl    $0, 12(%esi)
        jne     4f
        addl    8(%esi), %eax
        jc      4f
        cmpl    %edx, %eax
        ja      4f
        movl    %eax, %edx
4:      cmpl    memory_end, %edx
        jbe     2f
        movl    %edx, memory_end
2:      addl    $24, %esi
        decl    %ecx
        jmp     1b
3:      ret

parse_command_line:                     /* esi: text ended by 0, or null */
        testl   %esi, %esi
        jz      9f
        leal    COMMAND_LINE_MAX(%esi), %ebp
next_token:
        cmpl    %ebp, %esi
        jae     9f
        movb    (%esi), %al
        testb   %al, %al
        jz      9f
        cmpb    $' ', %al
        jne     1f
        incl    %esi
        jmp     next_token
1:      movl    $options, %edi
2:      cmpb    $0, (%edi)              /* edi: name of 6 bytes, ended by 0, then the address of the value */
        je      skip_token
        pushl   %esi
        movl    %edi, %edx
3:      movb    (%edx), %al
        testb   %al, %al
        jz      4f
        cmpb    (%esi), %al
        jne     5f
        incl    %edx
        incl    %esi
        jmp     3b
4:      call    parse_number
        jc      5f
        popl    %edx
        movl    8(%edi), %edx
        movl    %eax, (%edx)
        jmp     next_token
5:      popl    %esi
        addl    $12, %edi
        jmp     2b
skip_token:
        movb    (%esi), %al
        testb   %al, %al
        jz      9f
        cmpb    $' ', %al
        je      next_token
        incl    %esi
        cmpl    %ebp, %esi
        jb      skip_token
9:      ret

parse_number:                           /* esi: text -> eax, at most NUMBER_MAX; carry: not DIGITS to the token's end */
        xorl    %eax, %eax
        xorl    %ecx, %ecx
1:      movzbl  (%esi), %edx
        testb   %dl, %dl
        jz      3f
        cmpb    $' ', %dl
        je      3f
        subb    $'0', %dl
        cmpb    $9, %dl
        ja      4f
        incl    %ecx
        incl    %esi
        imull   $10, %eax
        addl    %edx, %eax
        cmpl    $NUMBER_MAX, %eax
        jbe     1b
        movl    $NUMBER_MAX, %eax
        jmp     1b
3:      testl   %ecx, %ecx
        jz      4f
        clc
        ret
4:      stc
        ret

/* ---- ticks ---- */
plan_ticks:                             /* tick_hz = beat * ticks_per_beat, as slow as the timer and `dirty` allow */
        movl    $TICK_HZ_MIN, %ebx
        cmpl    $0, dirty
        je      1f
        movl    $TICK_HZ_DIRTY, %ebx
1:      movl    %ebx, tick_hz
        movl    beat, %ecx
        jecxz   3f
        cmpl    $BEAT_HZ_MAX, %ecx
        jbe     2f
        movl    $BEAT_HZ_MAX, %ecx
2:      leal    -1(%ebx, %ecx), %eax
        xorl    %edx, %edx
        divl    %ecx
        movl    %eax, ticks_per_beat
        imull   %ecx, %eax
        movl    %eax, tick_hz
3:      movl    memory_end, %eax        /* cut the span to whole MiB of the memory there is */
        subl    $SPAN_START, %eax
        shrl    $20, %eax
        cmpl    %eax, span
        jbe     4f
        movl    %eax, span
4:      cmpl    %eax, fill
        jbe     5f
        movl    %eax, fill
5:      ret

fill_memory:                            /* after plan_ticks, which has cut `fill` */
        movl    fill, %ecx
        shll    $8, %ecx                /* pages */
        jz      2f
        movl    $SPAN_START, %edi
1:      movl    %edi, FILL_OFFSET(%edi)
        addl    $0x1000, %edi
        loop    1b
2:      ret

interrupts_init:
        movl    $timer_interrupt, %eax
        movl    $idt + TIMER_VECTOR * 8, %edi
        call    set_gate
        movl    $spurious_interrupt, %eax
        movl    $idt + SPURIOUS_VECTOR * 8, %edi
        call    set_gate
        lidt    idt_pointer
        movl    $0x1ff, LAPIC_SPURIOUS  /* some firmware leaves the local APIC off: enable it, 8259 on LINT0 */
        movl    $0x700, LAPIC_LINT0
        movl    $interrupt_setup, %esi
        movl    $10, %ecx
1:      xorl    %edx, %edx
        lodsb
        movb    %al, %dl
        lodsb
        outb    %al, %dx
        loop    1b
        movl    $PIT_HZ, %eax
        xorl    %edx, %edx
        divl    tick_hz
        outb    %al, $0x40
        movb    %ah, %al
        outb    %al, $0x40
        ret
interrupt_setup:                        /* both 8259s: vectors from TIMER_VECTOR, all masked but the timer; 8254: mode 2 */
        .byte   0x20, 0x11,  0x21, TIMER_VECTOR,  0x21, 4,  0x21, 1
        .byte   0xa0, 0x11,  0xa1, TIMER_VECTOR + 8,  0xa1, 2,  0xa1, 1
        .byte   0x21, 0xfe,  0x43, 0x34

set_gate:                               /* eax: handler, edi: descriptor */
        movw    %ax, (%edi)
        movw    $8, 2(%edi)
        movw    $0x8e00, 4(%edi)
        shrl    $16, %eax
        movw    %ax, 6(%edi)
        ret

timer_interrupt:
        pushl   %eax
        incl    ticks_pending
        movb    $0x20, %al
        outb    %al, $0x20
        popl    %eax
spurious_interrupt:
        iret

/* ---- work done at each tick ---- */
dirty_memory:                           /* credit grows by dirty * 256 pages per second; a page costs tick_hz */
        movl    dirty, %eax
        testl   %eax, %eax
        jz      3f
        movl    span, %ecx
        shll    $8, %ecx                /* pages in the span */
        jz      3f
        shll    $8, %eax
        addl    credit, %eax
        movl    next_page, %edx
1:      subl    tick_hz, %eax
        jc      2f
        movl    %edx, %edi
        shll    $12, %edi
        incl    SPAN_START(%edi)
        incl    %edx
        cmpl    %ecx, %edx
        jb      1b
        xorl    %edx, %edx
        jmp     1b
2:      addl    tick_hz, %eax
        movl    %eax, credit
        movl    %edx, next_page
3:      ret

check_memory:                           /* some pages of what was filled, round and round */
        movl    fill, %ecx
        shll    $8, %ecx                /* pages */
        jz      3f
        movl    next_check, %edx
        movl    $CHECKED_PAGES, %ebx
1:      movl    %edx, %edi
        shll    $12, %edi
        addl    $SPAN_START, %edi
        cmpl    %edi, FILL_OFFSET(%edi)
        jne     4f
        incl    %edx
        cmpl    %ecx, %edx
        jb      2f
        xorl    %edx, %edx
2:      decl    %ebx
        jnz     1b
        movl    %edx, next_check
3:      ret
4:      movl    $text_damaged, %esi
        call    print
        jmp     halt

maybe_beat:
        cmpl    $0, beat
        je      1f
        incl    ticks_since_beat
        movl    ticks_per_beat, %eax
        cmpl    %eax, ticks_since_beat
        jae     2f
1:      ret
2:      movl    $0, ticks_since_beat
        incl    beat_count
        movl    $text_beat, %esi
        call    print
        movl    beat_count, %eax
        call    print_number
        movb    $'\n', %al
        call    print_byte
        movl    beat_count, %eax
        cmpl    exit, %eax
        je      power_off
        cmpl    reset, %eax
        je      reset_machine
        cmpl    panic, %eax
        jne     1b
        movw    $PVPANIC, %dx
        movb    $1, %al
        outb    %al, %dx
        jmp     halt

check_power_button:                     /* the ACPI ports read all ones where they do not exist */
        movw    $PM1_STATUS, %dx
        inw     %dx, %ax
        cmpw    $0xffff, %ax
        je      1f
        testw   $PM1_POWER_BUTTON, %ax
        jnz     power_off
        ret
1:      cmpl    $GED_POWER_DOWN, GED_EVENT
        je      power_off
        ret

power_off:
        movl    $text_off, %esi
        call    print
        movw    $PM1_STATUS, %dx
        inw     %dx, %ax
        cmpw    $0xffff, %ax
        je      1f
        movw    $PM1_CONTROL, %dx
        movw    $PM1_SLEEP_S5, %ax
        outw    %ax, %dx
        jmp     reset_machine
1:      movb    $GED_SLEEP_S5, GED_SLEEP_CONTROL
reset_machine:
        lidt    no_idt_pointer
        int3
halt:
        cli
        hlt
        jmp     halt

/* ---- data ---- */
        .data
        .align  8
gdt:    .quad   0
        .quad   0x00cf9a000000ffff
        .quad   0x00cf92000000ffff
gdt_pointer:
        .word   23
        .long   gdt
idt_pointer:
        .word   0x28 * 8 - 1
        .long   idt
no_idt_pointer:
        .word   0
        .long   0
        .align  4
        .macro  option name, value
1:      .asciz  "\name="
        .fill   8 - (. - 1b), 1, 0
        .long   \value
        .endm
options:
        option  beat, beat
        option  dirty, dirty
        option  span, span
        option  fill, fill
        option  exit, exit
        option  reset, reset
        option  panic, panic
        .byte   0
text_up:
        .asciz  "innkeeper-guest: up tiny\n"
text_beat:
        .asciz  "innkeeper-guest: beat "
text_damaged:
        .asciz  "innkeeper-guest: memory damaged\n"
text_off:
        .asciz  "innkeeper-guest: off\n"
        .align  4
beat:   .long   10
span:   .long   16

        .bss
        .align  8
idt:    .skip   0x28 * 8
dirty:  .skip   4
fill:   .skip   4
exit:   .skip   4
reset:  .skip   4
panic:  .skip   4
memory_end:       .skip 4
tick_hz:          .skip 4
ticks_per_beat:   .skip 4
ticks_since_beat: .skip 4
ticks_pending:    .skip 4
beat_count:       .skip 4
credit:           .skip 4
next_page:        .skip 4
next_check:       .skip 4
        .skip   16
number_end:
        .skip   4
        .skip   2048
stack_end:
