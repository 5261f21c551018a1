#include "canonical.hpp"
#include "choice.hpp"
#include "format/encoding.hpp"
#include "format/tree_page.hpp"

using namespace backstay::core;

namespace
{

Entry decode_one_entry(ByteSpan bytes)
{
    Decoder from(bytes, "entry");
    Entry entry = decode_entry(from);
    from.finish();
    return entry;
}

Bytes encode_one_entry(const Entry& entry)
{
    Bytes out;
    Encoder to(out);
    encode_entry(to, entry);
    return out;
}

void demand_names(const TreePage& page)
{
    for (const Entry& entry : page.entries) {
        if (!is_entry_name(entry.path)) {
            found("an entry of a page has a name that is none");
        }
    }
    for (const PageRef& ref : page.pages) {
        if (!is_entry_name(ref.first_name)) {
            found("a page has a name that is none");
        }
    }
}

} // namespace

// An input is what to read (1 byte: page of a folder, page of a content list, entry) and its bytes.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    return read_by_choice(
        data, size,
        {[](ByteSpan bytes) {
             demand_one_form(bytes, decode_tree_page, encode_tree_page);
             accepts([&] { demand_names(decode_tree_page(bytes)); });
         },
         [](ByteSpan bytes) { demand_one_form(bytes, decode_content_page, encode_content_page); },
         [](ByteSpan bytes) { demand_one_form(bytes, decode_one_entry, encode_one_entry); }});
}
