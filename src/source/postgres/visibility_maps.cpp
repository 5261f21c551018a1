#include "source/postgres/visibility_maps.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "postgres/page_check.hpp"

#include <algorithm>

namespace backstay::core
{

VisibilityMaps::VisibilityMaps(ParentCluster& parent, Settings settings)
    : parent_(parent), settings_(settings)
{
}

HeapChanges& VisibilityMaps::changes_of(const RelationFile& file)
{
    return changes_.try_emplace(file.relation, settings_.bounds.segment_blocks).first->second;
}

void VisibilityMaps::came_whole(const RelationFile& file)
{
    if (file.fork == RelationFile::Fork::main) {
        changes_of(file).add_whole(file.segment);
    }
}

void VisibilityMaps::came(const RelationFile& file, const std::vector<std::uint32_t>& blocks)
{
    if (file.fork == RelationFile::Fork::main && !blocks.empty()) {
        changes_of(file).add(file.segment, blocks);
    }
}

void VisibilityMaps::hold_back(Map map)
{
    if (!pages_) {
        pages_ = open_spool_file();
    }
    const std::uint64_t at = bytes_of_pages_;
    for (const Bytes& page : map.pages) {
        write_spool(pages_.get(), page);
        bytes_of_pages_ += page.size();
    }
    map.pages = {};
    held_back_.push_back({std::move(map), at});
}

std::optional<VisibilityMaps::Ready> VisibilityMaps::next()
{
    if (held_back_.empty()) {
        changes_.clear();
        pages_.reset();
        bytes_of_pages_ = 0;
        return std::nullopt;
    }
    auto [map, pages_at] = std::move(held_back_.back());
    held_back_.pop_back();
    load_pages(map, pages_at);
    ParentCluster::File parent =
        parent_.open(map.entry.path, without_incremental_prefix(map.manifest_path));
    Ready ready{std::move(map), std::move(parent)};
    mend(ready);
    return ready;
}

void VisibilityMaps::load_pages(Map& map, std::uint64_t at) const
{
    seek_spool(pages_.get(), at);
    for (std::size_t i = 0; i < map.head.blocks.size(); ++i) {
        Bytes& page = map.pages.emplace_back(settings_.bounds.page_size);
        if (read_spool(pages_.get(), page) != page.size()) {
            throw Error(ErrorCode::storage, "a temporary file became shorter", temporary_folder());
        }
    }
}

/// Every page that would be the parent's as it is comes out right, or becomes a block of its own.
void VisibilityMaps::mend(Ready& ready) const
{
    Map& map = ready.map;
    SnapshotStream& parent = *ready.parent.earlier.stream;
    const std::uint64_t kept =
        std::min<std::uint64_t>(map.head.truncation, parent.size() / settings_.bounds.page_size);
    std::vector<std::uint32_t> blocks;
    std::vector<Bytes> pages;
    std::size_t sent = 0;
    const auto take_sent = [&] {
        blocks.push_back(map.head.blocks[sent]);
        pages.push_back(std::move(map.pages[sent]));
        ++sent;
    };
    for (std::uint32_t block = 0; block < kept; ++block) {
        if (sent < map.head.blocks.size() && map.head.blocks[sent] == block) {
            take_sent();
        } else if (Bytes page = mended_page(parent, block, map); !page.empty()) {
            blocks.push_back(block);
            pages.push_back(std::move(page));
        }
    }
    while (sent < map.head.blocks.size()) {
        take_sent();
    }
    // A server takes a table's truncation for the map's, too: what it would add is all empty, and a
    // map may end early.
    map.head.truncation = static_cast<std::uint32_t>(kept);
    map.head.blocks = std::move(blocks);
    map.pages = std::move(pages);
}

/// Empty if the parent's page will do.
Bytes VisibilityMaps::mended_page(SnapshotStream& parent, std::uint32_t block, const Map& map) const
{
    const std::size_t size = settings_.bounds.page_size;
    const auto changes = changes_.find(map.file.relation);
    if (!settings_.has_checksums) {
        return Bytes(size, 0);
    }
    if (changes == changes_.end()) {
        return {};
    }
    Bytes page(size);
    read_earlier_file(parent, std::uint64_t{block} * size, page, {});
    const std::uint64_t map_block =
        std::uint64_t{map.file.segment} * settings_.bounds.segment_blocks + block;
    // A page that was torn when it was read is one that recovery would leave empty, too.
    if (!page_fits(page, static_cast<std::uint32_t>(map_block))) {
        return Bytes(size, 0);
    }
    if (!clear_visibility(page, map_block, changes->second)) {
        return {};
    }
    seal_page(page, static_cast<std::uint32_t>(map_block));
    return page;
}

} // namespace backstay::core
