#pragma once

#include "base/error.hpp"
#include "source/data_source.hpp"

#include <algorithm>
#include <map>
#include <mutex>
#include <set>
#include <string>

namespace backstay::core
{

/// Files in memory: path to bytes. Every file's change token is its bytes' length and a version
/// that the test may count up.
class MemorySource : public DataSource
{
public:
    using Files = std::map<std::string, Bytes>;
    explicit MemorySource(Files files, std::uint32_t lanes = 2)
        : files_(std::move(files)), lanes_(lanes)
    {
    }

    bool has_tokens = false;
    SourceVerdict verdict{SourceVerdict::Kind::ok, 0, "", ""};
    std::set<std::string> unreadable; ///< fail to be read
    int opened = 0, settled = 0;
    bool committed = false;
    std::uint64_t reads = 0;

    std::string probe(const std::stop_token&) override { return R"({"kind":"memory"})"; }
    SessionPlan open(SnapshotView*, ProblemSink, std::stop_token) override
    {
        ++opened;
        next_.assign(lanes_, 0);
        order_.clear();
        for (const auto& [path, bytes] : files_) {
            order_.push_back(path);
        }
        std::reverse(order_.begin(), order_.end()); // any order will do
        return {lanes_, 0, 0};
    }
    std::optional<SourceEntry> next(std::uint32_t lane) override
    {
        const std::size_t at = next_[lane]++ * lanes_ + lane;
        if (at >= order_.size()) {
            return std::nullopt;
        }
        SourceEntry entry;
        entry.entry.path = order_[at];
        entry.entry.size = files_.at(order_[at]).size();
        entry.entry.mode = 0644;
        if (has_tokens) {
            entry.entry.change_token = {1, static_cast<std::uint8_t>(entry.entry.size)};
        }
        entry.item = at;
        return entry;
    }
    std::size_t read(std::uint32_t, std::uint64_t item, std::uint64_t offset,
                     MutableByteSpan buffer) override
    {
        const std::lock_guard lock(mutex_);
        ++reads;
        const std::string& path = order_.at(item);
        if (unreadable.count(path) != 0) {
            throw Error(ErrorCode::denied, "cannot be opened", path);
        }
        const Bytes& bytes = files_.at(path);
        const std::size_t begin = std::min<std::size_t>(offset, bytes.size());
        const std::size_t size = std::min(buffer.size(), bytes.size() - begin);
        std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(begin), size, buffer.begin());
        return size;
    }
    std::optional<SnapshotStream::Extent> next_data(std::uint32_t, std::uint64_t,
                                                    std::uint64_t) override
    {
        return std::nullopt;
    }
    Outcome outcome(std::uint32_t, std::uint64_t, Entry&) override { return Outcome::stable; }
    void release(std::uint32_t, std::uint64_t) override {}
    SourceVerdict finish() override { return verdict; }
    void settle(bool done) override
    {
        ++settled;
        committed = done;
    }

private:
    Files files_;
    std::uint32_t lanes_;
    std::vector<std::size_t> next_;
    std::vector<std::string> order_;
    std::mutex mutex_; // guards reads
};

} // namespace backstay::core
