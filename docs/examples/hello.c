/* hello.c - puts one memory and reads it back. Build: cc hello.c $(pkg-config --cflags --libs
 * memferry) */
#include <memferry/client.h>

#include <stdio.h>

int main(void)
{
    struct memferry *m = NULL;
    struct memferry_receipt receipt;
    struct memferry_reply *reply = NULL;
    struct memferry_put put = {.size = sizeof put, .id = "hello", .content = "From a C program"};

    int code = memferry_open(&m, NULL);
    if (code == MEMFERRY_OK) {
        code = memferry_put(m, &put, &receipt);
    }
    if (code == MEMFERRY_OK) {
        printf("durable: %s is version %llu\n", receipt.id, (unsigned long long)receipt.seq);
        code = memferry_get(m, "hello", 0, &reply);
    }
    if (code == MEMFERRY_OK) {
        const struct memferry_node *memory = memferry_reply_root(reply);
        printf("read back: %s\n", memferry_node_string(memferry_node_get(memory, "content"), "?"));
    } else {
        fprintf(stderr, "%s\n", m != NULL ? memferry_error(m) : memferry_strerror(code));
    }
    memferry_reply_free(reply);
    memferry_close(m);
    return code == MEMFERRY_OK ? 0 : 1;
}
