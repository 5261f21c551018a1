#pragma once

#include "engine/backup_shared.hpp"
#include "engine/content_reading.hpp"
#include "engine/linked_contents.hpp"

#include <optional>
#include <stop_token>
#include <string>

namespace backstay::core
{

/// Drains one lane of a source: entries that did not change are taken over from the parent, others
/// are read, cut and stored. One thread at a time.
class LaneReader
{
public:
    /// `parent`: of this source, or null.
    LaneReader(const BackupShared& shared, const std::string& source_name, DataSource& source,
               std::uint32_t lane, SnapshotView* parent, LinkedContents& linked,
               std::stop_token stop);
    void drain();

private:
    enum class Change { new_entry, modified, unchanged };
    void take(SourceEntry entry);
    bool keep_entry(Entry& entry);
    std::optional<Entry> look_up(const std::string& path);
    Change store(SourceEntry& entry, const std::optional<Entry>& before, bool& keep);
    void complete(SourceEntry& entry);
    bool take_over(SourceEntry& entry, const Entry& before);
    const Content* begun_content(const SourceEntry& entry, const Entry& before) const;
    bool read(SourceEntry& entry, const Content* begun);
    void tell(const Entry& entry, Change change);
    void problem(ErrorCode code, const std::string& path, const std::string& message);

    const BackupShared& shared_;
    std::string name_;
    DataSource& source_;
    std::uint32_t lane_;
    SnapshotView* parent_;
    LinkedContents& linked_;
    std::stop_token stop_;
    ContentReading contents_;
};

} // namespace backstay::core
