#include "format/snapshot_record.hpp"

#include "format/encoding.hpp"

#include <algorithm>

namespace backstay::core
{

namespace
{

constexpr std::size_t max_text = 1 << 16;
constexpr std::size_t max_record = 1 << 24; ///< of a source
constexpr std::size_t max_list = 1 << 16;   ///< tags, roots, sources

void encode_texts(Encoder& to, const std::vector<std::string>& texts)
{
    to.varint(texts.size());
    for (const std::string& text : texts) {
        to.text(text);
    }
}

std::vector<std::string> decode_texts(Decoder& from)
{
    const std::size_t count = from.count(1);
    if (count > max_list) {
        from.fail("a list is too long");
    }
    std::vector<std::string> texts(count);
    for (std::string& text : texts) {
        text = from.text(max_path_size);
    }
    return texts;
}

void encode_source(Encoder& to, const SnapshotSource& source)
{
    to.text(source.name);
    to.text(source.kind);
    encode_texts(to, source.roots);
    to.u8(source.verdict);
    to.varint(source.problems);
    to.text(source.record);
    to.text(source.message);
}

SnapshotSource decode_source(Decoder& from)
{
    SnapshotSource source;
    source.name = from.text(max_name_size);
    source.kind = from.text(max_text);
    source.roots = decode_texts(from);
    source.verdict = from.u8();
    if (!is_entry_name(source.name) || source.verdict < 1 || source.verdict > 3) {
        from.fail("a source's name or verdict cannot be one");
    }
    source.problems = from.varint();
    source.record = from.text(max_record);
    source.message = from.text(max_text);
    return source;
}

/// Every figure, in the order of the format.
template <typename Counts>
auto figures(Counts& counts)
{
    return std::array{&counts.entries,           &counts.entries_new,  &counts.entries_changed,
                      &counts.entries_unchanged, &counts.bytes_source, &counts.bytes_read,
                      &counts.bytes_new,         &counts.bytes_stored, &counts.blobs_new,
                      &counts.problems,          &counts.milliseconds};
}

void copy_raw(Decoder& from, MutableByteSpan to)
{
    const ByteSpan bytes = from.raw(to.size());
    std::copy(bytes.begin(), bytes.end(), to.begin());
}

} // namespace

Bytes encode_snapshot(const SnapshotRecord& record)
{
    Bytes out;
    Encoder to(out);
    to.id(record.id);
    to.time(record.time);
    to.text(record.kind);
    to.text(record.host);
    to.text(record.user);
    encode_texts(to, record.tags);
    to.text(record.comment);
    to.text(record.program);
    to.id(record.root.page);
    to.varint(record.root.entries);
    to.varint(record.root.bytes);
    to.varint(record.sources.size());
    for (const SnapshotSource& source : record.sources) {
        encode_source(to, source);
    }
    for (const std::uint64_t* figure : figures(record.counts)) {
        to.varint(*figure);
    }
    encode_content(to, record.problems);
    to.text(record.series);
    to.varint(record.counter);
    to.id(record.parent);
    to.id(record.predecessor);
    to.raw(record.predecessor_digest);
    to.raw(record.condemned_digest);
    return out;
}

SnapshotRecord decode_snapshot(ByteSpan plain)
{
    Decoder from(plain, "snapshot");
    SnapshotRecord record;
    record.id = from.id<SessionId>();
    record.time = from.time();
    record.kind = from.text(max_text);
    record.host = from.text(max_text);
    record.user = from.text(max_text);
    record.tags = decode_texts(from);
    record.comment = from.text(max_record);
    record.program = from.text(max_text);
    record.root.page = from.id<BlobId>();
    record.root.entries = from.varint();
    record.root.bytes = from.varint();
    constexpr std::size_t least_source = 7;
    const std::size_t sources = from.count(least_source);
    if (sources > max_list) {
        from.fail("it has too many sources");
    }
    for (std::size_t i = 0; i < sources; ++i) {
        record.sources.push_back(decode_source(from));
    }
    for (std::uint64_t* figure : figures(record.counts)) {
        *figure = from.varint();
    }
    record.problems = decode_content(from, max_inline_items);
    record.series = from.text(max_text);
    record.counter = from.varint();
    record.parent = from.id<SessionId>();
    record.predecessor = from.id<SessionId>();
    copy_raw(from, record.predecessor_digest);
    copy_raw(from, record.condemned_digest);
    from.finish();
    return record;
}

void encode_problem(Encoder& to, const ProblemRecord& problem)
{
    to.text(problem.source);
    to.text(problem.path);
    to.zigzag(problem.code);
    to.text(problem.message);
}

ProblemRecord decode_problem(Decoder& from)
{
    ProblemRecord problem;
    problem.source = from.text(max_name_size);
    problem.path = from.text(max_path_size);
    const std::int64_t code = from.zigzag();
    if (code < INT32_MIN || code > INT32_MAX) {
        from.fail("a code is out of bounds");
    }
    problem.code = static_cast<std::int32_t>(code);
    problem.message = from.text(max_path_size);
    return problem;
}

} // namespace backstay::core
