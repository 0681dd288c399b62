/* poison.c: a library to be preloaded into workers, in which some photos are poison: a JPEG whose last bytes are "sleddog-poison:KIND\n" ends or
 * blocks the process when libjpeg begins to decode it. Without the library such a file is a photo like any other.
 *
 *   crash    writes where it may not
 *   abort    calls abort()
 *   hang     waits for ever
 *   spin     computes for ever
 *   memory   takes memory until there is too much of it, and is then killed as the kernel would kill it
 *   once     crashes if there is a file "poison-once" in the working directory, which it removes */
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <jpeglib.h>

#define MARK        "sleddog-poison:"
#define LONGEST     64
#define TOO_MUCH    (512u << 20)
#define PIECE       (16u << 20)

static void crash(void)
{
    volatile char *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    page[0] = 1;
}

static void hang(void)
{
    for (;;)
        pause();
}

static void spin(void)
{
    for (volatile unsigned long i = 0;; i++)
        ;
}

static void exhaust(void)
{
    for (size_t taken = 0; taken < TOO_MUCH; taken += PIECE) {
        void *piece = malloc(PIECE);
        if (piece)
            memset(piece, 1, PIECE);
    }
    kill(getpid(), SIGKILL);
}

static void crash_once(void)
{
    if (unlink("poison-once") == 0)
        crash();
}

static const struct {
    const char *name;
    void (*act)(void);
} kinds[] = { { "crash", crash }, { "abort", abort }, { "hang", hang }, { "spin", spin }, { "memory", exhaust }, { "once", crash_once } };

/* The file's last line, if that is what makes it poison. */
static const char *find_mark(const struct jpeg_source_mgr *source, char line[LONGEST + 1])
{
    size_t size = source->bytes_in_buffer < LONGEST ? source->bytes_in_buffer : LONGEST;
    memcpy(line, source->next_input_byte + source->bytes_in_buffer - size, size);
    line[size] = '\0';
    char *mark = memmem(line, size, MARK, strlen(MARK));
    if (!mark)
        return NULL;
    mark[strcspn(mark, "\n")] = '\0';
    return mark + strlen(MARK);
}

boolean jpeg_start_decompress(j_decompress_ptr jpeg)
{
    boolean (*real)(j_decompress_ptr);
    void *symbol = dlsym(RTLD_NEXT, "jpeg_start_decompress");
    char line[LONGEST + 1];
    memcpy(&real, &symbol, sizeof(real)); /* ISO C has no cast from data to function pointers */
    const char *mark = find_mark(jpeg->src, line);
    for (size_t i = 0; mark && i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (!strcmp(mark, kinds[i].name))
            kinds[i].act();
    return real(jpeg);
}
