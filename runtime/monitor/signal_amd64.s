#include "textflag.h"

// What the handler writes: termMark for SIGTERM, 1 for any other signal.
DATA termEvent<>(SB)/8, $0x100000000
GLOBL termEvent<>(SB), RODATA|NOPTR, $8
DATA otherEvent<>(SB)/8, $1
GLOBL otherEvent<>(SB), RODATA|NOPTR, $8

// The handler is called by the kernel on the thread's signal stack, in the C
// calling convention: the signal's number is in DI. The kernel restores all
// registers when it returns.
TEXT handler<>(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	LEAQ  otherEvent<>(SB), SI
	CMPL  DI, $15 // SIGTERM
	JNE   write
	LEAQ  termEvent<>(SB), SI

write:
	MOVL  ·signalFD(SB), DI
	MOVL  $8, DX
	MOVL  $1, AX // write
	SYSCALL
	RET

TEXT restorer<>(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	MOVL  $15, AX // rt_sigreturn
	SYSCALL
	INT   $3

// func handlerAddress() uintptr
TEXT ·handlerAddress(SB), NOSPLIT, $0-8
	LEAQ  handler<>(SB), AX
	MOVQ  AX, ret+0(FP)
	RET

// func restorerAddress() uintptr
TEXT ·restorerAddress(SB), NOSPLIT, $0-8
	LEAQ  restorer<>(SB), AX
	MOVQ  AX, ret+0(FP)
	RET
