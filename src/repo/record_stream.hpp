#pragma once

#include "format/content.hpp"
#include "repo/blob_reader.hpp"
#include "repo/blob_writer.hpp"

#include <functional>
#include <memory>

namespace backstay::core
{

/// What a reader accepts of one record; writers' are far smaller.
inline constexpr std::size_t max_record_size = 16 * MiB;

/// Stores a stream of small records (entry logs, problems) as BlobKind::record chunks of up to 128
/// KiB, each record behind its length (u32); a record may lie across chunks. One thread at a time.
class RecordWriter
{
public:
    /// `lane` must outlive the writer.
    explicit RecordWriter(BlobWriter::Lane& lane);
    ~RecordWriter();
    /// Throws Error{invalid} beyond max_record_size.
    void add(ByteSpan record);
    /// Only the destructor may follow.
    Content finish();

private:
    struct State;
    std::unique_ptr<State> state_;
};

/// Reads it back, record by record. Throws Error{damaged}.
void read_records(BlobReader& reader, const Content& content, const std::stop_token& stop,
                  const std::function<void(ByteSpan)>& each);

} // namespace backstay::core
