/* bcryptprimitives.dll for wine 8, which has none: the one function that Rust's standard library takes from it. */
#include <windows.h>

/* What wine calls RtlGenRandom. */
BOOLEAN NTAPI SystemFunction036(PVOID buffer, ULONG size);

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE buffer, SIZE_T size) {
    return SystemFunction036(buffer, (ULONG)size);
}
