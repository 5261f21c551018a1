#pragma once

#include "format/entry.hpp"
#include "postgres/relation_file.hpp"
#include "postgres/visibility_map.hpp"
#include "source/postgres/parent_cluster.hpp"
#include "source/postgres/spool_file.hpp"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace backstay::core
{

/// The visibility maps that an incremental backup sent blocks of, held back until all of their
/// archive has come.
///
/// Servers do not log which page of a map they clear a bit of (they do when they set one), so such
/// a page is not among the blocks they send, and the parent's says too much: scans of an index
/// alone would find rows that are gone. But whoever clears a bit changes the table's block. So in
/// pages that are the parent's, the bits of all blocks that were sent of the table are cleared.
/// Where pages have no checksums, the truncation of a map is not logged either: there, these pages
/// are left empty, which vacuum mends. One thread at a time.
class VisibilityMaps
{
public:
    struct Settings {
        IncrementalBounds bounds;
        bool has_checksums = false;
    };
    /// `parent` must outlive it.
    VisibilityMaps(ParentCluster& parent, Settings settings);

    /// A file of the archive that came: whole, or these blocks of it.
    void came_whole(const RelationFile& file);
    void came(const RelationFile& file, const std::vector<std::uint32_t>& blocks);

    struct Map {
        Entry entry;               ///< path and attributes
        std::string manifest_path; ///< as it came
        RelationFile file;
        IncrementalHead head;
        std::vector<Bytes> pages; ///< the blocks that came
    };
    /// Its pages go to a temporary file: there may be as many maps as tables. Throws Error.
    void hold_back(Map map);

    /// What is held back, one by one, ready to be rebuilt: its blocks are those that came and those
    /// that had to be mended. After the last one, another archive may begin. Requires: all of the
    /// archive has come.
    struct Ready {
        Map map;
        ParentCluster::File parent;
    };
    std::optional<Ready> next();

private:
    void mend(Ready& ready) const;
    Bytes mended_page(SnapshotStream& parent, std::uint32_t block, const Map& map) const;
    HeapChanges& changes_of(const RelationFile& file);
    void load_pages(Map& map, std::uint64_t at) const;

    ParentCluster& parent_;
    const Settings settings_;
    std::map<std::string, HeapChanges> changes_; ///< by relation
    struct HeldBack {
        Map map; ///< without its pages
        std::uint64_t pages_at;
    };
    std::vector<HeldBack> held_back_;
    SpoolFile pages_; ///< of all of them
    std::uint64_t bytes_of_pages_ = 0;
};

} // namespace backstay::core
