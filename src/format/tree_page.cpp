#include "format/tree_page.hpp"

#include "format/encoding.hpp"

namespace backstay::core
{

Bytes encode_tree_page(const TreePage& page)
{
    Bytes items;
    Encoder to(items);
    for (const Entry& entry : page.entries) {
        encode_entry(to, entry);
    }
    for (const PageRef& ref : page.pages) {
        encode_page_ref(to, ref);
    }
    return assemble_tree_page(page.level, page.entries.size() + page.pages.size(), items);
}

Bytes assemble_tree_page(std::uint8_t level, std::size_t count, ByteSpan items)
{
    constexpr std::size_t most_in_front = 1 + 10;
    Bytes out;
    out.reserve(most_in_front + items.size());
    Encoder to(out);
    to.u8(level);
    to.varint(count);
    to.raw(items);
    return out;
}

void encode_page_ref(Encoder& to, const PageRef& ref)
{
    to.text(ref.first_name);
    to.id(ref.page);
    to.varint(ref.entries);
    to.varint(ref.bytes);
}

namespace
{

/// Names are names, in order, each once.
void check_name(const Decoder& from, const std::string& before, const std::string& name, bool first)
{
    if (!is_entry_name(name)) {
        from.fail("it holds a name that cannot be one");
    }
    if (!first && name <= before) {
        from.fail("its names are out of order");
    }
}

void decode_leaf(Decoder& from, TreePage& page)
{
    const std::size_t count = from.count(3);
    if (count > max_page_entries || (count > 1 && from.remaining() > max_shared_page_plain)) {
        from.fail("it holds too many entries");
    }
    page.entries.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
        Entry entry = decode_entry(from);
        check_name(from, i > 0 ? page.entries.back().path : "", entry.path, i == 0);
        page.entries.push_back(std::move(entry));
    }
}

void decode_inner(Decoder& from, TreePage& page)
{
    constexpr std::size_t least_reference = 1 + 1 + 32 + 1 + 1;
    const std::size_t count = from.count(least_reference);
    if (count == 0 || count > max_page_entries) {
        from.fail("it holds too many references, or none");
    }
    page.pages.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
        PageRef ref;
        ref.first_name = from.text(max_name_size);
        check_name(from, i > 0 ? page.pages.back().first_name : "", ref.first_name, i == 0);
        ref.page = from.id<BlobId>();
        ref.entries = from.varint();
        ref.bytes = from.varint();
        page.pages.push_back(std::move(ref));
    }
}

} // namespace

TreePage decode_tree_page(ByteSpan plain)
{
    Decoder from(plain, "page of a folder");
    if (plain.size() > max_page_plain) {
        from.fail("it is too large");
    }
    TreePage page;
    page.level = from.u8();
    if (page.level > max_tree_level) {
        from.fail("it claims too high a level");
    }
    if (page.level == 0) {
        decode_leaf(from, page);
    } else {
        decode_inner(from, page);
    }
    from.finish();
    return page;
}

} // namespace backstay::core
