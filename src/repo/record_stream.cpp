#include "repo/record_stream.hpp"

#include "base/error.hpp"
#include "format/encoding.hpp"
#include "repo/content_reader.hpp"
#include "repo/content_writer.hpp"

#include <algorithm>

namespace backstay::core
{

namespace
{

constexpr std::size_t record_chunk = 128 * KiB;
constexpr std::size_t length_size = 4;

/// Hands over the whole records at the front and leaves the rest.
void take_whole_records(Bytes& bytes, const std::function<void(ByteSpan)>& each)
{
    std::size_t done = 0;
    while (bytes.size() - done >= length_size) {
        const ByteSpan rest = ByteSpan(bytes).subspan(done);
        const std::uint32_t length = Decoder(rest, "record").u32();
        if (length > max_record_size) {
            throw Error(ErrorCode::damaged, "a list of records is damaged: a length is impossible");
        }
        if (rest.size() - length_size < length) {
            break;
        }
        each(rest.subspan(length_size, length));
        done += length_size + length;
    }
    bytes.erase(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(done));
}

} // namespace

struct RecordWriter::State {
    BlobWriter::Lane& lane;
    ContentWriter content;
    Bytes pending;

    void store(ByteSpan chunk)
    {
        content.add({chunk.size(), lane.put(BlobKind::record, chunk).id});
    }
};

RecordWriter::RecordWriter(BlobWriter::Lane& lane)
    : state_(new State{lane, ContentWriter(lane), {}})
{
}

RecordWriter::~RecordWriter() = default;

void RecordWriter::add(ByteSpan record)
{
    if (record.size() > max_record_size) {
        throw Error(ErrorCode::invalid, "a record is larger than 16 MiB");
    }
    Bytes& pending = state_->pending;
    Encoder encoder(pending);
    encoder.u32(static_cast<std::uint32_t>(record.size()));
    encoder.raw(record);
    std::size_t done = 0;
    for (; pending.size() - done >= record_chunk; done += record_chunk) {
        state_->store(ByteSpan(pending).subspan(done, record_chunk));
    }
    pending.erase(pending.begin(), pending.begin() + static_cast<std::ptrdiff_t>(done));
}

Content RecordWriter::finish()
{
    if (!state_->pending.empty()) {
        state_->store(state_->pending);
    }
    return state_->content.finish();
}

void read_records(BlobReader& reader, const Content& content, const std::stop_token& stop,
                  const std::function<void(ByteSpan)>& each)
{
    Bytes pending;
    for_each_chunk(reader, content, stop, [&](std::uint64_t, const ContentItem& item) {
        if (item.is_hole()) {
            throw Error(ErrorCode::damaged, "a list of records is damaged: it has a hole");
        }
        const Bytes chunk = reader.read(item.id, BlobKind::record, stop);
        if (chunk.size() != item.length) {
            throw Error(ErrorCode::damaged, "a list of records is damaged: a length is false",
                        item.id.hex());
        }
        append(pending, chunk);
        take_whole_records(pending, each);
        return true;
    });
    if (!pending.empty()) {
        throw Error(ErrorCode::damaged, "a list of records is damaged: it is cut short");
    }
}

} // namespace backstay::core
