#include "canonical.hpp"
#include "postgres/cluster_record.hpp"
#include "postgres/copy_message.hpp"
#include "postgres/incremental_file.hpp"
#include "postgres/log_file.hpp"
#include "postgres/log_position.hpp"
#include "postgres/manifest.hpp"
#include "postgres/page_check.hpp"
#include "postgres/relation_file.hpp"
#include "postgres/tar_reader.hpp"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <memory>

using namespace backstay::core;

namespace
{

void read_tar(ByteSpan bytes)
{
    const std::size_t piece = 700;
    TarReader reader([&bytes, piece] {
        const ByteSpan next = bytes.first(std::min(piece, bytes.size()));
        bytes = bytes.subspan(next.size());
        return next;
    });
    Bytes buffer(1000);
    while (const auto member = reader.next()) {
        std::uint64_t size = 0;
        while (const std::size_t got = reader.read(buffer)) {
            size += got;
        }
        if (size != member->size) {
            found("a member has another size than its header says");
        }
    }
}

void read_a_manifest(ByteSpan bytes)
{
    if (bytes.empty()) {
        return;
    }
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(
        ::fmemopen(const_cast<std::uint8_t*>(bytes.data()), bytes.size(), "r"), std::fclose);
    read_manifest(file.get(), [](const ManifestFile& one) {
        if (one.path.empty()) {
            found("a file of a manifest has no path");
        }
    });
}

void read_pages(ByteSpan bytes)
{
    PageCheck check({usual_page_size, 131072, UINT64_MAX}, 1);
    check.update(bytes.first(bytes.size() / 3));
    check.update(bytes.subspan(bytes.size() / 3));
    if (check.count() > bytes.size() / usual_page_size) {
        found("there are more bad pages than pages");
    }
}

void read_incremental(ByteSpan bytes)
{
    // The blocks' bytes are not there: a size that fits decides nothing else.
    constexpr IncrementalBounds bounds{1024, 400};
    std::uint32_t count = 0;
    if (bytes.size() >= 2 * sizeof count) {
        std::memcpy(&count, bytes.data() + sizeof count, sizeof count);
    }
    const std::uint64_t size = bytes.size() + std::uint64_t{count} * bounds.page_size;
    const IncrementalHead head = read_incremental_head(
        [&bytes](MutableByteSpan into) {
            const std::size_t got = std::min(into.size(), bytes.size());
            std::copy_n(bytes.begin(), got, into.begin());
            bytes = bytes.subspan(got);
            return got;
        },
        size, bounds);
    if (!bytes.empty()) {
        found("a head does not end where its blocks begin");
    }
    if (head.length() > bounds.segment_blocks || head.blocks.size() != count) {
        found("a head says more than a segment holds");
    }
}

void read_names(std::string_view text)
{
    if (const auto position = parse_log_position(text);
        position && parse_log_position(format_log_position(*position)) != position) {
        found("a place in the log is written otherwise than it is read");
    }
    for (const std::uint64_t size : {MiB, 16 * MiB, GiB}) {
        if (const auto segment = parse_segment_name(text, size);
            segment && segment_name(*segment, size) != text) {
            found("a segment has two names");
        }
    }
    if (const auto file = parse_relation_file(text);
        file && text.substr(0, file->relation.size()) != file->relation) {
        found("a file is of a relation that lies elsewhere");
    }
    if (const std::string original = incremental_original(text);
        !original.empty() && !parse_relation_file(original)) {
        found("an incremental file is of no relation");
    }
    if (is_segment_name(text) && !is_log_file_name(text)) {
        found("a segment is no file of the log");
    }
    if (is_log_file_name(text) && text.find('/') != std::string_view::npos) {
        found("the name of a file of the log leads elsewhere");
    }
    decode_log_file_header(as_bytes(text));
}

} // namespace

// An input is one byte that says what it is, then that.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    if (size == 0) {
        return 0;
    }
    const ByteSpan bytes(data + 1, size - 1);
    accepts([&] {
        switch (data[0]) {
        case 't':
            read_tar(bytes);
            break;
        case 'm':
            read_a_manifest(bytes);
            break;
        case 'b':
            decode_backup_message(bytes);
            break;
        case 'i':
            read_incremental(bytes);
            break;
        case 'l':
            decode_log_message(bytes);
            break;
        case 'p':
            read_pages(bytes);
            break;
        case 'r':
            parse_cluster_record(std::string(as_text(bytes)));
            break;
        default:
            read_names(as_text(bytes));
            break;
        }
    });
    return 0;
}
