/* pdh.dll for wine 8, whose own ends the program when it is asked which counters there are: a Windows without any. */
#include <windows.h>
#include <pdhmsg.h>

#define WITHOUT_DATA(name) \
    __declspec(dllexport) long WINAPI name(void) { return PDH_NO_DATA; }

/* On x86-64 the caller takes the arguments away, so their number does not matter. */
WITHOUT_DATA(PdhAddEnglishCounterW)
WITHOUT_DATA(PdhCloseQuery)
WITHOUT_DATA(PdhCollectQueryData)
WITHOUT_DATA(PdhCollectQueryDataEx)
WITHOUT_DATA(PdhEnumObjectsW)
WITHOUT_DATA(PdhGetFormattedCounterArrayW)
WITHOUT_DATA(PdhGetFormattedCounterValue)
WITHOUT_DATA(PdhOpenQueryW)
WITHOUT_DATA(PdhRemoveCounter)
