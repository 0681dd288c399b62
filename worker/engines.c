#include "worker/engines.h"

#include "common/cleanup.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>

#define DEVICE_TEXT 256

extern const struct engine_ops sim_engine;

static const struct entry {
    const char *name;
    const struct engine_ops *built_in; /* NULL: a plugin */
    const char *made;                  /* where the plugin comes from */
} entries[] = {
    { "cudnn", NULL, "it is built where nvcc and cuDNN are found" },
    { "onednn", NULL, "it is built where libdnnl-dev is found" },
    { "sim", &sim_engine, NULL },
};

const char *engines_name(int i)
{
    return i >= 0 && (size_t)i < ARRAY_SIZE(entries) ? entries[i].name : NULL;
}

/* Folder i in which to look; -ENOENT after the last. */
static int plugin_folder(int i, char *folder, size_t size)
{
    const char *told = getenv("SLEDDOG_ENGINES");
    if (told && *told) {
        if (i > 0)
            return -ENOENT;
        snprintf(folder, size, "%s", told);
        return 0;
    }
    char self[PATH_MAX];
    ssize_t n = i < 2 ? readlink("/proc/self/exe", self, sizeof(self) - 1) : -1;
    if (n <= 0)
        return -ENOENT;
    self[n] = '\0';
    char *slash = strrchr(self, '/');
    if (slash)
        *slash = '\0';
    int length = snprintf(folder, size, "%s%s", self, i == 0 ? "" : "/../lib/sleddog");
    return length < 0 || (size_t)length >= size ? -ENOENT : 0;
}

static int not_found(const struct entry *entry, struct why *why)
{
    char folder[PATH_MAX], folders[512] = "";
    for (int i = 0; plugin_folder(i, folder, sizeof(folder)) == 0; i++) {
        size_t used = strlen(folders);
        snprintf(folders + used, sizeof(folders) - used, "%s%.240s", i ? " or " : "", folder);
    }
    return because(why, -ENOENT, "engine %s: sleddog-engine-%s.so not found in %s; %s", entry->name, entry->name, folders,
                   entry->made);
}

static int load(const struct entry *entry, const char *path, const struct engine_ops **ret, struct why *why)
{
    void *plugin = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!plugin)
        return because(why, -ENOEXEC, "engine %s: cannot load: %s", entry->name, dlerror());
    engine_entry_point *entry_point = NULL;
    void *symbol = dlsym(plugin, ENGINE_ENTRY_POINT);
    memcpy(&entry_point, &symbol, sizeof(symbol)); /* ISO C has no cast from data to function pointers */
    if (!entry_point)
        return because(why, -ENOEXEC, "engine %s: %s has no function " ENGINE_ENTRY_POINT "; is it one of Sleddog's plugins?",
                       entry->name, path);
    const struct engine_ops *ops = entry_point();
    if (ops->abi != ENGINE_ABI || strcmp(ops->name, entry->name))
        return because(why, -ENOEXEC, "engine %s: %s is engine %s for interface %u, and this program has interface %d; "
                       "install program and plugin of the same version", entry->name, path,
                       ops->abi == ENGINE_ABI ? ops->name : "?", ops->abi, ENGINE_ABI);
    *ret = ops;
    return 0;
}

static int find_plugin(const struct entry *entry, const struct engine_ops **ret, struct why *why)
{
    char folder[PATH_MAX], path[PATH_MAX + 64];
    for (int i = 0; plugin_folder(i, folder, sizeof(folder)) == 0; i++) {
        snprintf(path, sizeof(path), "%s/sleddog-engine-%s.so", folder, entry->name);
        if (access(path, F_OK) == 0)
            return load(entry, path, ret, why);
    }
    return not_found(entry, why);
}

/* Loading the plugin brings in 500 MB of libraries: not for nothing. */
static bool has_gpu_driver(void)
{
    void *driver = dlopen("libcuda.so.1", RTLD_LAZY | RTLD_LOCAL);
    if (driver)
        dlclose(driver);
    return driver;
}

/* The plugin, and that there is a device for it. */
static int find_gpu(const struct engine_ops **ret, char device[DEVICE_TEXT], struct why *why)
{
    int r = engines_find("cudnn", ret, why);
    return r < 0 ? r : (*ret)->probe(device, DEVICE_TEXT, why);
}

static int find_auto(const struct engine_ops **ret, struct why *why)
{
    char device[DEVICE_TEXT];
    if (has_gpu_driver() && find_gpu(ret, device, NULL) == 0)
        return 0;
    return engines_find("onednn", ret, why);
}

int engines_gpu_unused(struct why *why)
{
    const struct engine_ops *ops;
    char device[DEVICE_TEXT];
    return has_gpu_driver() ? find_gpu(&ops, device, why) : 0;
}

int engines_find(const char *name, const struct engine_ops **ret, struct why *why)
{
    if (!strcmp(name, "auto"))
        return find_auto(ret, why);
    for (size_t i = 0; i < ARRAY_SIZE(entries); i++) {
        if (strcmp(name, entries[i].name))
            continue;
        if (!entries[i].built_in)
            return find_plugin(&entries[i], ret, why);
        *ret = entries[i].built_in;
        return 0;
    }
    return because(why, -ENOENT, "engine %.100s: there is none of this name; use auto, cudnn, onednn or sim", name);
}

bool engines_on_gpu(const char *name, struct why *why)
{
    const struct engine_ops *ops;
    char device[DEVICE_TEXT];
    bool wanted = !strcmp(name, "cudnn");
    if (!wanted && !has_gpu_driver()) {
        because(why, 0, "no CUDA driver here (libcuda.so.1)");
        return false;
    }
    if (find_gpu(&ops, device, why) < 0)
        return false;
    if (!wanted)
        because(why, 0, "there is one (%s), but --engine %s is used", device, name);
    return wanted;
}

int engines_open(const char *name, const struct engine_spec *spec, struct engines_opened *ret, struct why *why)
{
    const struct engine_ops *ops;
    struct engine *engine = NULL;
    int r = engines_find(name, &ops, why);
    if (r < 0)
        return r;
    r = ops->open(spec, &engine, why);
    if (r < 0)
        return r;
    *ret = (struct engines_opened){ ops, engine };
    return 0;
}
