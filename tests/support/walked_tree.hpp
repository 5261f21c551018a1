#pragma once

#include "source/tree_source.hpp"
#include "support/temp_dir.hpp"

#include <algorithm>
#include <doctest/doctest.h>
#include <map>
#include <mutex>
#include <sys/stat.h>
#include <thread>

namespace backstay::core
{

using Outcome = DataSource::Outcome;

struct Seen {
    Entry entry;
    std::string bytes;
    Outcome outcome = Outcome::stable;
};

/// All that a walk gave, by path.
struct Walked {
    std::map<std::string, Seen> entries;
    std::vector<Problem> problems;
    std::size_t twice = 0; ///< entries given more than once

    bool has(const std::string& path) const { return entries.count(path) != 0; }
    std::size_t problems_of(const std::string& path) const
    {
        return static_cast<std::size_t>(
            std::count_if(problems.begin(), problems.end(),
                          [&path](const Problem& problem) { return problem.path == path; }));
    }
};

inline std::string read_whole(DataSource& source, std::uint32_t lane, const SourceEntry& entry)
{
    std::string bytes;
    Bytes buffer(64 * KiB);
    while (true) {
        const std::size_t got = source.read(lane, entry.item, bytes.size(), buffer);
        bytes.append(reinterpret_cast<const char*>(buffer.data()), got);
        if (got < buffer.size()) {
            return bytes;
        }
    }
}

/// Walks and reads everything as a backup does, each lane on its own thread.
class Walker
{
public:
    explicit Walker(TreeSourceOptions options) : source_(make_tree_source(std::move(options))) {}

    Walked run(bool reads = true)
    {
        const SessionPlan plan = open(nullptr);
        std::vector<std::thread> threads;
        for (std::uint32_t lane = 0; lane < plan.lanes; ++lane) {
            threads.emplace_back([this, lane, reads] { drain(lane, reads); });
        }
        for (std::thread& thread : threads) {
            thread.join();
        }
        return close();
    }

    SessionPlan open(SnapshotView* parent)
    {
        return source_->open(
            parent,
            [this](Problem problem) {
                const std::lock_guard lock(mutex_);
                walked_.problems.push_back(std::move(problem));
            },
            stop.get_token());
    }

    Walked close()
    {
        CHECK(source_->finish().kind == SourceVerdict::Kind::ok);
        source_->settle(true);
        return std::move(walked_);
    }

    DataSource& source() { return *source_; }
    std::stop_source stop;

private:
    void drain(std::uint32_t lane, bool reads)
    {
        while (std::optional<SourceEntry> entry = source_->next(lane)) {
            take(lane, *entry, reads);
            source_->release(lane, entry->item);
        }
    }

    void take(std::uint32_t lane, SourceEntry& entry, bool reads)
    {
        Seen seen;
        try {
            if (entry.is_incomplete() && reads) {
                source_->complete(lane, entry.item, entry.entry);
            }
            if (reads && entry.entry.kind == EntryKind::file) {
                seen.bytes = read_whole(*source_, lane, entry);
                seen.outcome = source_->outcome(lane, entry.item, entry.entry);
            }
        } catch (const Error& error) {
            const std::lock_guard lock(mutex_);
            walked_.problems.push_back({error.code(), entry.entry.path, error.what()});
            return;
        }
        seen.entry = entry.entry;
        const std::lock_guard lock(mutex_);
        walked_.twice += walked_.entries.count(entry.entry.path);
        walked_.entries[entry.entry.path] = std::move(seen);
    }

    std::unique_ptr<DataSource> source_;
    std::mutex mutex_; // guards walked_
    Walked walked_;
};

inline TreeSourceOptions options_for(std::vector<std::string> roots)
{
    TreeSourceOptions options;
    options.roots = std::move(roots);
    return options;
}

inline Walked walk(TreeSourceOptions options)
{
    return Walker(std::move(options)).run();
}

inline Walked walk(const std::string& root)
{
    return walk(options_for({root}));
}

/// A path as entries have it.
inline std::string in(const std::string& path)
{
    return path.substr(1);
}

inline void make_folder(const std::string& path)
{
    REQUIRE(::mkdir(path.c_str(), 0755) == 0);
}

/// One file that is read by hand, so that a test may get in between.
struct OneFile {
    explicit OneFile(const std::string& path) : walker(options_for_one(path))
    {
        walker.open(nullptr);
        while (auto next = walker.source().next(0)) {
            if (next->entry.path == in(path)) {
                entry = std::move(*next);
                return;
            }
        }
        FAIL("the file was not given");
    }
    static TreeSourceOptions options_for_one(const std::string& path)
    {
        TreeSourceOptions options = options_for({path});
        options.lanes = 1;
        return options;
    }
    std::string read() { return read_whole(walker.source(), 0, entry); }
    Outcome outcome() { return walker.source().outcome(0, entry.item, entry.entry); }

    Walker walker;
    SourceEntry entry;
};

} // namespace backstay::core
