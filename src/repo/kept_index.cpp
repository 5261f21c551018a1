#include "repo/kept_index.hpp"

#include "base/error.hpp"
#include "format/encoding.hpp"

#include <algorithm>
#include <cstring>
#include <string_view>
#include <sys/stat.h>

namespace backstay::core
{

namespace
{

// The file: a head of one page (magic, place and size of the sealed list of segments, key record,
// zeroes), the blocks of rows, the list.
constexpr const char* name = "sorted-index";
constexpr std::string_view magic = "BSTYSIX0";
constexpr std::uint64_t most_list = GiB;
constexpr Nonce list_nonce{1}; // blocks of rows have a zero there

struct Head {
    std::uint64_t list_offset = 0;
    std::uint64_t list_size = 0;
    KeyRecord record;
};

Bytes encode_head(const Head& head)
{
    Bytes bytes;
    Encoder to(bytes);
    to.raw(as_bytes(magic));
    to.u64(head.list_offset);
    to.u64(head.list_size);
    encode_key_record(to, head.record);
    bytes.resize(row_file_head);
    return bytes;
}

Head decode_head(ByteSpan bytes)
{
    Decoder from(bytes, name);
    if (!equal(from.raw(magic.size()), as_bytes(magic))) {
        from.fail("it begins with something else");
    }
    Head head;
    head.list_offset = from.u64();
    head.list_size = from.u64();
    head.record = decode_key_record(from);
    return head;
}

/// Whose segments count depends on the slot and on the keyring, which the record's epoch names.
Bytes associated_data(const KeyChain& keys, ByteSpan head)
{
    Bytes data;
    Encoder to(data);
    to.text("backstay 0 sorted index");
    to.id(keys.repository());
    to.id(keys.slot());
    to.raw(head);
    return data;
}

std::optional<KeptIndex> read_checked(const KeyChain& keys, FileDescriptor file)
{
    KeptIndex kept;
    Bytes head_bytes(row_file_head);
    if (read_at(file.get(), 0, head_bytes, name) != head_bytes.size()) {
        return std::nullopt;
    }
    const Head head = decode_head(head_bytes);
    struct stat status {
    };
    const bool plausible = head.record.epoch == new_kept_index_key(keys).record.epoch &&
                           head.list_size >= seal_overhead && head.list_size <= most_list &&
                           fstat(file.get(), &status) == 0 &&
                           head.list_size <= static_cast<std::uint64_t>(status.st_size);
    if (!plausible) {
        return std::nullopt;
    }
    kept.key = keys.opening_key(KeyClass::index, head.record);
    Bytes list(head.list_size);
    if (read_at(file.get(), head.list_offset, list, name) != list.size()) {
        return std::nullopt;
    }
    const std::size_t plain_size = list.size() - seal_overhead;
    if (!Cipher(kept.key.span())
             .open(list_nonce, associated_data(keys, head_bytes), list,
                   MutableByteSpan(list).first(plain_size))) {
        return std::nullopt;
    }
    Decoder from(ByteSpan(list).first(plain_size), name);
    kept.rows = from.varint();
    for (std::size_t left = from.count(32 + 1); left > 0; --left) {
        const SegmentId id = from.id<SegmentId>();
        const ByteSpan footer = from.blob(most_list);
        kept.segments.push_back({id, Bytes(footer.begin(), footer.end())});
    }
    from.finish();
    kept.file = std::move(file);
    return kept;
}

} // namespace

KeptIndexKey new_kept_index_key(const KeyChain& keys)
{
    const KeyRecord record = keys.new_sealing_key(KeyClass::index)->record();
    return {record, keys.opening_key(KeyClass::index, record)};
}

std::optional<KeptIndex> read_kept_index(Repository& repository,
                                         const std::vector<SegmentId>& listed)
{
    FileDescriptor file = repository.cache().open_kept(name);
    if (!file) {
        return std::nullopt;
    }
    std::optional<KeptIndex> kept;
    try {
        kept = read_checked(repository.keys(), std::move(file));
    } catch (const Error&) { // whatever is odd about it: then it is made anew
        return std::nullopt;
    }
    const bool stands =
        kept && std::all_of(kept->segments.begin(), kept->segments.end(),
                            [&listed](const KeptSegment& segment) {
                                return std::binary_search(listed.begin(), listed.end(), segment.id);
                            });
    return stands ? std::move(kept) : std::nullopt;
}

void keep_index(Repository& repository, const KeptIndexKey& key, const RowFile& rows,
                const std::vector<KeptSegment>& segments)
{
    Bytes list;
    Encoder to(list);
    to.varint(rows.size());
    to.varint(segments.size());
    for (const KeptSegment& segment : segments) {
        to.id(segment.id);
        to.blob(segment.footer);
    }
    const std::uint64_t end = RowFile::end_of(rows.size());
    const Bytes head = encode_head({end, list.size() + seal_overhead, key.record});
    Bytes sealed(list.size() + seal_overhead);
    Cipher(key.key.span()).seal(list_nonce, associated_data(repository.keys(), head), list, sealed);
    try {
        write_at(rows.file().get(), 0, head, name);
        write_at(rows.file().get(), end, sealed, name);
    } catch (const Error&) { // a full disk costs sorting the next time
        return;
    }
    repository.cache().keep(name, rows.file(), end + sealed.size());
}

} // namespace backstay::core
