#pragma once

#include "format/snapshot_view.hpp"
#include "repo/repository_view.hpp"

#include <string>

namespace backstay::core
{

/// A part of a snapshot, for targets: a hard link names its first name as the part knows it, and
/// where that lies outside it is a file of its own. (Sources name first names by their own root.)
/// Thread-safe.
class PartView : public SnapshotView
{
public:
    /// `part` is what lies at `base` in `whole`; both must outlive the view.
    PartView(RepositoryView& part, RepositoryView& whole, std::string base);

    std::optional<Entry> lookup(std::string_view path) override;
    std::unique_ptr<EntryCursor> walk(std::string_view path, Depth depth) override;
    std::unique_ptr<SnapshotStream> open_stream(const Entry& entry) override;
    std::string source_record() const override;

private:
    class Cursor;
    Entry as_seen(Entry entry);

    RepositoryView& part_;
    RepositoryView& whole_;
    const std::string base_;
};

} // namespace backstay::core
