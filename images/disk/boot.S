/*
 * The boot sector of the disk image `disk`: what firmware starts, as it would any operating system's. It reads the
 * program `tiny` (images/tiny) from the sectors behind it, puts it where it belongs, and enters it as a hypervisor would
 * that boots it directly.
 *
 * On the disk:  sector 0        this
 *               sectors 1, 2    the command line, ended by 0
 *               sectors 3 to 66 the program as it lies in memory, followed by zeros, which are its .bss
 *
 * B1 It asks the firmware for nothing but to read the disk that it was started from.
 * B2 It tells the program of no memory map, so `dirty` has no effect.
 */
        .set    SECTOR, 512
        .set    COMMAND_LINE_SECTORS, 2
        .set    PROGRAM_SECTORS, 64
        .set    BUFFER, 0x10000
        .set    PROGRAM, 0x100000
        .set    HVM_START_MAGIC, 0x336ec578

        .text
        .code16
        .globl  boot
boot:
        cli
        cld
        xorw    %ax, %ax
        movw    %ax, %ds
        movw    %ax, %es
        movw    %ax, %ss
        movw    $boot, %sp
        ljmp    $0, $1f
1:      movb    $0x42, %ah              /* extended read; dl: the drive, as the firmware left it */
        movw    $packet, %si
        int     $0x13
        jc      stuck
        cli
        inb     $0x92, %al              /* address line 20, where the firmware has left it off */
        orb     $2, %al
        andb    $0xfe, %al
        outb    %al, $0x92
        lgdt    gdt_pointer
        movl    %cr0, %eax
        orb     $1, %al
        movl    %eax, %cr0
        ljmp    $8, $enter
stuck:  hlt
        jmp     stuck

        .code32
enter:  movl    $16, %eax
        movw    %ax, %ds
        movw    %ax, %es
        movw    %ax, %ss
        movl    $boot, %esp
        movl    $BUFFER + COMMAND_LINE_SECTORS * SECTOR, %esi
        movl    $PROGRAM, %edi
        movl    $PROGRAM_SECTORS * SECTOR / 4, %ecx
        rep     movsl
        movl    $start_info, %ebx
        movl    $PROGRAM, %eax
        jmp     *%eax

        .align  8
gdt:    .quad   0
        .quad   0x00cf9a000000ffff
        .quad   0x00cf92000000ffff
gdt_pointer:
        .word   23
        .long   gdt
packet: .byte   16, 0
        .word   COMMAND_LINE_SECTORS + PROGRAM_SECTORS
        .word   0, BUFFER >> 4          /* offset, segment */
        .quad   1                       /* first sector */
        .align  8
start_info:                             /* struct hvm_start_info, version 0 */
        .long   HVM_START_MAGIC, 0, 0, 0
        .quad   0
        .quad   BUFFER                  /* the command line */
        .quad   0

        .org    510
        .word   0xaa55
