/* A stand-in for NVIDIA's management library: two GPUs, of which a part can be taken away when it is compiled. */
#include <stdio.h>
#include <string.h>

typedef void *device;
enum { SUCCESS = 0, UNSUPPORTED = 3, UNLOADED = 9, LOST = 15 };

static int first, second;
static int started;

static int index_of(device d) { return d == &second; }

#ifdef NO_DRIVER
int nvmlInit_v2(void) { return UNLOADED; }
#else
int nvmlInit_v2(void) { started++; return SUCCESS; }
#endif
int nvmlShutdown(void) { return started-- > 0 ? SUCCESS : 1; }
const char *nvmlErrorString(int code) {
    return code == UNLOADED ? "Driver Not Loaded" : code == LOST ? "GPU is lost" : "Unknown Error";
}

int nvmlDeviceGetCount_v2(unsigned *count) {
#ifdef BROKEN
    return UNLOADED;
#endif
    *count = 2;
    return started == 1 ? SUCCESS : 1;
}
int nvmlDeviceGetHandleByIndex_v2(unsigned index, device *d) {
#ifdef ONE_LOST
    if (index == 1) return LOST;
#endif
    *d = index ? &second : &first;
    return SUCCESS;
}
int nvmlDeviceGetName(device d, char *text, unsigned room) {
    snprintf(text, room, "%s", index_of(d) ? "Tesla T4" : "NVIDIA A10G");
    return SUCCESS;
}
int nvmlDeviceGetUUID(device d, char *text, unsigned room) {
    memset(text, 'x', room); /* without an end */
    if (index_of(d)) return SUCCESS;
    snprintf(text, room, "GPU-0a1b2c3d");
    return SUCCESS;
}
int nvmlDeviceGetArchitecture(device d, unsigned *value) { *value = index_of(d) ? 4000000000u : 7; return SUCCESS; }
int nvmlDeviceGetUtilizationRates(device d, unsigned *rates) { rates[0] = 91; rates[1] = 42; return index_of(d) ? UNSUPPORTED : SUCCESS; }
int nvmlDeviceGetTemperature(device d, int sensor, unsigned *value) { *value = 50 + index_of(d); return sensor ? UNSUPPORTED : SUCCESS; }
int nvmlDeviceGetPowerUsage(device d, unsigned *value) { *value = 26770 + index_of(d); return SUCCESS; }
int nvmlDeviceGetFanSpeed(device d, unsigned *value) { (void)d; *value = 30; return UNSUPPORTED; }
int nvmlDeviceGetCurrPcieLinkGeneration(device d, unsigned *value) { (void)d; *value = 4; return SUCCESS; }
int nvmlDeviceGetCurrPcieLinkWidth(device d, unsigned *value) { (void)d; *value = 16; return SUCCESS; }
int nvmlDeviceGetEncoderStats(device d, unsigned *a, unsigned *b, unsigned *c) { (void)d; *a = 1; *b = 60; *c = 900; return SUCCESS; }
int nvmlDeviceGetClockInfo(device d, int kind, unsigned *value) { (void)d; *value = 1000 + kind; return kind == 3 ? UNSUPPORTED : SUCCESS; }

struct memory { unsigned long long total, free, used; };
int nvmlDeviceGetMemoryInfo(device d, struct memory *m) { (void)d; m->total = 1000; m->free = 600; m->used = 400; return SUCCESS; }
#ifndef OLD_DRIVER
struct memory2 { unsigned version; unsigned long long total, reserved, free, used; };
int nvmlDeviceGetMemoryInfo_v2(device d, struct memory2 *m) {
    (void)d;
    if (m->version != 0x02000028) return 25;
    m->total = 1000; m->reserved = 100; m->free = 600; m->used = 300;
    return SUCCESS;
}
#endif
