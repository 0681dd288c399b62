#include "common/machine.h"

#include "tests/test.h"

#include <sys/mman.h>
#include <unistd.h>

TEST(the_machine_has_a_name_an_owner_and_memory)
{
    char host[256] = "";
    gethostname(host, sizeof(host) - 1);
    CHECK_STR(machine_host(), host);
    CHECK_CONTAINS(machine_owner(), "@");
    CHECK_CONTAINS(machine_owner(), host);
    CHECK(machine_memory() > 16 << 20);
    CHECK(machine_memory() <= (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE));
}

TEST(resident_memory_grows_with_what_is_touched)
{
    uint64_t before = machine_resident();
    CHECK(before > 0);
    size_t size = 64 << 20;
    char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    CHECK(memory != MAP_FAILED);
    CHECK(machine_resident() >= before + size / 2);
}

TEST(a_file_is_found_beside_the_program)
{
    char path[4096], tiny[8];
    CHECK_INT(machine_beside("test_machine", path, sizeof(path)), 0);
    CHECK_INT(access(path, X_OK), 0);
    CHECK_INT(machine_beside("test_machine", tiny, sizeof(tiny)), -ENAMETOOLONG);
}
