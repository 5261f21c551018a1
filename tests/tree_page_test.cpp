#include "format/tree_page.hpp"

#include "format/encoding.hpp"
#include "support/hostile_bytes.hpp"
#include "support/random_records.hpp"

using namespace backstay::core;

namespace
{

Entry named(std::string name)
{
    Entry entry;
    entry.path = std::move(name);
    return entry;
}

TreePage leaf(const std::vector<std::string>& names)
{
    TreePage page;
    for (const std::string& name : names) {
        page.entries.push_back(named(name));
    }
    return page;
}

TreePage inner(const std::vector<std::string>& names)
{
    TreePage page;
    page.level = 1;
    for (const std::string& name : names) {
        page.pages.push_back({name, id_of<BlobId>(0x33), 300, 5});
    }
    return page;
}

std::string nth_name(std::size_t n)
{
    return std::to_string(100000 + n);
}

std::vector<std::string> names(std::size_t count)
{
    std::vector<std::string> names;
    for (std::size_t n = 0; n < count; ++n) {
        names.push_back(nth_name(n));
    }
    return names;
}

TreePage random_page(SeededNumbers& numbers)
{
    TreePage page;
    page.level = static_cast<std::uint8_t>(numbers.below(max_tree_level + 1));
    const std::size_t count = 1 + numbers.below(5);
    for (std::size_t n = 0; n < count; ++n) {
        if (page.level == 0) {
            page.entries.push_back(random_entry(numbers));
            page.entries.back().path = nth_name(n);
        } else {
            page.pages.push_back({nth_name(n), random_id<BlobId>(numbers), random_number(numbers),
                                  random_number(numbers)});
        }
    }
    return page;
}

bool comes_back(const TreePage& page)
{
    return decode_tree_page(encode_tree_page(page)) == page;
}

bool refused(const TreePage& page)
{
    return is_refused(encode_tree_page(page), decode_tree_page);
}

Bytes claiming(std::uint8_t level, std::uint64_t count, std::size_t left)
{
    Bytes out;
    Encoder to(out);
    to.u8(level);
    to.varint(count);
    to.raw(Bytes(left, 1));
    return out;
}

} // namespace

TEST_CASE("a page of a folder has the bytes that the format says")
{
    CHECK(to_hex(encode_tree_page(leaf({"a", "b"}))) == "0002"
                                                        "01610100"
                                                        "01620100");
    CHECK(to_hex(encode_tree_page(inner({"a"}))) == "0101"
                                                    "0161" +
                                                        repeated_hex(0x33, 32) + "ac0205");
}

TEST_CASE("pages of folders come back")
{
    CHECK(comes_back(TreePage()));
    CHECK(comes_back(leaf({"a", "b"})));
    CHECK(comes_back(inner({"a", "b"})));
    SeededNumbers numbers(5);
    for (int i = 0; i < 300; ++i) {
        const TreePage page = random_page(numbers);
        CHECK(comes_back(page));
    }
}

TEST_CASE("a damaged page of a folder is refused or is another one")
{
    SeededNumbers numbers(6);
    TreePage random = leaf({"a", "b", "c"});
    for (Entry& entry : random.entries) {
        const std::string name = entry.path;
        entry = random_entry(numbers);
        entry.path = name;
    }
    for (const TreePage& page : {random, inner({"a", "b"})}) {
        const Bytes bytes = encode_tree_page(page);
        CHECK(refuses_every_truncation(bytes, decode_tree_page));
        CHECK(withstands_every_changed_byte(bytes, decode_tree_page, encode_tree_page));
    }
}

TEST_CASE("a page of a folder whose names are out of order or stand twice is refused")
{
    CHECK(refused(leaf({"b", "a"})));
    CHECK(refused(leaf({"a", "a"})));
    CHECK(refused(inner({"b", "a"})));
    CHECK(refused(inner({"a", "a"})));
    CHECK(comes_back(leaf({"a", "\x80"}))); // by bytes, not by signed characters
}

TEST_CASE("a page of a folder with a name that is none is refused")
{
    for (const std::string& name :
         {std::string(), std::string("."), std::string(".."), std::string("a/b"),
          std::string("/etc"), std::string("a\0b", 3), std::string(max_name_size + 1, 'a')}) {
        CAPTURE(name);
        CHECK(refused(leaf({name})));
        CHECK(refused(inner({name})));
    }
}

TEST_CASE("a page of a folder beyond the limits is refused")
{
    CHECK(comes_back(leaf(names(max_page_entries))));
    CHECK(refused(leaf(names(max_page_entries + 1))));
    TreePage large = leaf(names(2));
    large.entries[0].xattrs = {{"a", Bytes(max_page_bytes)}};
    CHECK(comes_back(large));
    large.entries[1].xattrs = {{"a", Bytes(max_page_bytes)}};
    CHECK(refused(large));
    large.entries.erase(large.entries.begin());
    CHECK(comes_back(large));
    CHECK(comes_back(inner(names(max_page_entries))));
    CHECK(refused(inner(names(max_page_entries + 1))));
    CHECK(refused(inner({})));

    TreePage page = inner({"a"});
    page.level = max_tree_level + 1;
    CHECK(refused(page));
}

TEST_CASE("a page of a folder that is too large is refused before it is read")
{
    TreePage page = leaf(names(5));
    for (Entry& entry : page.entries) {
        entry.xattrs = {{"a", Bytes(max_xattr_value)}};
    }
    CHECK(refused(page));
    page.entries.resize(1);
    CHECK(comes_back(page));
}

TEST_CASE("a page of a folder that claims more than it holds is refused")
{
    CHECK(is_refused(claiming(0, UINT64_MAX, 0), decode_tree_page));
    CHECK(is_refused(claiming(0, 1000, 100), decode_tree_page));
    CHECK(is_refused(claiming(1, 1000, 100), decode_tree_page));
}
