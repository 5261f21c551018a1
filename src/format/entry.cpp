#include "format/entry.hpp"

#include "base/error.hpp"
#include "format/encoding.hpp"

#include <algorithm>

namespace backstay::core
{

namespace
{

/// Which fields follow; the numbers are the format's.
enum Present : std::uint32_t {
    has_damage = 1 << 0,
    has_size = 1 << 1,
    has_mode = 1 << 2,
    has_user_id = 1 << 3,
    has_group_id = 1 << 4,
    has_user = 1 << 5,
    has_group = 1 << 6,
    has_modified = 1 << 7,
    has_changed = 1 << 8,
    has_created = 1 << 9,
    has_link = 1 << 10,
    has_device = 1 << 11,
    has_file_flags = 1 << 12,
    has_link_target = 1 << 13,
    has_xattrs = 1 << 14,
    has_change_token = 1 << 15,
    has_content = 1 << 16,
    has_subtree = 1 << 17,
    has_contents_left_out = 1 << 18,
    all_fields = (1 << 19) - 1,
};

std::uint32_t present_in(const Entry& entry)
{
    std::uint32_t present = 0;
    const auto note = [&present](bool there, Present bit) {
        present |= there ? static_cast<std::uint32_t>(bit) : 0U;
    };
    note(entry.damaged, has_damage);
    note(entry.size != 0, has_size);
    note(entry.mode.has_value(), has_mode);
    note(entry.user_id.has_value(), has_user_id);
    note(entry.group_id.has_value(), has_group_id);
    note(!entry.user.empty(), has_user);
    note(!entry.group.empty(), has_group);
    note(entry.modified.has_value(), has_modified);
    note(entry.changed.has_value(), has_changed);
    note(entry.created.has_value(), has_created);
    note(entry.link.has_value(), has_link);
    note(entry.device != 0, has_device);
    note(entry.file_flags.has_value(), has_file_flags);
    note(!entry.link_target.empty(), has_link_target);
    note(!entry.xattrs.empty(), has_xattrs);
    note(!entry.change_token.empty(), has_change_token);
    note(entry.content != Content{}, has_content);
    note(entry.subtree.has_value(), has_subtree);
    note(entry.contents_left_out, has_contents_left_out);
    return present;
}

void encode_xattrs(Encoder& to, const std::vector<Xattr>& xattrs)
{
    to.varint(xattrs.size());
    for (const Xattr& xattr : xattrs) {
        to.text(xattr.name);
        to.blob(xattr.value);
    }
}

std::vector<Xattr> decode_xattrs(Decoder& from)
{
    const std::size_t count = from.count(2);
    if (count == 0 || count > max_xattrs) {
        from.fail("it claims extended attributes and has none, or too many");
    }
    std::vector<Xattr> xattrs(count);
    std::size_t total = 0;
    for (std::size_t i = 0; i < count; ++i) {
        xattrs[i].name = from.text(max_name_size);
        const ByteSpan value = from.blob(max_xattr_value);
        total += value.size();
        if (total > max_xattrs_size) {
            from.fail("its extended attributes are too large");
        }
        xattrs[i].value.assign(value.begin(), value.end());
        if (xattrs[i].name.empty() || (i > 0 && xattrs[i].name <= xattrs[i - 1].name)) {
            from.fail("its extended attributes are out of order");
        }
    }
    return xattrs;
}

Subtree decode_subtree(Decoder& from)
{
    Subtree subtree;
    subtree.page = from.id<BlobId>();
    subtree.entries = from.varint();
    subtree.bytes = from.varint();
    return subtree;
}

/// A field that is there must not be what its absence says: one value has one form.
template <typename T>
T demand(Decoder& from, T value, bool sensible)
{
    if (!sensible) {
        from.fail("it has a field that says nothing");
    }
    return value;
}

std::string decode_text(Decoder& from, std::size_t limit)
{
    std::string text = from.text(limit);
    const bool there = !text.empty();
    return demand(from, std::move(text), there);
}

void decode_fields(Decoder& from, std::uint32_t present, Entry& entry)
{
    const auto has = [present](Present bit) { return (present & bit) != 0; };
    entry.damaged = has(has_damage);
    entry.contents_left_out = has(has_contents_left_out);
    if (has(has_size)) {
        const std::uint64_t size = from.varint();
        entry.size = demand(from, size, size != 0);
    }
    if (has(has_mode)) {
        entry.mode = static_cast<std::uint32_t>(from.varint(07777));
    }
    if (has(has_user_id)) {
        entry.user_id = static_cast<std::uint32_t>(from.varint(UINT32_MAX));
    }
    if (has(has_group_id)) {
        entry.group_id = static_cast<std::uint32_t>(from.varint(UINT32_MAX));
    }
    if (has(has_user)) {
        entry.user = decode_text(from, max_name_size);
    }
    if (has(has_group)) {
        entry.group = decode_text(from, max_name_size);
    }
    if (has(has_modified)) {
        entry.modified = from.time();
    }
    if (has(has_changed)) {
        entry.changed = from.time();
    }
    if (has(has_created)) {
        entry.created = from.time();
    }
    if (has(has_link)) {
        const std::uint64_t device = from.varint();
        entry.link = LinkIdentity{device, from.varint()};
    }
    if (has(has_device)) {
        const std::uint64_t device = from.varint();
        entry.device = demand(from, device, device != 0);
    }
    if (has(has_file_flags)) {
        entry.file_flags = from.varint();
    }
    if (has(has_link_target)) {
        entry.link_target = decode_text(from, max_link_target);
    }
    if (has(has_xattrs)) {
        entry.xattrs = decode_xattrs(from);
    }
    if (has(has_change_token)) {
        const ByteSpan token = from.blob(max_change_token);
        entry.change_token.assign(token.begin(), token.end());
        demand(from, 0, !token.empty());
    }
    if (has(has_content)) {
        entry.content = decode_content(from, max_inline_items);
        demand(from, 0, entry.content != Content{});
    }
    if (has(has_subtree)) {
        entry.subtree = decode_subtree(from);
    }
}

} // namespace

const char* entry_kind_name(EntryKind kind)
{
    switch (kind) {
    case EntryKind::file:
        return "file";
    case EntryKind::directory:
        return "directory";
    case EntryKind::symlink:
        return "symlink";
    case EntryKind::hard_link:
        return "hard-link";
    case EntryKind::block_device:
        return "block-device";
    case EntryKind::character_device:
        return "character-device";
    case EntryKind::fifo:
        return "fifo";
    case EntryKind::socket:
        return "socket";
    case EntryKind::image:
        return "image";
    }
    return "unknown";
}

bool is_entry_name(std::string_view name)
{
    return !name.empty() && name.size() <= max_name_size && name != "." && name != ".." &&
           name.find('/') == std::string_view::npos && name.find('\0') == std::string_view::npos;
}

bool is_entry_path(std::string_view path)
{
    if (path.size() > max_path_size) {
        return false;
    }
    while (true) {
        const std::size_t slash = path.find('/');
        if (!is_entry_name(path.substr(0, slash))) {
            return false;
        }
        if (slash == std::string_view::npos) {
            return true;
        }
        path.remove_prefix(slash + 1);
    }
}

std::size_t path_depth(std::string_view path)
{
    return static_cast<std::size_t>(std::count(path.begin(), path.end(), '/'));
}

bool path_less(std::string_view a, std::string_view b)
{
    // '/' sorts as the least byte, which no name holds.
    const auto rank = [](char c) { return c == '/' ? 0 : static_cast<unsigned char>(c); };
    const auto [at_a, at_b] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
    if (at_a == a.end() || at_b == b.end()) {
        return at_a == a.end() && at_b != b.end();
    }
    return rank(*at_a) < rank(*at_b);
}

namespace
{

bool xattrs_are_in_bounds(const std::vector<Xattr>& xattrs)
{
    const auto out_of_order = [](const Xattr& a, const Xattr& b) { return a.name >= b.name; };
    std::size_t total = 0;
    for (const Xattr& xattr : xattrs) {
        total += xattr.value.size();
    }
    return xattrs.size() <= max_xattrs && total <= max_xattrs_size &&
           std::all_of(xattrs.begin(), xattrs.end(),
                       [](const Xattr& xattr) {
                           return !xattr.name.empty() && xattr.name.size() <= max_name_size &&
                                  xattr.value.size() <= max_xattr_value;
                       }) &&
           std::adjacent_find(xattrs.begin(), xattrs.end(), out_of_order) == xattrs.end();
}

bool is_in_bounds(const std::optional<Timestamp>& time)
{
    return !time || time->nanoseconds < 1'000'000'000;
}

} // namespace

void check_entry_limits(const Entry& entry)
{
    const auto demand = [&entry](bool good, const char* what) {
        if (!good) {
            throw Error(ErrorCode::invalid, what, entry.path);
        }
    };
    demand(entry.kind >= EntryKind::file && entry.kind <= EntryKind::image,
           "its kind is none that can be kept");
    demand(entry.mode.value_or(0) <= 07777, "its mode has more than the permission bits");
    demand(entry.user.size() <= max_name_size && entry.group.size() <= max_name_size,
           "the name of its user or group is too long");
    demand(is_in_bounds(entry.modified) && is_in_bounds(entry.changed) &&
               is_in_bounds(entry.created),
           "a time of it has a second or more of nanoseconds");
    demand(entry.link_target.size() <= max_link_target, "the target of its link is too long");
    demand(xattrs_are_in_bounds(entry.xattrs),
           "its extended attributes are too large, too many, without names, out of order or twice");
    demand(entry.change_token.size() <= max_change_token, "its change token is too long");
}

void encode_entry(Encoder& to, const Entry& entry)
{
    const std::uint32_t present = present_in(entry);
    const auto has = [present](Present bit) { return (present & bit) != 0; };
    to.text(entry.path);
    to.u8(static_cast<std::uint8_t>(entry.kind));
    to.varint(present);
    if (has(has_size)) {
        to.varint(entry.size);
    }
    if (has(has_mode)) {
        to.varint(*entry.mode);
    }
    if (has(has_user_id)) {
        to.varint(*entry.user_id);
    }
    if (has(has_group_id)) {
        to.varint(*entry.group_id);
    }
    if (has(has_user)) {
        to.text(entry.user);
    }
    if (has(has_group)) {
        to.text(entry.group);
    }
    for (const auto* time : {&entry.modified, &entry.changed, &entry.created}) {
        if (*time) {
            to.time(**time);
        }
    }
    if (has(has_link)) {
        to.varint(entry.link->device);
        to.varint(entry.link->inode);
    }
    if (has(has_device)) {
        to.varint(entry.device);
    }
    if (has(has_file_flags)) {
        to.varint(*entry.file_flags);
    }
    if (has(has_link_target)) {
        to.text(entry.link_target);
    }
    if (has(has_xattrs)) {
        encode_xattrs(to, entry.xattrs);
    }
    if (has(has_change_token)) {
        to.blob(entry.change_token);
    }
    if (has(has_content)) {
        encode_content(to, entry.content);
    }
    if (has(has_subtree)) {
        to.id(entry.subtree->page);
        to.varint(entry.subtree->entries);
        to.varint(entry.subtree->bytes);
    }
}

Entry decode_entry(Decoder& from)
{
    Entry entry;
    entry.path = from.text(max_path_size);
    const std::uint8_t kind = from.u8();
    if (kind < static_cast<std::uint8_t>(EntryKind::file) ||
        kind > static_cast<std::uint8_t>(EntryKind::image)) {
        from.fail("it is of an unknown kind");
    }
    entry.kind = static_cast<EntryKind>(kind);
    decode_fields(from, static_cast<std::uint32_t>(from.varint(all_fields)), entry);
    return entry;
}

EncodedEntry peek_entry(ByteSpan encoded)
{
    Decoder from(encoded, "entry");
    EncodedEntry entry;
    entry.path = as_text(from.blob(max_path_size));
    entry.rest = encoded.last(from.remaining());
    entry.kind = static_cast<EntryKind>(from.u8());
    if (entry.kind < EntryKind::file || entry.kind > EntryKind::image) {
        from.fail("it has a kind that nobody knows");
    }
    const std::uint64_t present = from.varint(all_fields);
    entry.has_subtree = (present & has_subtree) != 0;
    entry.size = (present & has_size) != 0 ? from.varint() : 0;
    return entry;
}

} // namespace backstay::core
