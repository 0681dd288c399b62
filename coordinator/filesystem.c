#include "coordinator/filesystem.h"

#include "common/cleanup.h"

#include <linux/magic.h>
#include <sys/vfs.h>

/* From statfs(2) and the sources of file systems that live outside the kernel. FUSE is counted in, because it may be sshfs. */
static const unsigned long remote[] = {
    NFS_SUPER_MAGIC, SMB_SUPER_MAGIC, 0xff534d42 /* CIFS */, 0xfe534d42 /* SMB2 */, V9FS_MAGIC, AFS_SUPER_MAGIC, 0x6b414653 /* AFS of the kernel */,
    CODA_SUPER_MAGIC, 0x00c36400 /* Ceph */, 0x65735546 /* FUSE */, 0x7461636f /* OCFS2 */, 0x01161970 /* GFS2 */, 0x0bd00bd0 /* Lustre */,
    0x47504653 /* GPFS */, 0x19830326 /* BeeGFS */, 0xaad7aaea /* Panasas */, 0x786f4256 /* vboxsf */,
};

bool filesystem_type_is_remote(unsigned long type)
{
    for (size_t i = 0; i < ARRAY_SIZE(remote); i++)
        if ((type & 0xffffffff) == remote[i])
            return true;
    return false;
}

bool filesystem_is_remote(const char *path)
{
    struct statfs status;
    return statfs(path, &status) == 0 && filesystem_type_is_remote((unsigned long)status.f_type);
}
