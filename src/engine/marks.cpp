#include "engine/marks.hpp"

#include "base/error.hpp"
#include "base/worker_group.hpp"
#include "format/content.hpp"
#include "format/tree_page.hpp"

#include <algorithm>
#include <bit>
#include <condition_variable>
#include <deque>
#include <optional>
#include <unordered_set>

namespace backstay::core
{

bool Marks::set(std::uint64_t ordinal)
{
    std::uint64_t& word = bits_[ordinal / 64];
    const std::uint64_t bit = std::uint64_t{1} << ordinal % 64;
    const bool fresh = (word & bit) == 0;
    word |= bit;
    return fresh;
}

std::uint64_t Marks::count() const
{
    std::uint64_t count = 0;
    for (const std::uint64_t word : bits_) {
        count += static_cast<std::uint64_t>(std::popcount(word));
    }
    return count;
}

namespace
{

/// A page to read: of a tree or of a content list.
struct Page {
    const Snapshot* snapshot = nullptr;
    std::string path;
    BlobId id{};
    BlobKind kind = BlobKind::tree_node;
    std::uint8_t depth = 0; ///< of a list page
};

/// Pages to read, last in first out: a walk in depth holds little more than one way down.
class PageStack
{
public:
    void push(Page page)
    {
        {
            const std::lock_guard lock(mutex_);
            pages_.push_back(std::move(page));
        }
        changed_.notify_one();
    }

    /// Waits while there is none but others may still bring some; empty at the end.
    std::optional<Page> pop(const std::stop_token& stop)
    {
        std::unique_lock lock(mutex_);
        --busy_;
        changed_.notify_all();
        changed_.wait(lock, stop, [this] { return !pages_.empty() || busy_ == 0; });
        if (pages_.empty() || stop.stop_requested()) {
            changed_.notify_all();
            return std::nullopt;
        }
        ++busy_;
        Page page = std::move(pages_.back());
        pages_.pop_back();
        return page;
    }

    void start(unsigned workers) { busy_ = workers; }

private:
    std::mutex mutex_; // guards the two below
    std::condition_variable_any changed_;
    std::vector<Page> pages_;
    unsigned busy_ = 0;
};

class Marker
{
public:
    Marker(BlobReader& reader, Marks& marks, const MarkFindings& findings, JobContext& context)
        : reader_(reader), index_(reader.index()), marks_(marks), findings_(findings),
          context_(context)
    {
    }

    void add_snapshot(const Snapshot& snapshot)
    {
        lost_.insert(snapshot.lost.begin(), snapshot.lost.end());
        refer({&snapshot, "", snapshot.record.root.page, BlobKind::tree_node, 0});
        refer_content(snapshot, "", snapshot.record.problems, BlobKind::record);
    }

    void run(unsigned threads)
    {
        WorkerGroup group(context_.stop());
        pages_.start(threads);
        for (unsigned i = 0; i < threads; ++i) {
            group.start("mark", [this](const std::stop_token& stop) {
                while (std::optional<Page> page = pages_.pop(stop)) {
                    read(*page, stop);
                }
            });
        }
        group.join();
        throw_if_stopped(context_.stop());
    }

private:
    /// Marks all places of a blob. True if it is there and was not marked before.
    bool mark(const Snapshot& snapshot, const std::string& path, const BlobId& id, BlobKind kind)
    {
        const std::vector<std::uint64_t> ordinals = index_.ordinals(id);
        if (ordinals.empty()) {
            tell(snapshot, path, id, kind, "no pack that the index knows holds it");
            return false;
        }
        if (findings_.usable && !has_usable_place(id)) {
            tell(snapshot, path, id, kind, "every pack that holds it is missing or damaged");
            return false;
        }
        const std::lock_guard lock(mutex_);
        bool fresh = false;
        for (const std::uint64_t ordinal : ordinals) {
            fresh = marks_.set(ordinal) || fresh;
        }
        return fresh;
    }

