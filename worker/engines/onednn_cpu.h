/* onednn_cpu.h: what the CPU is, for people and for the fingerprint [dnnl.h].
 *
 * Threads:   no state; call from anywhere.
 * Errors:    none; what cannot be found out has a general name. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* The instruction set oneDNN uses, after DNNL_MAX_CPU_ISA: "avx512_core". */
const char *onednn_isa_name(void);

/* Whether products of u8 and s8 are added in 32 bits (VNNI, AMX); without, pairs of them are added in 16 bits and saturate. */
bool onednn_isa_adds_exactly(void);

/* Does it compute with AVX-512 VNNI, and with nothing better, and may it (DNNL_MAX_CPU_ISA)? */
bool onednn_isa_is_avx512_vnni(void);

/* "Intel(R) Xeon(R) ..." from /proc/cpuinfo, else "CPU". */
void onednn_cpu_name(char *name, size_t size);

/* Cores this process may run on. */
int onednn_cores(void);
