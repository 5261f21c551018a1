#pragma once

#include "engine/job_context.hpp"
#include "repo/blob_writer.hpp"
#include "repo/content_writer.hpp"
#include "repo/session.hpp"
#include "repo/snapshot_catalog.hpp"
#include "repo/tree_writer.hpp"
#include "support/sample_repository.hpp"

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace backstay::core
{

/// A repository in memory with snapshots of given trees, made without the engine.
class SampleSnapshots
{
public:
    struct PathLess {
        bool operator()(const std::string& a, const std::string& b) const
        {
            return path_less(a, b);
        }
    };
    struct File {
        Entry entry;       ///< its path, size and content are filled in
        std::string bytes; ///< one chunk
    };
    /// By path below the root, as snapshots have it: "files/etc/passwd".
    using Tree = std::map<std::string, File, PathLess>;

    Repository& repository() { return *sample_.repository; }
    ObjectStore& store() { return *sample_.store; }

    Snapshot commit(const Tree& tree, const SnapshotRecord& about = {})
    {
        return commit_root(
            [&](BlobWriter::Lane& lane) {
                TreeWriter writer(repository().keys(), lane);
                for (const auto& [path, file] : tree) {
                    Entry entry = file.entry;
                    entry.path = path;
                    entry.size = file.bytes.size();
                    if (!file.bytes.empty()) {
                        const BlobId id = lane.put(BlobKind::data, as_bytes(file.bytes)).id;
                        entry.content.items = {{file.bytes.size(), id}};
                    }
                    writer.add(entry);
                }
                return writer.finish();
            },
            about);
    }

    /// `make` puts the pages and says which is the root.
    Snapshot commit_root(const std::function<Subtree(BlobWriter::Lane&)>& make,
                         SnapshotRecord about = {})
    {
        Session session(repository(), "backup", Session::Use::writing, {});
        const auto index = BlobIndex::load(repository(), session.condemned(), Freshness::fresh, {});
        {
            WorkerGroup group;
            BlobWriter writer(repository(), session.id(), *index, {}, group);
            auto lane = writer.open_lane();
            about.root = make(*lane);
            lane->flush();
            lane.reset();
            writer.finish();
            group.join();
        }
        about.id = session.id();
        about.time = {++seconds_, 0};
        about.counts.entries = about.root.entries;
        about.counts.bytes_source = about.root.bytes;
        session.commit(encode_snapshot(about), {});
        return find_snapshot(list_snapshots(repository(), {}), about.id.hex(), {});
    }

    /// "files" with the file `other` and a folder `lost`, whose page there is not.
    Snapshot commit_with_lost_folder(const std::string& lost, const std::string& other)
    {
        return commit_root([&](BlobWriter::Lane& lane) {
            TreePage files;
            files.entries.resize(2);
            files.entries[0].path = lost;
            files.entries[0].kind = EntryKind::directory;
            files.entries[0].subtree = Subtree{BlobId{{9}}, 5, 0};
            files.entries[1].path = other;
            TreePage top;
            top.entries.resize(1);
            top.entries[0].path = "files";
            top.entries[0].kind = EntryKind::directory;
            top.entries[0].subtree = Subtree{put(lane, files), 7, 0};
            return Subtree{put(lane, top), 8, 0};
        });
    }

private:
    static BlobId put(BlobWriter::Lane& lane, const TreePage& page)
    {
        return lane.put(BlobKind::tree_node, encode_tree_page(page)).id;
    }

    SampleRepository sample_;
    std::int64_t seconds_ = 1'000'000;
};

/// What an operation emits.
class EmittedRecords
{
public:
    JobContext& context() { return context_; }
    const std::vector<Record>& all() const { return records_; }

    /// A text of each record of a type.
    std::vector<std::string> texts(std::string_view type, std::string_view field) const
    {
        std::vector<std::string> texts;
        for (const Record& record : records_) {
            if (record.text("type") == type) {
                texts.push_back(record.text(field));
            }
        }
        return texts;
    }

private:
    std::vector<Record> records_;
    JobContext context_{{}, [this](Record record) { records_.push_back(std::move(record)); }};
};

} // namespace backstay::core