    bool has_usable_place(const BlobId& id) const
    {
        const std::vector<BlobPlace> places = index_.find(id);
        return std::any_of(places.begin(), places.end(), findings_.usable);
    }

    void tell(const Snapshot& snapshot, const std::string& path, const BlobId& id, BlobKind kind,
              const std::string& why)
    {
        const std::lock_guard lock(mutex_);
        if (lost_.find(id) == lost_.end()) {
            findings_.missing(snapshot, path, id, kind, why);
        }
    }

    void refer(Page page)
    {
        if (mark(*page.snapshot, page.path, page.id, page.kind)) {
            pages_.push(std::move(page));
        }
    }

    void refer_content(const Snapshot& snapshot, const std::string& path, const Content& content,
                       BlobKind kind)
    {
        for (const ContentItem& item : content.items) {
            if (item.is_hole()) {
                continue;
            }
            if (content.depth > 0) {
                refer({&snapshot, path, item.id, BlobKind::list_node,
                       static_cast<std::uint8_t>(content.depth - 1)});
            } else {
                mark(snapshot, path, item.id, kind);
            }
        }
    }

    void read(const Page& page, const std::stop_token& stop)
    {
        if (page.kind == BlobKind::tree_node) {
            if (const auto tree = decoded(page, decode_tree_page, stop)) {
                read_tree(page, *tree);
            }
        } else {
            const auto decode = [&page](ByteSpan plain) { return decode_list(page, plain); };
            if (const auto content = decoded(page, decode, stop)) {
                refer_content(*page.snapshot, page.path, *content, BlobKind::data);
            }
        }
        context_.progress().entries.fetch_add(1, std::memory_order_relaxed);
    }

    static Content decode_list(const Page& page, ByteSpan plain)
    {
        Content content = decode_content_page(plain);
        if (content.depth != page.depth) {
            throw Error(ErrorCode::damaged, "a page of a content list has the wrong depth");
        }
        return content;
    }

    /// Empty if it is lost, which is told. What it refers to is no concern of this: that may be
    /// lost, too, and is told by its own name.
    template <typename Decode>
    auto decoded(const Page& page, Decode&& decode, const std::stop_token& stop)
        -> std::optional<decltype(decode(ByteSpan()))>
    {
        try {
            return decode(reader_.read(page.id, page.kind, stop));
        } catch (const Error& error) {
            if (error.code() != ErrorCode::damaged && error.code() != ErrorCode::not_found) {
                throw;
            }
            tell(*page.snapshot, page.path, page.id, page.kind, error.what());
            return std::nullopt;
        }
    }

    void read_tree(const Page& page, const TreePage& tree)
    {
        for (const PageRef& ref : tree.pages) {
            refer({page.snapshot, page.path, ref.page, BlobKind::tree_node, 0});
        }
        for (const Entry& entry : tree.entries) {
            const std::string path = page.path.empty() ? entry.path : page.path + "/" + entry.path;
            refer_content(*page.snapshot, path, entry.content, BlobKind::data);
            if (entry.subtree) {
                refer({page.snapshot, path, entry.subtree->page, BlobKind::tree_node, 0});
            }
        }
    }

    BlobReader& reader_;
    BlobIndex& index_;
    Marks& marks_;
    const MarkFindings& findings_;
    JobContext& context_;
    PageStack pages_;
    std::mutex mutex_; // guards marks_, lost_ and the findings
    std::unordered_set<BlobId, IdHash> lost_;
};

} // namespace

void mark_snapshots(BlobReader& reader, const std::vector<Snapshot>& snapshots, Marks& marks,
                    const MarkFindings& findings, const EngineLimits& limits, JobContext& context)
{
    Marker marker(reader, marks, findings, context);
    for (const Snapshot& snapshot : snapshots) {
        marker.add_snapshot(snapshot);
    }
    marker.run(limits.threads);
}

} // namespace backstay::core
