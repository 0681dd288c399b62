/* credentials.c: the order of the sources, the store of the present credentials, and the thread that renews them.
 *
 * The thread sleeps until the present ones are near their end, or the store has refused them. It searches from the beginning, with the files read
 * anew, so that whatever renews a file renews this program too. What it finds replaces the present ones under the lock; whoever still holds the old ones
 * keeps them to the end of his request. */
#include "common/s3/credentials.h"

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/s3/provider.h"
#include "common/thread.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#define EARLY_S    900.0 /* botocore's advisory refresh */
#define AGAIN_S    60.0
#define SOONEST_S  1.0
#define OVER_S     5.0    /* between two attempts once they have ended */
#define LATEST_S   3600.0 /* a look at the clock, which may have been set */
#define POINTLESS_S 10.0  /* after a renewal that brought the same, the next one */

struct credentials_store {
    const struct s3_config *config;
    pthread_mutex_t lock;    /* of all below */
    pthread_cond_t changed;
    struct credentials *now; /* one reference is ours */
    double begin_s, renew_s; /* since 1970: when they were got, and when to get others */
    uint64_t same_ns;        /* when a renewal that was asked for brought the same; 0: never */
    bool wanted, renewable;
    atomic_bool stop;
    struct why trouble;
    struct thread thread;
};

/* ---- snapshots ------------------------------------------------------------------------------------------------------------------ */

struct credentials *credentials_new(const char *id, const char *secret, const char *token, double expires_s, const char *source)
{
    struct credentials *credentials = calloc(1, sizeof(*credentials));
    if (!credentials)
        return NULL;
    atomic_init(&credentials->references, 1);
    credentials->id = strdup(id);
    credentials->secret = strdup(secret);
    credentials->token = token ? strdup(token) : NULL;
    credentials->expires_s = expires_s;
    snprintf(credentials->source, sizeof(credentials->source), "%s", source);
    if (credentials->id && credentials->secret && (!token || credentials->token))
        return credentials;
    credentials_release(credentials);
    return NULL;
}

static void forget(char *text)
{
    if (text)
        explicit_bzero(text, strlen(text));
    free(text);
}

void credentials_release(struct credentials *credentials)
{
    if (!credentials || atomic_fetch_sub(&credentials->references, 1) > 1)
        return;
    forget(credentials->id);
    forget(credentials->secret);
    forget(credentials->token);
    free(credentials);
}

static bool same_text(const char *a, const char *b)
{
    return a && b ? !strcmp(a, b) : a == b;
}

static bool same(const struct credentials *a, const struct credentials *b)
{
    return same_text(a->id, b->id) && same_text(a->secret, b->secret) && same_text(a->token, b->token);
}

/* ---- the search ------------------------------------------------------------------------------------------------------------------ */

static const struct {
    provider *provider;
    bool only_without_profile; /* not with --profile */
} sources[] = {
    { provider_environment, true }, { provider_assume_role, false }, { provider_web_identity, false }, { provider_credentials_file, false },
    { provider_process, false },    { provider_config_file, false }, { provider_container, false },    { provider_imds, false },
};

static int none_found(const struct search *search, const struct why *tried, struct why *why)
{
    bool sso = profiles_get(search->profiles, search->profile, "sso_session") || profiles_get(search->profiles, search->profile, "sso_start_url");
    if (sso)
        return because(why, -ENOKEY, "profile %s signs in with SSO, which is not built in; add a profile with credential_process = aws configure "
                       "export-credentials --profile %s --format process to %s, and name it in --profile", search->profile, search->profile,
                       profiles_where(search->profiles));
    return because(why, -ENOKEY, "no S3 credentials were found: %.700s; name a profile with --profile, or give --no-sign-request for a public bucket",
                   tried->text);
}

/* What a person configures is what the store is called; letters that would end a header or a line are a mistake in it. */
static int check(const struct credentials *found, struct why *why)
{
    const char *const texts[] = { found->id, found->secret, found->token };
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        for (const char *c = texts[i]; c && *c; c++)
            if ((unsigned char)*c <= ' ' || *c == 0x7f)
                return because(why, -EINVAL, "%s: a key with a blank or a control character in it; was it copied whole?", found->source);
    if (strlen(found->secret) > 250 || strlen(found->id) > 250)
        return because(why, -EINVAL, "%s: a key of more than 250 letters; was it copied right?", found->source);
    return 0;
}

static int search_all(const struct search *search, struct credentials **ret, struct why *why)
{
    struct why tried = { "" };
    size_t length = 0;
    for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
        struct why one = { "" };
        if (sources[i].only_without_profile && search->config->profile_given)
            continue;
        struct credentials *found = NULL;
        int r = sources[i].provider(search, &found, &one);
        if (r > 0)
            r = check(found, &one);
        if (r < 0) {
            credentials_release(found);
            return because(why, r, "%s", one.text);
        }
        if (found) {
            *ret = found;
            return 0;
        }
        int n = snprintf(tried.text + length, sizeof(tried.text) - length, "%s%s", length ? ", " : "", one.text);
        length += n > 0 && (size_t)n < sizeof(tried.text) - length ? (size_t)n : 0;
    }
    return none_found(search, &tried, why);
}

static int find(const struct s3_config *config, const atomic_bool *stop, struct credentials **ret, struct why *why)
{
    struct profiles *profiles;
    int r = profiles_read(&profiles, why);
    if (r < 0)
        return r;
    struct search search = { .config = config, .profiles = profiles, .profile = config->profile, .stop = stop };
    r = search_all(&search, ret, why);
    profiles_free(profiles);
    return r;
}

