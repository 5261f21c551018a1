#include "repo/entry_runs.hpp"

#include "base/error.hpp"
#include "format/encoding.hpp"
#include "format/entry.hpp"
#include "repo/entry_arena.hpp"

#include <algorithm>
#include <fcntl.h>
#include <queue>

namespace backstay::core
{

namespace
{

constexpr std::size_t length_size = 4; ///< in front of each record
constexpr std::size_t write_buffer = 256 * KiB;
constexpr std::size_t least_read_buffer = 16 * KiB;
constexpr std::size_t most_read_buffer = 1 * MiB;
constexpr std::size_t least_runs = 8;

} // namespace

/// Appends records to the file, many at a time.
class EntryRuns::Writer
{
public:
    Writer(int fd, std::uint64_t begin, const std::string& subject)
        : fd_(fd), at_(begin), subject_(subject)
    {
    }

    void add(ByteSpan record)
    {
        Encoder encoder(buffer_);
        encoder.u32(static_cast<std::uint32_t>(record.size()));
        encoder.raw(record);
        if (buffer_.size() >= write_buffer) {
            flush();
        }
    }

    void flush()
    {
        write_at(fd_, at_, buffer_, subject_);
        at_ += buffer_.size();
        buffer_.clear();
    }

    std::uint64_t end() const { return at_; }

private:
    int fd_;
    std::uint64_t at_;
    const std::string& subject_;
    Bytes buffer_;
};

/// Reads a run's records in order.
class EntryRuns::Cursor
{
public:
    Cursor(int fd, const Run& run, std::size_t buffer, const std::string& subject)
        : fd_(fd), at_(run.begin), end_(run.end), buffer_size_(buffer), subject_(&subject)
    {
        advance();
    }

    /// Empty at the end; valid until advance().
    ByteSpan record() const { return ByteSpan(buffer_).subspan(begin_, size_); }
    bool at_end() const { return size_ == 0; }
    std::string_view path() const { return encoded_entry_path(record()); }

    void advance()
    {
        begin_ += size_;
        size_ = 0;
        if (begin_ == buffer_.size() && at_ == end_) {
            return;
        }
        fill(length_size);
        const std::uint32_t size = Decoder(ByteSpan(buffer_).subspan(begin_), "run").u32();
        begin_ += length_size;
        fill(size);
        size_ = size;
    }

private:
    /// Makes `wanted` bytes lie in the buffer behind begin_.
    void fill(std::size_t wanted)
    {
        if (buffer_.size() - begin_ >= wanted) {
            return;
        }
        buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(begin_));
        begin_ = 0;
        const std::size_t have = buffer_.size();
        const std::uint64_t size =
            std::min<std::uint64_t>(std::max(buffer_size_, wanted) - have, end_ - at_);
        buffer_.resize(have + static_cast<std::size_t>(size));
        const std::size_t got =
            read_at(fd_, at_, MutableByteSpan(buffer_).subspan(have), *subject_);
        at_ += got;
        if (got < size || buffer_.size() < wanted) {
            throw Error(ErrorCode::storage, "a temporary file became shorter", *subject_);
        }
    }

    int fd_;
    std::uint64_t at_;
    std::uint64_t end_;
    std::size_t buffer_size_;
    const std::string* subject_;
    Bytes buffer_;
    std::size_t begin_ = 0;
    std::size_t size_ = 0;
};

EntryRuns::EntryRuns(std::size_t memory, std::string temporary_folder)
    : memory_(memory), most_runs_(std::max(least_runs, memory / (2 * least_read_buffer))),
      temporary_folder_(std::move(temporary_folder))
{
}

void EntryRuns::add_run(const std::function<void(const Each&)>& give)
{
    if (runs_.size() == most_runs_) {
        merge_all_into_one();
    }
    runs_.push_back(write(give));
}

EntryRuns::Run EntryRuns::write(const std::function<void(const Each&)>& give)
{
    if (!file_) {
        file_ = open_unnamed_file(temporary_folder_);
    }
    Writer writer(file_.get(), file_size_, temporary_folder_);
    give([&writer](ByteSpan record) { writer.add(record); });
    writer.flush();
    const Run run{file_size_, writer.end()};
    file_size_ = run.end;
    return run;
}

void EntryRuns::merge_all_into_one()
{
    const Run merged = write([this](const Each& each) { merge(each); });
    // Gives the old runs' room back where the file system can; elsewhere it only costs room.
    (void)fallocate(file_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                    static_cast<off_t>(merged.begin));
    runs_ = {merged};
}

void EntryRuns::merge(const Each& each) const
{
    if (runs_.empty()) {
        return;
    }
    const std::size_t buffer =
        std::clamp(memory_ / runs_.size(), least_read_buffer, most_read_buffer);
    std::vector<Cursor> cursors;
    cursors.reserve(runs_.size());
    for (const Run& run : runs_) {
        cursors.emplace_back(file_.get(), run, buffer, temporary_folder_);
    }
    const auto comes_later = [&cursors](std::size_t a, std::size_t b) {
        const std::string_view left = cursors[a].path();
        const std::string_view right = cursors[b].path();
        return left != right ? path_less(right, left) : a > b;
    };
    std::priority_queue<std::size_t, std::vector<std::size_t>, decltype(comes_later)> queue(
        comes_later);
    for (std::size_t i = 0; i < cursors.size(); ++i) {
        if (!cursors[i].at_end()) {
            queue.push(i);
        }
    }
    while (!queue.empty()) {
        const std::size_t next = queue.top();
        queue.pop();
        each(cursors[next].record());
        cursors[next].advance();
        if (!cursors[next].at_end()) {
            queue.push(next);
        }
    }
}

} // namespace backstay::core
