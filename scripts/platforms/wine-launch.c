/* launch.exe STOP ALIVE PROGRAM [ARGUMENTS..]: runs a program under wine the way a test of another system expects it.
 *
 * When the file STOP appears, or the path ALIVE is gone (the runner was killed), the program is ended at once: without a terminal wine 8
 * delivers no Ctrl-Break, which would ask it to stop in order. Its exit code becomes ours. */
#include <stdio.h>
#include <wchar.h>
#include <windows.h>

static int there(const wchar_t *path) {
    return GetFileAttributesW(path) != INVALID_FILE_ATTRIBUTES;
}

/* The command line behind the first `count` words, as it was given: quotes included. */
static wchar_t *rest(wchar_t *line, int count) {
    for (; count > 0; count--) {
        int quoted = 0;
        while (*line && (quoted || (*line != L' ' && *line != L'\t'))) {
            quoted ^= *line++ == L'"';
        }
        while (*line == L' ' || *line == L'\t') {
            line++;
        }
    }
    return line;
}

int wmain(int count, wchar_t **words) {
    STARTUPINFOW start = {.cb = sizeof start, .dwFlags = STARTF_USESTDHANDLES};
    PROCESS_INFORMATION child;
    DWORD code = 1;
    if (count < 4) {
        return 2;
    }
    start.hStdInput = GetStdHandle(STD_INPUT_HANDLE);
    start.hStdOutput = GetStdHandle(STD_OUTPUT_HANDLE);
    start.hStdError = GetStdHandle(STD_ERROR_HANDLE);
    if (!CreateProcessW(NULL, rest(GetCommandLineW(), 3), NULL, NULL, TRUE, CREATE_NO_WINDOW, NULL, NULL, &start, &child)) {
        fprintf(stderr, "launch: the program cannot be started: error %lu\n", GetLastError());
        return 127;
    }
    while (WaitForSingleObject(child.hProcess, 50) == WAIT_TIMEOUT) {
        if (!there(words[2]) || there(words[1])) {
            TerminateProcess(child.hProcess, 137);
        }
    }
    GetExitCodeProcess(child.hProcess, &code);
    return (int)code;
}
