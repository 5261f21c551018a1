#pragma once

#include "base/error.hpp"
#include "format/snapshot_view.hpp"

#include <algorithm>
#include <cstring>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace backstay::core
{

/// A snapshot's subtree in memory, from entries and their bytes. Fill it first, then read it from
/// any thread.
///
/// The root is a folder unless an entry with the path "" is added. Parents are not made up: add
/// folders, too.
class FakeView final : public SnapshotView
{
public:
    struct Piece {
        std::uint64_t offset = 0;
        std::string bytes;
    };

    /// `entry.size` and `entry.content` are set from `bytes` where the kind has content.
    void add(Entry entry, std::string_view bytes = {})
    {
        std::vector<Piece> pieces;
        if (!bytes.empty()) {
            pieces.push_back({0, std::string(bytes)});
        }
        const std::uint64_t size = has_content(entry) ? bytes.size() : entry.size;
        add_sparse(std::move(entry), size, std::move(pieces));
    }

    /// `pieces` in order, apart from each other; what lies between them is holes.
    void add_sparse(Entry entry, std::uint64_t size, std::vector<Piece> pieces)
    {
        entry.size = size;
        if (has_content(entry)) {
            entry.content = content_of(size, pieces);
        }
        std::string path = entry.path;
        nodes_.insert_or_assign(std::move(path), Node{std::move(entry), std::move(pieces), {}});
    }

    /// A folder with the usual attributes left empty.
    void add_folder(std::string path)
    {
        Entry entry;
        entry.path = std::move(path);
        entry.kind = EntryKind::directory;
        add(std::move(entry));
    }

    void add_file(std::string path, std::string_view bytes)
    {
        Entry entry;
        entry.path = std::move(path);
        add(std::move(entry), bytes);
    }

    /// From now on reading that touches the byte at `offset` of the file throws Error{damaged}.
    void damage_stream(const std::string& path, std::uint64_t offset)
    {
        nodes_.at(path).damaged_at = offset;
    }

    /// From now on the folder's children cannot be read: a walk throws Error{damaged} once, and
    /// goes on behind.
    void damage_folder(const std::string& path) { damaged_folders_.insert(path); }

    void set_source_record(std::string json) { source_record_ = std::move(json); }

    std::optional<Entry> lookup(std::string_view path) override
    {
        const auto found = nodes_.find(path);
        if (found != nodes_.end()) {
            return found->second.entry;
        }
        if (path.empty()) {
            Entry root;
            root.kind = EntryKind::directory;
            return root;
        }
        return std::nullopt;
    }

    std::unique_ptr<EntryCursor> walk(std::string_view path, Depth depth) override
    {
        const auto folder = lookup(path);
        if (!folder || folder->kind != EntryKind::directory) {
            throw Error(ErrorCode::not_found, "there is no such folder in the snapshot",
                        std::string(path));
        }
        return std::make_unique<Cursor>(*this, std::string(path), depth);
    }

    std::unique_ptr<SnapshotStream> open_stream(const Entry& entry) override
    {
        const auto found = nodes_.find(entry.path);
        if (found == nodes_.end() || !has_content(found->second.entry)) {
            throw Error(ErrorCode::invalid, "the entry has no content", entry.path);
        }
        return std::make_unique<Stream>(found->second);
    }

    std::string source_record() const override { return source_record_; }

private:
    struct PathLess {
        using is_transparent = void;
        bool operator()(std::string_view a, std::string_view b) const { return path_less(a, b); }
    };

    struct Node {
        Entry entry;
        std::vector<Piece> pieces;
        std::optional<std::uint64_t> damaged_at;
    };
    using Nodes = std::map<std::string, Node, PathLess>;

    class Stream final : public SnapshotStream
    {
    public:
        explicit Stream(const Node& node) : node_(node) {}

        std::uint64_t size() const override { return node_.entry.size; }

        std::size_t read_at(std::uint64_t offset, MutableByteSpan buffer,
                            const std::stop_token& stop) override
        {
            if (stop.stop_requested()) {
                throw Error(ErrorCode::cancelled, "cancelled");
            }
            const std::uint64_t begin = std::min(offset, size());
            const std::uint64_t end =
                begin + std::min<std::uint64_t>(size() - begin, buffer.size());
            if (node_.damaged_at && *node_.damaged_at >= begin && *node_.damaged_at < end) {
                throw Error(ErrorCode::damaged, "a blob is missing", node_.entry.path);
            }
            std::fill(buffer.begin(), buffer.end(), std::uint8_t{0});
            for (const Piece& piece : node_.pieces) {
                const std::uint64_t from = std::max(begin, piece.offset);
                const std::uint64_t to = std::min(end, piece.offset + piece.bytes.size());
                if (from < to) {
                    std::memcpy(buffer.data() + (from - begin),
                                piece.bytes.data() + (from - piece.offset), to - from);
                }
            }
            return end - begin;
        }

        std::optional<Extent> next_data(std::uint64_t offset) override
        {
            for (const Piece& piece : node_.pieces) {
                const std::uint64_t end = piece.offset + piece.bytes.size();
                if (end > offset) {
                    return Extent{std::max(offset, piece.offset), end};
                }
            }
            return std::nullopt;
        }

        Chunk chunk_at(std::uint64_t offset, const std::stop_token&) override
        {
            std::uint64_t begin = 0;
            for (const ContentItem& item : node_.entry.content.items) {
                if (offset < begin + item.length) {
                    return {begin, begin + item.length, item.is_hole()};
                }
                begin += item.length;
            }
            throw Error(ErrorCode::invalid, "the offset lies behind the end", node_.entry.path);
        }

        bool chunk_equals(std::uint64_t offset, ByteSpan bytes,
                          const std::stop_token& stop) override
        {
            Bytes wanted(bytes.size());
            return read_at(offset, wanted, stop) == bytes.size() && equal(wanted, bytes);
        }

    private:
        const Node& node_;
    };

    class Cursor final : public EntryCursor
    {
    public:
        Cursor(const FakeView& view, std::string path, Depth depth)
            : view_(view), depth_(depth), prefix_(path.empty() ? path : path + "/"),
              at_(path.empty() ? view.nodes_.begin() : view.nodes_.lower_bound(prefix_)),
              pending_damage_(view.damaged_folders_.count(path) != 0), damaged_(path)
        {
        }

        std::optional<Entry> next() override
        {
            if (pending_damage_) {
                pending_damage_ = false;
                skip_below(damaged_);
                throw Error(ErrorCode::damaged, "a folder's page cannot be read", damaged_);
            }
            while (at_ != view_.nodes_.end() && inside(at_->first)) {
                const Entry& entry = at_->second.entry;
                ++at_;
                const bool too_deep = entry.path.find('/', prefix_.size()) != std::string::npos;
                if (entry.path.empty() || (depth_ == Depth::one_level && too_deep)) {
                    continue;
                }
                last_ = entry.path;
                if (depth_ == Depth::all_levels && view_.damaged_folders_.count(last_) != 0) {
                    pending_damage_ = true;
                    damaged_ = last_;
                }
                return entry;
            }
            return std::nullopt;
        }

        void skip_children() override
        {
            pending_damage_ = false;
            skip_below(last_);
        }

    private:
        bool inside(std::string_view path) const
        {
            return path.substr(0, prefix_.size()) == prefix_;
        }

        void skip_below(const std::string& folder)
        {
            const std::string below = folder.empty() ? folder : folder + "/";
            while (at_ != view_.nodes_.end() && at_->first.compare(0, below.size(), below) == 0) {
                ++at_;
            }
        }

        const FakeView& view_;
        const Depth depth_;
        const std::string prefix_;
        Nodes::const_iterator at_;
        bool pending_damage_;
        std::string damaged_;
        std::string last_;
    };

    static bool has_content(const Entry& entry)
    {
        return entry.kind == EntryKind::file || entry.kind == EntryKind::image;
    }

    static BlobId id_of(std::string_view bytes)
    {
        BlobId id;
        std::uint64_t hash = 14695981039346656037ULL; // FNV-1a; ids need only differ
        for (const char byte : bytes) {
            hash = (hash ^ static_cast<std::uint8_t>(byte)) * 1099511628211ULL;
        }
        std::memcpy(id.bytes.data(), &hash, sizeof hash);
        id.bytes.back() = 1; // all zero is a hole
        return id;
    }

    static Content content_of(std::uint64_t size, const std::vector<Piece>& pieces)
    {
        Content content;
        std::uint64_t at = 0;
        for (const Piece& piece : pieces) {
            if (piece.offset > at) {
                content.items.push_back({piece.offset - at, BlobId{}});
            }
            content.items.push_back({piece.bytes.size(), id_of(piece.bytes)});
            at = piece.offset + piece.bytes.size();
        }
        if (size > at) {
            content.items.push_back({size - at, BlobId{}});
        }
        return content;
    }

    Nodes nodes_;
    std::set<std::string> damaged_folders_;
    std::string source_record_;
};

} // namespace backstay::core
