/*
 * main.c - memferry-manual man|bash|zsh|fish: writes the man page or a shell's completions to
 * standard output. It is run when memferry is built and is not installed.
 *
 * Failure modes: an unknown word, or output that cannot be written: said, and a non-zero exit.
 */
#include "client/manual/manual.h"

#include <string.h>

static const struct {
    const char *name;
    void (*write)(FILE *out);
} forms[] = {
    {"man", manual_page}, {"bash", manual_bash}, {"zsh", manual_zsh}, {"fish", manual_fish}};

int main(int argc, char **argv)
{
    for (size_t i = 0; argc == 2 && i < sizeof forms / sizeof forms[0]; i++) {
        if (strcmp(argv[1], forms[i].name) == 0) {
            forms[i].write(stdout);
            if (fflush(stdout) != 0 || ferror(stdout)) {
                perror("memferry-manual: cannot write the output");
                return 74;
            }
            return 0;
        }
    }
    fputs("memferry-manual man|bash|zsh|fish\n", stderr);
    return 64;
}
