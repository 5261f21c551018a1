#include "format/entry.hpp"

#include "format/encoding.hpp"
#include "support/hostile_bytes.hpp"
#include "support/random_records.hpp"

using namespace backstay::core;

namespace
{

Bytes encoded(const Entry& entry)
{
    Bytes out;
    Encoder to(out);
    encode_entry(to, entry);
    return out;
}

Entry decoded(ByteSpan bytes)
{
    Decoder from(bytes, "entry");
    Entry entry = decode_entry(from);
    from.finish();
    return entry;
}

/// Has every field.
Entry full_entry()
{
    Entry entry;
    entry.path = "a";
    entry.kind = EntryKind::image;
    entry.damaged = true;
    entry.size = 5;
    entry.mode = 0644;
    entry.user_id = 0;
    entry.group_id = UINT32_MAX;
    entry.user = "u";
    entry.group = "g";
    entry.modified = Timestamp{1, 2};
    entry.changed = Timestamp{-1, 0};
    entry.created = Timestamp{0, 0};
    entry.link = LinkIdentity{7, 8};
    entry.device = 9;
    entry.file_flags = 0;
    entry.link_target = "t";
    entry.xattrs = {{"x", {0xab}}, {"y", {}}};
    entry.change_token = {0xcd};
    entry.content = {0, {{5, id_of<BlobId>(0x11)}}};
    entry.subtree = Subtree{id_of<BlobId>(0x22), 3, 4};
    entry.contents_left_out = true;
    return entry;
}

/// An entry "a" of kind file whose fields are these.
Bytes with_fields(std::uint32_t present, std::string_view fields_hex)
{
    Bytes out;
    Encoder to(out);
    to.text("a");
    to.u8(1);
    to.varint(present);
    to.raw(*from_hex(fields_hex));
    return out;
}

std::vector<Xattr> numbered_xattrs(std::size_t count, std::size_t value_size)
{
    std::vector<Xattr> xattrs;
    for (std::size_t i = 0; i < count; ++i) {
        xattrs.push_back({"a" + std::to_string(1'000'000 + i), Bytes(value_size)});
    }
    return xattrs;
}

} // namespace

TEST_CASE("an entry has the bytes that the format says")
{
    CHECK(to_hex(encoded(full_entry())) == "0161"
                                           "09"
                                           "ffff1f"       // all fields
                                           "05"           // size
                                           "a403"         // mode
                                           "00ffffffff0f" // ids
                                           "01750167"     // names
                                           "0202"
                                           "0100"
                                           "0000" // times
                                           "0708" // link
                                           "0900" // device, flags
                                           "0174" // link target
                                           "02"
                                           "0178"
                                           "01ab"
                                           "0179"
                                           "00"   // extended attributes
                                           "01cd" // change token
                                           "00010a" +
                                               repeated_hex(0x11, 32) + repeated_hex(0x22, 32) +
                                               "0304");
}

TEST_CASE("entries come back, whichever fields they have")
{
    CHECK(decoded(encoded(full_entry())) == full_entry());
    SeededNumbers numbers(3);
    for (int i = 0; i < 1000; ++i) {
        const Entry entry = random_entry(numbers);
        const Bytes bytes = encoded(entry);
        CHECK(decoded(bytes) == entry);
        CHECK(encoded(decoded(bytes)) == bytes);
    }
}

TEST_CASE("a damaged entry is refused or is another one")
{
    const Bytes bytes = encoded(full_entry());
    CHECK(refuses_every_truncation(bytes, decoded));
    CHECK(withstands_every_changed_byte(bytes, decoded, encoded));
}

TEST_CASE("an entry of an unknown kind or with unknown fields is refused")
{
    Entry entry;
    entry.path = "a";
    for (const int kind : {0, 10, 255}) {
        entry.kind = static_cast<EntryKind>(kind);
        CHECK(is_refused(encoded(entry), decoded));
    }
    CHECK(is_refused(with_fields(1U << 19U, "00"), decoded));
}

