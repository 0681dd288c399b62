/* devices.h: GPUs as cuDNN is told of them when they are not there, in tests only.
 *
 * The keys are those that cuDNN 9.19 demands (found from its error log; undocumented), the values from NVIDIA's data sheets and the CUDA
 * programming guide's table of technical specifications. deviceVer is 100 * major + 10 * minor. */
#pragma once

#define DEVICE(name, version, processors, threads, blocks, shared, most_shared, gib, clock, memory_clock, l2_mib)                      \
    { name, version,                                                                                                                   \
      "{\"maxGridSize\":[2147483647,65535,65535],\"maxBlockSize\":[1024,1024,64],\"regsPerBlock\":65536,\"warpSize\":32,"              \
      "\"maxRegistersPerSM\":65536,\"maxThreadsPerBlock\":1024,\"maxSharedMemoryPerBlock\":49152,\"pciDeviceId\":0,\"isTccDriver\":0," \
      "\"supportCoopLaunch\":1,\"cudaDeviceId\":0,\"driverVer\":13000,\"deviceName\":\"" name "\",\"deviceVer\":" #version             \
      ",\"multiProcessorCount\":" #processors ",\"maxThreadsPerSM\":" #threads ",\"maxCtasPerSM\":" #blocks                            \
      ",\"reservedSharedMemoryPerBlock\":" #shared ",\"maxSharedMemoryPerBlockOptin\":" #most_shared                                   \
      ",\"totalGlobalMem\":" #gib "000000000,\"smClockRateKHz\":" #clock ",\"memClockRateKHz\":" #memory_clock                         \
      ",\"l2CacheSize\":" #l2_mib "000000}" }

static const struct device {
    const char *name;
    int version;
    const char *properties;
} devices[] = {
    DEVICE("Tesla T4", 750, 40, 1024, 16, 0, 65536, 15, 1590000, 5001000, 4),
    DEVICE("NVIDIA A100-SXM4-80GB", 800, 108, 2048, 32, 1024, 166912, 84, 1410000, 1593000, 41),
    DEVICE("NVIDIA A10", 860, 72, 1536, 16, 1024, 101376, 23, 1695000, 6251000, 6),
    DEVICE("NVIDIA L4", 890, 58, 1536, 24, 1024, 101376, 23, 2040000, 6251000, 50),
    DEVICE("NVIDIA H200", 900, 132, 2048, 32, 1024, 232448, 150, 1980000, 3201000, 62),
};
