#include "source/tree_source.hpp"

#include "base/error.hpp"
#include "source/tree_choice.hpp"
#include "source/tree_filter.hpp"
#include "source/tree_lane.hpp"
#include "source/tree_walk.hpp"

#include <algorithm>
#include <filesystem>
#include <system_error>

namespace backstay::core
{

namespace
{

class TreeSource : public DataSource
{
public:
    explicit TreeSource(TreeSourceOptions options) : options_(std::move(options))
    {
        options_.lanes = std::max(1U, options_.lanes);
        const TreeFilter refuses_bad_patterns(options_); // now, not when the backup is under way
    }

    std::string probe(const std::stop_token&) override
    {
        return R"({"kind":"tree","scope":"object"})";
    }

    SessionPlan open(SnapshotView* parent, ProblemSink problems, std::stop_token stop) override
    {
        walk_ = std::make_unique<TreeWalk>(options_, parent, std::move(problems), std::move(stop));
        lanes_.clear();
        for (std::uint32_t i = 0; i < options_.lanes; ++i) {
            lanes_.push_back(std::make_unique<TreeLane>(*walk_));
        }
        lanes_.front()->seed();
        return {options_.lanes, 0, 0};
    }

    std::optional<SourceEntry> next(std::uint32_t lane) override { return lanes_.at(lane)->next(); }

    void complete(std::uint32_t lane, std::uint64_t item, Entry& entry) override
    {
        lanes_.at(lane)->complete(item, entry);
    }

    std::size_t read(std::uint32_t lane, std::uint64_t item, std::uint64_t offset,
                     MutableByteSpan buffer) override
    {
        return lanes_.at(lane)->read(item, offset, buffer);
    }

    std::optional<SnapshotStream::Extent> next_data(std::uint32_t lane, std::uint64_t item,
                                                    std::uint64_t offset) override
    {
        return lanes_.at(lane)->next_data(item, offset);
    }

    Outcome outcome(std::uint32_t lane, std::uint64_t item, Entry& now) override
    {
        return lanes_.at(lane)->outcome(item, now);
    }

    void release(std::uint32_t lane, std::uint64_t item) override
    {
        lanes_.at(lane)->release(item);
    }

    SourceVerdict finish() override
    {
        SourceVerdict verdict;
        verdict.kind = SourceVerdict::Kind::ok;
        verdict.record = record_of_choice(options_);
        return verdict;
    }

    void settle(bool) override
    {
        lanes_.clear();
        walk_.reset();
    }

private:
    TreeSourceOptions options_;
    std::unique_ptr<TreeWalk> walk_;
    std::vector<std::unique_ptr<TreeLane>> lanes_;
};

/// Without "." and "..". Symlinks stay, but for those with "/", "/." or "/.." behind them, which
/// names what they lead to.
std::string plain_path(const std::filesystem::path& path)
{
    std::filesystem::path plain;
    for (const std::filesystem::path& name : path) {
        const bool is_name = !name.empty() && name != "." && name != "..";
        std::error_code failure;
        if (!is_name && std::filesystem::is_symlink(plain, failure) &&
            std::filesystem::is_directory(plain, failure)) {
            plain = std::filesystem::canonical(plain, failure);
        }
        if (is_name) {
            plain /= name;
        } else if (name == "..") {
            plain = plain.parent_path();
        }
    }
    return plain.string();
}

} // namespace

std::vector<std::string> absolute_roots(const std::vector<std::string>& roots)
{
    std::vector<std::string> absolute;
    for (const std::string& root : roots) {
        std::error_code failure;
        std::string path = std::filesystem::path(root).is_absolute()
                               ? root
                               : (std::filesystem::current_path(failure) / root).string();
        if (failure) {
            throw Error(ErrorCode::source, "the working folder is not there: give absolute paths",
                        root);
        }
        path = plain_path(path);
        if (path.starts_with("//")) {
            path.erase(0, 1);
        }
        absolute.push_back(std::move(path));
    }
    std::sort(absolute.begin(), absolute.end());
    absolute.erase(std::unique(absolute.begin(), absolute.end()), absolute.end());
    return absolute;
}

std::unique_ptr<DataSource> make_tree_source(TreeSourceOptions options)
{
    return std::make_unique<TreeSource>(std::move(options));
}

} // namespace backstay::core