TEST_CASE("an entry's field that says what its absence says is refused")
{
    const auto refused = [](unsigned bit, std::string_view hex) {
        return is_refused(with_fields(1U << bit, hex), decoded);
    };
    CHECK(refused(1, "00"));    // size
    CHECK(refused(5, "00"));    // user
    CHECK(refused(6, "00"));    // group
    CHECK(refused(11, "00"));   // device
    CHECK(refused(13, "00"));   // link target
    CHECK(refused(14, "00"));   // extended attributes
    CHECK(refused(15, "00"));   // change token
    CHECK(refused(16, "0000")); // content
    CHECK_FALSE(refused(1, "01"));
}

TEST_CASE("an entry's extended attributes must be in order, each once, and have names")
{
    Entry entry;
    entry.path = "a";
    entry.xattrs = {{"b", {}}, {"a", {}}};
    CHECK(is_refused(encoded(entry), decoded));
    entry.xattrs = {{"a", {}}, {"a", {}}};
    CHECK(is_refused(encoded(entry), decoded));
    entry.xattrs = {{"", {}}};
    CHECK(is_refused(encoded(entry), decoded));
}

TEST_CASE("as many extended attributes as a file system lists come back")
{
    Entry entry;
    entry.path = "a";
    entry.xattrs = numbered_xattrs(max_xattrs, 0);
    CHECK(decoded(encoded(entry)) == entry);
    entry.xattrs = numbered_xattrs(3, max_xattrs_size / 3);
    CHECK(decoded(encoded(entry)) == entry);
    CHECK_NOTHROW(check_entry_limits(entry));
}

TEST_CASE("an entry beyond the limits is refused")
{
    Entry entry;
    entry.path = "a";
    entry.change_token = Bytes(max_change_token, 1);
    CHECK(decoded(encoded(entry)) == entry);
    entry.change_token.push_back(1);
    CHECK(is_refused(encoded(entry), decoded));

    entry.change_token.clear();
    entry.link_target = std::string(max_link_target + 1, 'a');
    CHECK(is_refused(encoded(entry), decoded));

    entry.link_target.clear();
    entry.mode = 010000;
    CHECK(is_refused(encoded(entry), decoded));

    entry.mode.reset();
    entry.xattrs = {{"a", Bytes(max_xattr_value + 1)}};
    CHECK(is_refused(encoded(entry), decoded));

    entry.xattrs.clear();
    entry.content.items.assign(max_inline_items + 1, ContentItem{1, {}});
    CHECK(is_refused(encoded(entry), decoded));
}

