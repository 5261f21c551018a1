/* The header compiles alone as C99, and visible structs lie as the first release laid them out: no
 * padding, members in place. */
#include <backstay/backstay.h>

#define AT(type, member, offset)                                                                   \
    typedef char at_##type##_##member[offsetof(type, member) == (offset) ? 1 : -1]
#define SIZE(type, size) typedef char size_of_##type[sizeof(type) == (size) ? 1 : -1]

#if UINTPTR_MAX > 0xffffffffu
AT(backstay_field, number, 16);
AT(backstay_field, name, 24);
AT(backstay_field, length, 48);
SIZE(backstay_field, 56);
AT(backstay_entry, path, 16);
AT(backstay_entry, change_token, 48);
AT(backstay_entry, xattrs, 112);
AT(backstay_entry, item, 128);
AT(backstay_entry, link, 160);
AT(backstay_entry, modified_s, 176);
AT(backstay_entry, chunk_size, 228);
SIZE(backstay_entry, 232);
SIZE(backstay_xattr, 32);
SIZE(backstay_session, 24);
SIZE(backstay_verdict, 32);
SIZE(backstay_source_vtable, 80);
#endif

int main(void)
{
    return backstay_version() == BACKSTAY_VERSION_NUMBER ? 0 : 1;
}
