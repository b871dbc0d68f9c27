#pragma once

// Compiles a function once per instruction set and picks at load time. Fused multiply-add is switched off for this
// folder, so every variant gives the same bits.
#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__)
#define RUNG_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define RUNG_CLONES
#endif
