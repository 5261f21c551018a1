#pragma once

#include "format/snapshot_view.hpp"
#include "repo/blob_reader.hpp"

#include <memory>

namespace backstay::core
{

/// A subtree of a snapshot in the repository. Decoded pages are cached (bounded), so look-ups by
/// path in walk order cost a binary search. Thread-safe.
///
/// Nothing that is read is believed: pages that lie on a level where they cannot, begin with
/// another name than said, come out of order or have other totals than said throw Error{damaged}
/// naming the folder.
class RepositoryView : public SnapshotView
{
public:
    RepositoryView(std::shared_ptr<BlobReader> reader, Subtree root,
                   std::string source_record = {});
    ~RepositoryView() override;
    std::optional<Entry> lookup(std::string_view path) override;
    std::unique_ptr<EntryCursor> walk(std::string_view path, Depth depth) override;
    std::unique_ptr<SnapshotStream> open_stream(const Entry& entry) override;
    std::string source_record() const override;

    /// The view of what lies below `path` (a folder, or one file: then the view's root is that
    /// file); it lives for itself. Throws Error{not_found}.
    std::unique_ptr<RepositoryView> at(std::string_view path, std::string source_record = {});
    BlobReader& reader();
    /// All zero if the view's root is no folder.
    const Subtree& root() const;

private:
    struct State;
    explicit RepositoryView(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

} // namespace backstay::core
