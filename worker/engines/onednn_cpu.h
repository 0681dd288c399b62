/* onednn_cpu.h: what the CPU is, for people and for the fingerprint [dnnl.h].
 *
 * Threads:   no state; call from anywhere.
 * Errors:    none; what cannot be found out has a general name. */
#pragma once

#include <stddef.h>

/* The instruction set oneDNN uses, after DNNL_MAX_CPU_ISA: "avx512_core". */
const char *onednn_isa_name(void);

/* "Intel(R) Xeon(R) ..." from /proc/cpuinfo, else "CPU". */
void onednn_cpu_name(char *name, size_t size);

/* Cores this process may run on. */
int onednn_cores(void);
