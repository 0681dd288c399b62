#include "tests/cluster/lib/hostile_keys.h"

#include <stdlib.h>
#include <string.h>

static const char *const texts[] = {
    "plain.jpg", " ", " leading blank", "trailing blank ", "a b.jpg", "a+b.jpg", "a=b.jpg", "a&b=c.jpg", "a%41.jpg", "a%2Fb", "a%", "100%25", "what?.jpg",
    "a?versionId=1", "a?acl", "a#b.jpg", "a*b.jpg", "it's", "say \"cheese\"", "<b>&amp;</b>", "]]>", "a//b", "a//", "/leading", "//", "///x", "a/./b", "a/../b", "../up",
    "a/..", "a/.", "caf\xc3\xa9.jpg", "cafe\xcc\x81.jpg", "\xe7\x8b\x97/\xf0\x9f\x90\x95.jpg", "\xef\xbf\xbd", "\xc2\x80", "tab\there", "line\nbreak", "return\r",
    "\x01\x02\x1f", "\x7f", "back\\slash", "{curly}|^~[square]`", "a;b,c:d@e!f$(g)", "-dash", "~tilde", "a.b..c", "...", "con\x1b[31mtrol", "uploads", "x-amz-date",
    "a\x01z page end", "UPPER", "upper", "0",
};

#define TEXTS  (sizeof(texts) / sizeof(*texts))
#define LONGEST 1024

static int compare(const void *a, const void *b)
{
    const struct hostile_key *left = a, *right = b;
    int r = memcmp(left->data, right->data, left->size < right->size ? left->size : right->size);
    return r ? r : (left->size > right->size) - (left->size < right->size);
}

const struct hostile_key *hostile_keys(size_t *ret_count)
{
    static struct hostile_key keys[TEXTS + 2];
    static char plain[LONGEST], hostile[LONGEST];
    memset(plain, 'k', LONGEST);
    memset(hostile, '+', LONGEST);
    for (int i = 0; i < LONGEST; i += 128)
        hostile[i] = '/';
    hostile[0] = 'h';
    for (size_t i = 0; i < TEXTS; i++)
        keys[i] = (struct hostile_key){ texts[i], strlen(texts[i]) };
    keys[TEXTS] = (struct hostile_key){ plain, LONGEST };
    keys[TEXTS + 1] = (struct hostile_key){ hostile, LONGEST };
    *ret_count = TEXTS + 2;
    qsort(keys, TEXTS + 2, sizeof(*keys), compare);
    return keys;
}
