#include "source/postgres/log_files_source.hpp"

#include "base/error.hpp"

#include <algorithm>

namespace backstay::core
{

namespace
{

class LogFilesSource final : public DataSource
{
public:
    LogFilesSource(std::vector<LogFile> files, std::string record)
        : files_(std::move(files)), record_(std::move(record))
    {
    }

    std::string probe(const std::stop_token&) override
    {
        return R"({"kind":"postgres","method":"log"})";
    }

    SessionPlan open(SnapshotView*, ProblemSink, std::stop_token) override
    {
        next_ = 0;
        read_ = 0;
        is_lost_ = false;
        SessionPlan plan;
        plan.entries = files_.size();
        for (const LogFile& file : files_) {
            plan.bytes += file.size;
        }
        return plan;
    }

    std::optional<SourceEntry> next(std::uint32_t) override
    {
        if (next_ == files_.size()) {
            return std::nullopt;
        }
        const LogFile& file = files_[next_];
        SourceEntry entry;
        entry.entry.path = file.name;
        entry.entry.size = file.size;
        entry.entry.mode = 0600;
        entry.entry.change_token = from_hex(file.hash).value_or(Bytes());
        entry.item = next_++;
        entry.policy = {ChunkPolicy::Kind::none, 0}; // a log does not repeat itself
        return entry;
    }

    std::size_t read(std::uint32_t, std::uint64_t item, std::uint64_t offset,
                     MutableByteSpan buffer) override
    {
        const LogFile& file = files_.at(item);
        if (!file.file) {
            is_lost_ = true;
            throw Error(ErrorCode::source, "the snapshot before has lost it", file.name);
        }
        const std::uint64_t left = file.size - std::min(offset, file.size);
        const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), left));
        const std::size_t got = read_at(file.file->get(), offset, buffer.first(wanted), file.name);
        read_ += got;
        return got;
    }

    std::optional<SnapshotStream::Extent> next_data(std::uint32_t, std::uint64_t,
                                                    std::uint64_t) override
    {
        return std::nullopt;
    }

    Outcome outcome(std::uint32_t, std::uint64_t, Entry&) override { return Outcome::stable; }
    void release(std::uint32_t, std::uint64_t) override {}

    SourceVerdict finish() override
    {
        std::uint64_t wanted = 0;
        for (const LogFile& file : files_) {
            wanted += file.file ? file.size : 0;
        }
        SourceVerdict verdict;
        const bool is_whole = read_ == wanted && !is_lost_;
        verdict.kind = is_whole ? SourceVerdict::Kind::ok : SourceVerdict::Kind::failed;
        verdict.message = is_whole ? "" : "a file of the log could not be read whole";
        verdict.record = record_;
        return verdict;
    }

    void settle(bool) override {}

private:
    const std::vector<LogFile> files_;
    const std::string record_;
    std::size_t next_ = 0;
    std::uint64_t read_ = 0;
    bool is_lost_ = false;
};

} // namespace

std::unique_ptr<DataSource> make_log_files_source(std::vector<LogFile> files, std::string record)
{
    return std::make_unique<LogFilesSource>(std::move(files), std::move(record));
}

} // namespace backstay::core
