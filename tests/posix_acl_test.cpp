#include "format/posix_acl.hpp"

#include <doctest/doctest.h>

using namespace backstay::core;

namespace
{

using Tag = AclLine::Tag;

const std::vector<AclLine> sample{{Tag::user_object, 6, AclLine::no_id},
                                  {Tag::user, 7, 1000},
                                  {Tag::group_object, 5, AclLine::no_id},
                                  {Tag::mask, 7, AclLine::no_id},
                                  {Tag::other, 0, AclLine::no_id}};

} // namespace

TEST_CASE("an access list has the bytes that Linux keeps in the extended attribute")
{
    const std::vector<AclLine> lines{{Tag::user_object, 6, AclLine::no_id}, {Tag::user, 4, 258}};
    CHECK(to_hex(encode_posix_acl(lines)) == "02000000"
                                             "01000600ffffffff"
                                             "0200040002010000");
}

TEST_CASE("an access list comes back as it was")
{
    CHECK(decode_posix_acl(encode_posix_acl(sample)) == sample);
    CHECK(decode_posix_acl(encode_posix_acl({})) == std::vector<AclLine>());
}

TEST_CASE("what is no access list is refused")
{
    const Bytes good = encode_posix_acl(sample);
    for (std::size_t size = 0; size < good.size(); ++size) {
        if (size % 8 != 4) {
            CHECK_FALSE(decode_posix_acl(ByteSpan(good).first(size)));
        }
    }
    Bytes other_version = good;
    other_version[0] = 3;
    CHECK_FALSE(decode_posix_acl(other_version));
    Bytes other_tag = good;
    other_tag[4] = 0x40;
    CHECK_FALSE(decode_posix_acl(other_tag));
}