/* ---- renewing ---------------------------------------------------------------------------------------------------------------------- */

/* From 15 minutes before the end, or the last quarter of a shorter life. */
static double time_to_renew(double begin_s, double expires_s)
{
    return isinf(expires_s) ? INFINITY : expires_s - fmin(EARLY_S, (expires_s - begin_s) / 4);
}

/* After a renewal that brought nothing new: soon again, and sooner towards the end. */
static double time_to_try_again(double now_s, double expires_s)
{
    if (isinf(expires_s))
        return INFINITY;
    return now_s + (expires_s <= now_s ? OVER_S : fmax(SOONEST_S, fmin(AGAIN_S, (expires_s - now_s) / 4)));
}

static void keep(struct credentials_store *store, struct credentials *found)
{
    double now_s = clock_wall_s();
    bool changed = !store->now || !same(store->now, found);
    if (!changed && store->wanted)
        store->same_ns = clock_now_ns();
    if (changed) {
        credentials_release(store->now);
        store->now = found;
        store->begin_s = now_s;
        store->same_ns = 0;
    } else {
        credentials_release(found);
    }
    store->renew_s = time_to_renew(store->begin_s, store->now->expires_s);
    if (store->renew_s <= now_s)
        store->renew_s = time_to_try_again(now_s, store->now->expires_s);
    *store->trouble.text = '\0';
}

static void note_trouble(struct credentials_store *store, const struct why *why)
{
    double now_s = clock_wall_s();
    if (!*store->trouble.text)
        log_warning("S3 credentials could not be renewed, trying again: %s", why->text);
    store->trouble = *why;
    if (store->wanted)
        store->same_ns = clock_now_ns();
    store->renew_s = time_to_try_again(now_s, store->now->expires_s);
}

/* The lock is held here, but not while the sources are asked. */
static void renew(struct credentials_store *store)
{
    struct credentials *found = NULL;
    struct why why = { "" };
    pthread_mutex_unlock(&store->lock);
    int r = find(store->config, &store->stop, &found, &why);
    pthread_mutex_lock(&store->lock);
    if (r < 0 && !atomic_load(&store->stop))
        note_trouble(store, &why);
    if (r == 0)
        keep(store, found);
    store->wanted = false;
    pthread_cond_broadcast(&store->changed);
}

static void wait_until(struct credentials_store *store, double wall_s)
{
    double wait_s = fmin(fmax(wall_s - clock_wall_s(), 0), LATEST_S);
    uint64_t end_ns = clock_now_ns() + (uint64_t)(wait_s * (double)NS_PER_S);
    struct timespec end = { (time_t)(end_ns / NS_PER_S), (long)(end_ns % NS_PER_S) };
    pthread_cond_timedwait(&store->changed, &store->lock, &end);
}

static void run(void *arg)
{
    struct credentials_store *store = arg;
    pthread_mutex_lock(&store->lock);
    while (!atomic_load(&store->stop)) {
        if (store->wanted || clock_wall_s() >= store->renew_s)
            renew(store);
        else
            wait_until(store, store->renew_s);
    }
    pthread_mutex_unlock(&store->lock);
}

/* ---- the store ------------------------------------------------------------------------------------------------------------------------ */

static void init_lock(struct credentials_store *store)
{
    pthread_condattr_t attributes;
    pthread_mutex_init(&store->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&store->changed, &attributes);
    pthread_condattr_destroy(&attributes);
}

int credentials_open(const struct s3_config *config, struct credentials_store **ret, struct why *why)
{
    struct credentials *found = NULL;
    int r = find(config, NULL, &found, why);
    if (r < 0)
        return r;
    struct credentials_store *store = calloc(1, sizeof(*store));
    if (!store) {
        credentials_release(found);
        return because(why, -ENOMEM, "out of memory");
    }
    store->config = config;
    init_lock(store);
    keep(store, found);
    store->renewable = strcmp(store->now->source, "the environment") != 0;
    r = store->renewable ? thread_start(&store->thread, "credentials", run, store) : 0;
    if (r < 0) {
        credentials_close(store);
        return because(why, r, "cannot start a thread that renews credentials: %s", strerror(-r));
    }
    *ret = store;
    return 0;
}

void credentials_close(struct credentials_store *store)
{
    if (!store)
        return;
    atomic_store(&store->stop, true);
    pthread_mutex_lock(&store->lock);
    pthread_cond_broadcast(&store->changed);
    pthread_mutex_unlock(&store->lock);
    thread_join(&store->thread);
    credentials_release(store->now);
    pthread_cond_destroy(&store->changed);
    pthread_mutex_destroy(&store->lock);
    free(store);
}

struct credentials *credentials_get(struct credentials_store *store)
{
    pthread_mutex_lock(&store->lock);
    struct credentials *now = store->now;
    atomic_fetch_add(&now->references, 1);
    pthread_mutex_unlock(&store->lock);
    return now;
}

bool credentials_renew(struct credentials_store *store, const struct credentials *old)
{
    pthread_mutex_lock(&store->lock);
    bool others = store->now != old;
    bool pointless = !store->renewable || (store->same_ns && clock_now_ns() - store->same_ns < (uint64_t)(POINTLESS_S * (double)NS_PER_S));
    if (!others && !pointless && !store->wanted) {
        store->wanted = true;
        pthread_cond_broadcast(&store->changed);
    }
    pthread_mutex_unlock(&store->lock);
    return others || !pointless;
}

void credentials_trouble(struct credentials_store *store, struct why *ret)
{
    pthread_mutex_lock(&store->lock);
    *ret = store->trouble;
    pthread_mutex_unlock(&store->lock);
}