TEST_CASE("what a decoder would refuse of an entry is refused of a source")
{
    SeededNumbers numbers(4);
    for (int i = 0; i < 300; ++i) {
        CHECK_NOTHROW(check_entry_limits(random_entry(numbers)));
    }
    const auto refused = [](auto change) {
        Entry entry = full_entry();
        change(entry);
        CHECK(is_refused(encoded(entry), decoded));
        try {
            check_entry_limits(entry);
        } catch (const Error& error) {
            return error.code() == ErrorCode::invalid && error.subject() == entry.path;
        }
        return false;
    };
    const std::string long_name(max_name_size + 1, 'a');
    CHECK(refused([](Entry& entry) { entry.kind = static_cast<EntryKind>(0); }));
    CHECK(refused([](Entry& entry) { entry.kind = static_cast<EntryKind>(10); }));
    CHECK(refused([](Entry& entry) { entry.mode = 010000; }));
    CHECK(refused([&](Entry& entry) { entry.user = long_name; }));
    CHECK(refused([&](Entry& entry) { entry.group = long_name; }));
    CHECK(refused([](Entry& entry) { entry.changed->nanoseconds = 1'000'000'000; }));
    CHECK(refused([](Entry& entry) { entry.link_target.assign(max_link_target + 1, 'a'); }));
    CHECK(refused([](Entry& entry) { entry.xattrs[0].value.resize(max_xattr_value + 1); }));
    CHECK(refused([&](Entry& entry) { entry.xattrs[0].name = long_name; }));
    CHECK(refused([](Entry& entry) { entry.xattrs[0].name.clear(); }));
    CHECK(refused([](Entry& entry) { entry.xattrs[1].name = entry.xattrs[0].name; }));
    CHECK(refused([](Entry& entry) { std::swap(entry.xattrs[0], entry.xattrs[1]); }));
    CHECK(refused([](Entry& entry) { entry.xattrs = numbered_xattrs(max_xattrs + 1, 0); }));
    CHECK(
        refused([](Entry& entry) { entry.xattrs = numbered_xattrs(4, max_xattrs_size / 4 + 1); }));
    CHECK(refused([](Entry& entry) { entry.change_token.resize(max_change_token + 1); }));
}

TEST_CASE("an entry that claims more than it holds is refused")
{
    CHECK(is_refused(with_fields(1U << 14U, "ffffffffffffffffff01"), decoded));
    CHECK(is_refused(with_fields(1U << 16U, "00ffffffffffffffffff01"), decoded));
    CHECK(is_refused(with_fields(1U << 13U, "ffff03"), decoded));
    CHECK(is_refused(*from_hex("ffffffffffffffffff0161"), decoded));
}

TEST_CASE("an entry's name is one name that no path can escape by")
{
    for (const std::string_view name : {"a", "...", ".a", " ", "\xff", "a\nb"}) {
        CHECK(is_entry_name(name));
    }
    for (const std::string_view name : {"", ".", "..", "/", "a/b", "a/"}) {
        CHECK_FALSE(is_entry_name(name));
    }
    CHECK_FALSE(is_entry_name(std::string_view("a\0b", 3)));
    CHECK(is_entry_name(std::string(max_name_size, 'a')));
    CHECK_FALSE(is_entry_name(std::string(max_name_size + 1, 'a')));
}

TEST_CASE("an entry's path is names with single slashes between them")
{
    for (const std::string_view path : {"a", "a/b", "a/b/c", ".a/..b"}) {
        CHECK(is_entry_path(path));
    }
    for (const std::string_view path :
         {"", "/", "/a", "a/", "a//b", ".", "..", "a/..", "../a", "a/../b", "a/.", "./a", "//"}) {
        CHECK_FALSE(is_entry_path(path));
    }
    CHECK_FALSE(is_entry_path(std::string_view("a/b\0", 4)));
    CHECK_FALSE(is_entry_path("a/" + std::string(max_name_size + 1, 'a')));
}

TEST_CASE("a path longer than the limit is none")
{
    std::string path = "a";
    while (path.size() + 2 <= max_path_size) {
        path += "/a";
    }
    CHECK(is_entry_path(path));
    CHECK_FALSE(is_entry_path(path + "/a"));
}

TEST_CASE("a folder sorts right before what is in it, and that before its neighbours")
{
    const std::vector<std::string> sorted = {"",      "a",   "a/b",  "a/b/c", "a/b!", "a/c",
                                             "a\x01", "a b", "a!",   "a-",    "a.",   "a0",
                                             "ab",    "b",   "\x7f", "\x80",  "\xff"};
    for (std::size_t i = 0; i < sorted.size(); ++i) {
        for (std::size_t j = 0; j < sorted.size(); ++j) {
            CAPTURE(sorted[i]);
            CAPTURE(sorted[j]);
            CHECK(path_less(sorted[i], sorted[j]) == (i < j));
        }
    }
}

TEST_CASE("names sort as paths as they sort by bytes in a page of a folder")
{
    SeededNumbers numbers(4);
    for (int i = 0; i < 2000; ++i) {
        const std::string a = random_name(numbers, 4);
        const std::string b = random_name(numbers, 4);
        CHECK(path_less(a, b) == (a < b));
    }
}

TEST_CASE("every kind of entry has a name of its own")
{
    CHECK(std::string(entry_kind_name(EntryKind::file)) == "file");
    CHECK(std::string(entry_kind_name(EntryKind::hard_link)) == "hard-link");
    CHECK(std::string(entry_kind_name(EntryKind::image)) == "image");
    CHECK(std::string(entry_kind_name(static_cast<EntryKind>(0))) == "unknown");
}
